#!/usr/bin/env python3
"""fabricheck in the prolog, the epilog and the health check of a real Slurm. One scenario per call:

    test_slurm.py --fabricheck FILE --nvml FILE --validator FILE SCENARIO
    test_slurm.py --list

--nvml is the stand-in for NVML that replays a machine. Exit 0, 1 with what was wrong, or 77 with why it could not run here.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from accepting import acceptance, acceptance_drains
from slurm_lab import Programs, SlurmLab, why_not
from steps import GENEROUS, NVLINK_REASON, break_node, command_of, milliseconds_of, nobody_drained, nothing_runs
from visits import ended_early, nvml_troubles, told_once, transient

from isolation import isolated
from judging import Judge, Wrong, expect, saw


def ran_on(slurm: SlurmLab, out: str) -> list[str]:
    """The nodes whose names a job printed; srun prints words of its own between them."""
    return sorted(line for line in out.split() if line in slurm.nodes)


def batch(slurm: SlurmLab, *options: str, body: str = "hostname", name: str = "job.sh") -> str:
    script = slurm.folder / name
    script.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    done = slurm.client(["sbatch", "--parsable", f"--output={slurm.folder}/%j.out", *options, str(script)])
    expect(done.status == 0, f"sbatch: {done.out}")
    return done.out.strip()


def output_of(slurm: SlurmLab, job: str, timeout_s: float = 60) -> str:
    path = slurm.folder / f"{job}.out"
    slurm.wait_for(lambda: path.exists() and path.read_text(encoding="utf-8").strip(), timeout_s, f"job {job} wrote nothing")
    return path.read_text(encoding="utf-8").strip()


def healthy(slurm: SlurmLab) -> None:
    done = slurm.client(["srun", "-N4", "--gres=gpu:2", "hostname"])
    expect(done.status == 0 and ran_on(slurm, done.out) == slurm.nodes, f"srun: {done.status} {done.out}\n{slurm.logs()}")
    lines = slurm.wait_for_log("prolog of job 1: nothing to do on node", 4)
    saw(lines[0])
    expect(len(lines) == 4, f"one line of syslog for each node: {lines}")
    expect(all(" 0 fail, " in line for line in lines), f"{lines}")
    expect(output_of(slurm, batch(slurm, "-N1")) in slurm.nodes, "sbatch did not run")
    by_hand = slurm.lab.start(slurm.host("node1"), [
        slurm.programs.fabricheck, "node", "--sysroot", f"{slurm.folder}/machines/node1", "--config",
        f"{slurm.folder}/etc/node1.toml", "--json", f"{slurm.folder}/node.json"]).wait(30)
    if slurm.programs.validator:
        Judge(slurm.programs.fabricheck, slurm.programs.validator).validate(slurm.folder / "node.json")
    expect(by_hand.status == 0 and "node.nvlink" in by_hand.out, f"by hand: {by_hand.status} {by_hand.out}")
    nobody_drained(slurm)


def fault_on_one(slurm: SlurmLab) -> None:
    break_node(slurm, "node3")
    job = batch(slurm, "-N1", "--gres=gpu:8", "--exclude=node1,node2")
    slurm.wait_for(lambda: slurm.drained() and "PENDING" in slurm.client(["scontrol", "show", "job", job]).out, 40,
                   "the job was not requeued")
    slurm.client(["scontrol", "update", f"JobId={job}", "StartTime=now"])  # Slurm lets a requeued job wait for a while
    where = output_of(slurm, job)
    expect(slurm.drained() == ["node3"], f"drained: {slurm.drained()}\n{slurm.logs()}")
    expect(slurm.node("node3")["Reason"] == NVLINK_REASON, f"{slurm.node('node3')}")
    expect(where == "node4", f"the batch job ran on {where}")
    saw(f"node3: {slurm.node('node3')}; the batch job ran on {where}")
    expect(len(slurm.syslog.of("draining node3")) == 1, f"{slurm.syslog.lines}")
    done = slurm.client(["srun", "-N3", "hostname"])
    expect(done.status == 0, f"srun elsewhere: {done.out}")


def fault_of_other_gpu(slurm: SlurmLab) -> None:
    """GPU3 is not one of the two that Slurm hands out: the node is drained, and this job may run."""
    break_node(slurm, "node3")
    done = slurm.client(["srun", "-N1", "-w", "node3", "--gres=gpu:1", "hostname"])
    expect(ran_on(slurm, done.out) == ["node3"], f"srun: {done.status} {done.out}")
    slurm.wait_for_log("draining node3")
    expect(slurm.drained() == ["node3"], f"{slurm.drained()}")


def fault_on_all(slurm: SlurmLab) -> None:
    for node in slurm.nodes:
        break_node(slurm, node)
    for attempt in range(4):
        slurm.client(["srun", "-N1", "-w", slurm.nodes[attempt], "--immediate=5", "--gres=gpu:8", "true"])
    slurm.client(["srun", "-N4", "--immediate=5", "--gres=gpu:8", "true"])
    loud = slurm.wait_for_log("CIRCUIT BREAKER")
    saw(loud[0])
    drained = slurm.drained()
    expect(len(drained) == 1, f"1 of 4 may be drained, and these were: {drained}\n{slurm.logs()}")


def all_at_once(slurm: SlurmLab) -> None:
    for node in slurm.nodes:
        break_node(slurm, node)
    slurm.client(["srun", "-N4", "--gres=gpu:8", "true"])
    slurm.wait_for_log("prolog of job 1", 4)
    drained = slurm.drained()
    saw(f"four prologs at the same moment drained {drained}")
    expect(len(drained) <= 1, f"1 of 4 may be drained, and these were: {drained}\n{slurm.logs()}")
    expect(slurm.syslog.of("CIRCUIT BREAKER"), "no loud line")


def observe(slurm: SlurmLab) -> None:
    break_node(slurm, "node3")
    done = slurm.client(["srun", "-N4", "--gres=gpu:8", "hostname"])
    expect(done.status == 0 and ran_on(slurm, done.out) == slurm.nodes, f"srun: {done.status} {done.out}")
    lines = slurm.wait_for_log(f"observe: would drain node3: {NVLINK_REASON}")
    saw(lines[0])
    nobody_drained(slurm)


def hanging_probe(slurm: SlurmLab) -> None:
    budget_s = 3
    for node in slurm.nodes:
        slurm.configure(node, f'budget = "{budget_s}s"', settings='mode = "drain"')
    slurm.machine("node2", "h100x8.json", hang={"call": "nvmlDeviceGetGpuFabricInfoV", "gpu": 1})
    done = slurm.client(["srun", "-N1", "-w", "node2", "--gres=gpu:8", "hostname"])
    expect(done.status != 0, f"the job ran on a node whose GPU hangs: {done.out}")
    lines = slurm.wait_for_log("draining node2")
    expect("fabricheck: gpu: GPU1" in lines[0], lines[0])
    expect(milliseconds_of(lines[0]) <= (budget_s + 10) * 1000, f"it went on for long after its budget: {lines[0]}")
    saw(lines[0])
    expect(slurm.drained() == ["node2"], f"{slurm.drained()}")
    nothing_runs(slurm)


def hang_in_init(slurm: SlurmLab) -> None:
    """A driver that is slow to start is no dead GPU."""
    for node in slurm.nodes:
        slurm.configure(node, 'budget = "2s"', settings='mode = "drain"')
    slurm.machine("node2", "h100x8.json", hang={"call": "nvmlInit_v2"})
    done = slurm.client(["srun", "-N1", "-w", "node2", "--gres=gpu:8", "hostname"])
    expect(done.status == 0, f"srun: {done.out}")
    saw(slurm.wait_for_log("not judged")[0])
    nobody_drained(slurm)


def broken_fabricheck(slurm: SlurmLab) -> None:
    for text, words in (("kill -SEGV $$", "ended with status 139"), ("exit 127", "ended with status 127"),
                        ("exec /nonexistent", "ended with status")):
        slurm.program(text)
        before = len(slurm.syslog.of(words))
        done = slurm.client(["srun", "-N4", "hostname"])
        expect(done.status == 0 and ran_on(slurm, done.out) == slurm.nodes, f"{text}: {done.status} {done.out}")
        slurm.wait_for_log(words, before + 4)
    (slurm.folder / "bin/fabricheck").unlink()
    done = slurm.client(["srun", "-N4", "hostname"])
    expect(done.status == 0, f"missing: {done.out}")
    saw(slurm.wait_for_log("missing or cannot be run", 4)[0])
    nobody_drained(slurm)


def bad_input(slurm: SlurmLab) -> None:
    """Whatever is wrong beside the node: a sentence, the job runs, and nobody is drained."""
    break_node(slurm, "node3")

    def runs(what: str, words: str) -> None:
        done = slurm.client(["srun", "-N1", "-w", "node3", "--gres=gpu:1", "hostname"])
        expect(ran_on(slurm, done.out) == ["node3"], f"{what}: {done.status} {done.out}")
        line = slurm.wait_for_log(words)[-1]
        saw(f"{what}: {line.split(': ', 1)[-1][:150]}")
        nobody_drained(slurm)

    def idle() -> None:
        slurm.wait_for(lambda: slurm.node("node3")["State"] == "IDLE", 20, "node3 is not idle again")

    config = slurm.folder / "etc/node3.toml"
    good = config.read_text(encoding="utf-8")
    config.write_text("mod = 'drain'\n", encoding="utf-8")
    runs("unknown key", "unknown key 'mod'; did you mean 'mode'?")
    config.unlink()
    runs("no configuration", "cannot read the node configuration")
    config.write_text(re.sub('scontrol = ".*"', 'scontrol = "/nonexistent/scontrol"', good), encoding="utf-8")
    runs("missing scontrol", "NOT draining node3: /nonexistent/scontrol cannot be started")
    config.write_text(good, encoding="utf-8")
    unknown = slurm.lab.start(slurm.host("node3"), [str(slurm.folder / "prolog.sh")], {
        "SLURMD_NODENAME": "node3", "SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "3", "SLURM_CONF": "/nonexistent/slurm.conf"})
    config.write_text(re.sub('conf = ".*"', 'conf = "/nonexistent/slurm.conf"', good), encoding="utf-8")
    unknown.wait(30)
    config.write_text(good, encoding="utf-8")
    other = slurm.folder / "machines/stranger"
    other.symlink_to("node3")
    (slurm.folder / "etc/stranger.toml").write_text(good, encoding="utf-8")
    done = slurm.lab.start(slurm.host("node3"), [str(slurm.folder / "prolog.sh")],
                           {"SLURMD_NODENAME": "stranger", "SLURM_JOB_ID": "8", "SLURM_JOB_GPUS": "3"}).wait(30)
    expect(done.status == 0, f"a name that Slurm does not know: {done.out}")
    saw(slurm.wait_for_log("NOT draining stranger: Slurm knows no such node")[0])
    nobody_drained(slurm)
    state = slurm.folder / "state/node3/node.json"
    for what, text, words in (("corrupt state", "{", "is no state of a node"),
                              ("state of the future", '{"fabricheck_node_state": 99}', "is of version 99")):
        slurm.machine("node3", "h100x8.json")
        idle()  # the epilog, too, writes a state
        state.write_text(text, encoding="utf-8")
        runs(what, words)
    idle()
    state.chmod(0o666)
    runs("state that others may write", "may be written by others")
    place = str(state.parent)
    host = slurm.host("node3")
    for what, options, words in (("read-only /var", "ro,mode=700", "Read-only file system"),
                                 ("full /var", "size=4k,mode=700", "No space left on device")):
        idle()
        slurm.lab.start(host, ["mount", "-t", "tmpfs", "-o", options, "state", place]).wait(10)
        slurm.lab.start(host, ["dd", "if=/dev/zero", f"of={place}/full", "bs=4096", "count=2", "status=none"]).wait(10)
        runs(what, words)
        slurm.lab.start(host, ["umount", place]).wait(10)


def epilog(slurm: SlurmLab) -> None:
    job = batch(slurm, "-N1", "-w", "node2", "--gres=gpu:1", body="hostname; sleep 2")
    output_of(slurm, job)
    break_node(slurm, "node2")
    saw(slurm.wait_for_log(f"epilog of job {job}: draining node2")[0])
    expect(slurm.node("node2")["Reason"] == NVLINK_REASON, f"{slurm.node('node2')}")
    expect(slurm.drained() == ["node2"], f"{slurm.drained()}")


def health(slurm: SlurmLab) -> None:
    theirs = "memory is being changed by Ada"
    slurm.client(["scontrol", "update", "NodeName=node4", "State=DRAIN", f"Reason={theirs}"])
    break_node(slurm, "node2")
    break_node(slurm, "node4")
    slurm.wait_for(lambda: "DRAIN" in slurm.node("node2")["State"], 40, "node2 was not drained")
    expect(slurm.node("node2")["Reason"] == NVLINK_REASON, f"{slurm.node('node2')}")
    slurm.wait_for_log("node4 is out already", timeout_s=40)
    expect(slurm.node("node4")["Reason"] == theirs, f"another's reason was changed: {slurm.node('node4')}")
    # Mended: fabricheck takes back its own, and nobody else's.
    slurm.machine("node2", "h100x8.json")
    slurm.machine("node4", "h100x8.json")
    slurm.wait_for(lambda: "DRAIN" not in slurm.node("node2")["State"], 40, "node2 was not resumed")
    seen = len(slurm.syslog.of("health: nothing to do on node4"))
    slurm.wait_for_log("health: nothing to do on node4", seen + 1, timeout_s=40)
    expect(slurm.node("node4")["Reason"] == theirs and "DRAIN" in slurm.node("node4")["State"], f"{slurm.node('node4')}")
    saw(f"node4: {slurm.node('node4')}")


def hostile(slurm: SlurmLab) -> None:
    mark = slurm.folder / "pwned"
    evil = f"$(touch {mark});`touch {mark}`\n;touch {mark} #'\""
    library = slurm.folder / "evil.so"
    library.write_bytes(b"no library")
    environment = {
        "LD_PRELOAD": str(library), "LD_LIBRARY_PATH": str(slurm.folder), "HWLOC_XMLFILE": "/nonexistent",
        "NVIDIA_VISIBLE_DEVICES": "void", "CUDA_VISIBLE_DEVICES": "", "FABRICHECK_STANDIN_NVML": "/nonexistent",
        "SLURM_JOB_GPUS": evil, "SLURM_GPUS_ON_NODE": "64", "SLURM_CONF_SERVER": "evil", "IFS": "/", "ENV": str(mark),
    }
    broken = slurm.client(["srun", "-N4", "--gres=gpu:1", f"--job-name={evil}", f"--comment={evil}", "--export=ALL",
                           "/usr/bin/env", "-i", "/bin/hostname"], environment={k: v for k, v in environment.items()
                                                                                  if not k.startswith("LD_")})
    expect(broken.status == 0, f"srun: {broken.out}")
    # The same words straight to the scripts, as root's own environment.
    for name in ("prolog.sh", "epilog.sh", "healthcheck.sh"):
        slurm.script(name)
        done = slurm.lab.start(slurm.host("node1"), ["/usr/bin/env", *(f"{k}={v}" for k, v in environment.items() if
                                                                        not k.startswith("LD_")),
                                                     "SLURMD_NODENAME=node1", f"SLURM_JOB_PARTITION={evil}",
                                                     f"SLURM_JOB_ID={evil}", str(slurm.folder / name)]).wait(30)
        expect(done.status == 0, f"{name}: {done.status} {done.out}")
    # And to the program, with a library that no program could be started with.
    config = slurm.folder / "etc/node1.toml"
    done = slurm.lab.start(slurm.host("node1"), [
        slurm.programs.fabricheck, "node", "--slurm", "--config", str(config), "--sysroot",
        f"{slurm.folder}/machines/node1"], {**environment, "LD_LIBRARY_PATH": str(slurm.folder), "LD_PRELOAD": "",
                                           "SLURMD_NODENAME": "-evil;", "SLURM_CONF": "relative"}).wait(30)
    expect(done.status == 0, f"node: {done.status} {done.out}")
    expect(not mark.exists(), "a word of the job was run")
    expect(not [line for line in slurm.syslog.lines if evil[:10] in line], "a job's words are in syslog")
    nobody_drained(slurm)
    saw("no word of the job was run, and no node was drained")


def stuck_mount(slurm: SlurmLab) -> None:
    """A child that cannot be killed is abandoned, remembered, and not made again until it is gone."""
    folder = slurm.folder / "stuck"
    folder.mkdir()
    host = slurm.host("node2")
    server = slurm.lab.start(host, [sys.executable, str(Path(__file__).with_name("stuck_mount.py")), str(folder)])
    slurm.wait_for(lambda: "mounted" in server.text() or not server.running(), 20, "no stuck mount")
    if not server.running() or "mounted" not in server.text():
        print(f"SKIPPED: no FUSE here: {server.text()}")
        sys.exit(77)
    budget_s = 3
    # As it is on this machine, for a recorded one has no mounts; where there is a GPU, too, it is not looked at.
    slurm.program(f'exec {slurm.programs.fabricheck} "$@"\n')
    config = slurm.folder / "etc/node2.toml"
    slurm.configure("node2", f'budget = "{budget_s}s"', settings='mode = "drain"')
    with config.open("a", encoding="utf-8") as more:
        more.write(f'[[file_system]]\npath = "{folder}"\n')

    def stuck() -> list[int]:
        return [pid for pid in slurm.lab.processes() if b"\0node\0" in command_of(pid) and state_of(pid) == "D"]

    try:
        done = slurm.client(["srun", "-N1", "-w", "node2", "hostname"])
        expect(done.status != 0, f"the job ran: {done.out}")
        lines = slurm.wait_for_log("draining node2")
        saw(lines[0])
        expect(f"fabricheck: filesystem: {folder} hangs" in lines[0], lines[0])
        expect(milliseconds_of(lines[0]) <= (budget_s + 10) * 1000, f"it took too long: {lines[0]}")
        slurm.wait_for_log("epilog of job")
        left = stuck()
        expect(len(left) == 1, f"one process cannot be killed, and these wait: {left}")
        state = (slurm.folder / "state/node2/node.json").read_text(encoding="utf-8")
        expect(f'"pid": {left[0]}' in state, f"it is not remembered: {state}")
        for _ in range(3):
            slurm.lab.start(host, [str(slurm.folder / "prolog.sh")], {"SLURMD_NODENAME": "node2", "SLURM_JOB_ID": "9"}).wait(30)
        expect(stuck() == left, f"it was tried again: {stuck()}")
        saw(f"process {left[0]} waits alone after {1 + 1 + 3} visits")
    finally:
        server.signal(9)
    slurm.wait_for(lambda: not stuck(), 20, "the process is still stuck")
    slurm.lab.start(host, [str(slurm.folder / "prolog.sh")], {"SLURMD_NODENAME": "node2", "SLURM_JOB_ID": "10"}).wait(30)
    state = (slurm.folder / "state/node2/node.json").read_text(encoding="utf-8")
    expect('"stuck": []' in state, f"it is gone and not forgotten: {state}")


def state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(") ", 1)[1][0]
    except OSError:
        return ""


def many(slurm: SlurmLab) -> None:
    """300 prologs, four at a time: no false drain, nothing left."""
    rounds = 75

    def left() -> list[str]:
        found = [str(path) for path in (slurm.folder / "tmp").iterdir()]
        found += [str(path) for node in slurm.nodes for path in (slurm.folder / "state" / node).glob("*") if path.name != "node.json"]
        return sorted(found)

    before = left()
    began = time.monotonic()
    for _ in range(rounds):
        done = slurm.client(["srun", "-N4", "--gres=gpu:1", "true"])
        expect(done.status == 0, f"srun: {done.status} {done.out}")
    prologs = len(slurm.wait_for_log("prolog of job", 4 * rounds))
    slurm.wait_for_log("epilog of job", 4 * rounds)
    expect(prologs == 4 * rounds, f"{prologs} prologs")
    expect(not slurm.syslog.of("drain"), f"{slurm.syslog.of('drain')[:3]}")
    nobody_drained(slurm)
    expect(left() == before, f"left behind: {sorted(set(left()) - set(before))}")
    nothing_runs(slurm)
    times = sorted(milliseconds_of(line) for line in slurm.syslog.of("prolog of job"))
    saw(f"{prologs} prologs of 8 GPUs in {time.monotonic() - began:.0f} s, none drained, nothing left; each {times[len(times) // 2]} ms "
        f"(median), {times[int(len(times) * 0.99)]} ms (p99)")


SCENARIOS: dict[str, tuple[dict[str, object], Callable[[SlurmLab], None]]] = {
    "healthy": ({"drains": True, "settings": GENEROUS}, healthy),
    "fault_on_one": ({"drains": True, "settings": GENEROUS}, fault_on_one),
    "fault_of_other_gpu": ({"drains": True, "settings": GENEROUS}, fault_of_other_gpu),
    "fault_on_all": ({"drains": True, "settings": GENEROUS + "max_drain_percent = 25"}, fault_on_all),
    "all_at_once": ({"drains": True, "settings": GENEROUS + "max_drain_percent = 25"}, all_at_once),
    "observe": ({"drains": False, "settings": GENEROUS}, observe),
    "hanging_probe": ({"drains": True}, hanging_probe),
    "stuck_mount": ({"drains": True}, stuck_mount),
    "hang_in_init": ({"drains": True}, hang_in_init),
    "nvml_troubles": ({"drains": True, "settings": GENEROUS}, nvml_troubles),
    "transient": ({"drains": True, "settings": GENEROUS}, transient),
    "ended_early": ({"drains": True, "settings": GENEROUS}, ended_early),
    "told_once": ({"drains": True, "settings": GENEROUS}, told_once),
    "broken_fabricheck": ({"drains": True, "settings": GENEROUS}, broken_fabricheck),
    "bad_input": ({"drains": True, "settings": GENEROUS}, bad_input),
    "epilog": ({"drains": True, "settings": GENEROUS}, epilog),
    "health": ({"drains": True, "settings": GENEROUS + "resume = true", "health_s": 2}, health),
    "acceptance": ({"drains": True, "settings": GENEROUS}, acceptance),
    "acceptance_drains": ({"drains": True, "settings": GENEROUS}, acceptance_drains),
    "hostile": ({"drains": True, "settings": GENEROUS}, hostile),
    "many": ({"drains": True, "settings": GENEROUS}, many),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="the scenarios, one per line")
    for name in ("--fabricheck", "--nvml", "--validator"):
        parser.add_argument(name, type=Path)
    parser.add_argument("scenario", nargs="?", choices=sorted(SCENARIOS))
    options = parser.parse_args()
    if options.list:
        print("\n".join(SCENARIOS))
        return 0
    if options.scenario is None or not options.fabricheck or not options.nvml:
        parser.error("the program, the stand-in and a scenario are needed")
    for path in (options.fabricheck, options.nvml):
        if not path.is_file():
            print(f"{options.scenario}: WRONG: {path} has not been built")
            return 1
    programs = Programs(str(options.fabricheck.resolve()), str(options.nvml.resolve()),
                        str(options.validator.resolve()) if options.validator else "")
    settings, what = SCENARIOS[options.scenario]

    def scenario() -> int:
        try:
            with SlurmLab(4, programs, **settings) as slurm:  # type: ignore[arg-type]
                what(slurm)
        except Wrong as wrong:
            print(f"{options.scenario}: WRONG: {wrong}")
            return 1
        print(f"{options.scenario}: as it must be")
        return 0

    return isolated(scenario, why_not)


if __name__ == "__main__":
    sys.exit(main())
