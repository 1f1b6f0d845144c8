#!/usr/bin/env python3
"""fabricheck over several hosts, healthy and broken. One scenario per call:

    test_hosts.py --fabricheck FILE --faulty FILE --validator FILE --nvml FILE SCENARIO
    test_hosts.py --list

--nvml is the stand-in for NVML that replays a machine.
Exit 0, 1 with what was wrong, or 77 with why it could not run here. The validator takes SCHEMA RESULT; --faulty is the program
with a fault built in that FABRICHECK_FAULT describes.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab import Finished, Host, Lab, isolated, why_not

from judging import Json, Judge, Run, Wrong, checks_of, expect, finding, last_line, saw, summary, words_of

WHOLE_RUN_S = 20.0  # a run of the program ends within this, whatever happens to it
MACHINES = Path(__file__).resolve().parents[2] / "fixtures/nvml"
GATE = ("mpi.barrier.latency", "mpi.bcast.latency", "mpi.allreduce.latency")


@dataclass
class Programs:
    """What is under test."""

    fabricheck: str
    faulty: str
    validator: str
    nvml: str = ""


class Scenario(Judge):
    """What the scenarios share: starting runs and judging what they left."""

    def __init__(self, programs: Programs, lab: Lab) -> None:
        super().__init__(programs.fabricheck, programs.validator)
        self.programs = programs
        self.lab = lab
        self._runs = 0

    def start(
        self,
        *arguments: str,
        budget: str = "3s",
        program: str = "",
        ranks_per_host: int = 1,
        environment: dict[str, str] | None = None,
    ) -> Run:
        self._runs += 1
        out = self.lab.folder / f"out{self._runs}"
        program = program or self.programs.fabricheck
        command = [program, "run", "--out", str(out), "--budget", budget, "--progress", "on", *arguments]
        environment = environment or {}
        exports = [word for name in environment for word in ("-x", name)]
        job = self.lab.mpirun(command, ranks_per_host=ranks_per_host, options=exports, environment=environment)
        return Run(program, out, job, WHOLE_RUN_S)

    def by_hand(self, command: list[str], environment: dict[str, str] | None = None) -> Finished:
        """A command on node1 without mpirun."""
        try:
            return self.lab.start(self.lab.hosts[0], command, environment).wait(WHOLE_RUN_S)
        except TimeoutError as error:
            raise Wrong(str(error)) from None

    def host(self, number: int) -> Host:
        return self.lab.hosts[number - 1]


def healthy(count: int, test: Scenario) -> None:
    run = test.start()
    done = run.wait()
    result = test.judge_left(run)
    names = [f"node{k}" for k in range(1, count + 1)]
    saw(f"{count} hosts, {done.seconds:.1f} s, status {done.status}; {summary(result)}")
    expect(result["world"]["hosts"] == names, f"hosts are {result['world']['hosts']}, not {names}")
    expect(result["world"]["nodes"] == count, f"nodes is {result['world']['nodes']}, not {count}")
    expect(result["world"]["ranks"] == count, f"ranks is {result['world']['ranks']}, not {count}")
    expect(done.status == result["exit_status"], f"status {done.status}, result says {result['exit_status']}")
    # Tens to hundreds of microseconds over TCP: whoever says that this is under 5 us is wrong.
    expect(result["exit_status"] in (1, 3), f"exit_status {result['exit_status']}: 5 us over TCP on veth?")
    for identity in GATE:
        found = checks_of(result, identity)
        expect(found, f"{identity} is missing")
        scopes = {check["scope"] for check in found}
        expect(any(scope.startswith("between nodes") for scope in scopes), f"{identity}: scopes are only {scopes}")
        judged = [check for check in found if check["target"]]
        expect(judged, f"{identity} has no target anywhere")
        for check in judged:
            expect(check["verdict"] in ("FAIL", "INCONCLUSIVE"), f"{identity} ({check['scope']}): {check['verdict']}")
        for check in found:
            if check["value"] is None:
                continue
            expect(check["statistics"]["samples"] > 0, f"{identity}: a value from no samples")
            if check["ci95"] is None:
                expect(check["statistics"]["samples"] < 100, f"{identity}: no interval from 100 samples")
            else:
                low, high = check["ci95"]
                expect(low <= check["value"] <= high, f"{identity}: {check['value']} is outside {low}..{high}")
            expect(set(check["participants"]) <= set(names), f"{identity}: participants {check['participants']}")
    mpi = result["world"]["mpi"]
    saw(f"MPI: {mpi}")
    expect(mpi.get("pml") == "ob1", f"the PML is {mpi.get('pml')}, not the ob1 that mpirun was told to take")
    expect(mpi.get("transport_between_nodes") == "tcp", f"between nodes: {mpi.get('transport_between_nodes')}")
    expect("transport_inside_node" not in mpi, "a path inside nodes, where every node has one rank")
    expect(test.rebuilt(run)["world"]["mpi"] == mpi, "the journal rebuilds to other words on MPI")
    middle = checks_of(result, "mpi.allreduce.latency")[0]
    saw(f"allreduce {middle['parameters'].get('bytes')} B {middle['scope']}: {middle['value']} {middle['unit']} "
        f"{middle['ci95']}, {middle['statistics']['samples']} samples, {middle['verdict']}")
    start = result.get("overhead", {}).get("start_to_first_sample_s")
    saw(f"start to first sample: {start} s")


def two_ranks_per_host(test: Scenario) -> None:
    run = test.start(ranks_per_host=2)
    done = run.wait()
    result = test.judge_left(run)
    saw(f"2 hosts x 2 ranks, {done.seconds:.1f} s; {summary(result)}")
    expect(result["world"]["ranks"] == 4 and result["world"]["nodes"] == 2, f"world is {result['world']}")
    mpi = result["world"]["mpi"]
    paths = (mpi.get("transport_inside_node"), mpi.get("transport_between_nodes"))
    expect(paths == ("vader", "tcp"), f"inside and between nodes MPI ran over {paths}")
    expect("ob1 over vader inside nodes, tcp between nodes" in " ".join(run.job.text().split()), "the report's head does not say what MPI ran on")
    scopes = {check["scope"] for check in result["checks"]}
    for scope in ("all ranks", "inside node"):
        expect(any(found.startswith(scope) for found in scopes), f"no check {scope}; scopes are {sorted(scopes)}")


def half_bandwidth(test: Scenario) -> None:
    for host in test.lab.hosts:
        test.lab.shape(host, "1gbit")
    size = 4 << 20
    values = []
    for label in ("healthy", "node3 at half"):
        if values:
            test.lab.shape(test.host(3), "500mbit")
        run = test.start("--only", "mpi.allreduce.latency", "--sizes", "4MiB")
        run.wait()
        result = test.judge_left(run)
        found = [c for c in checks_of(result, "mpi.allreduce.latency", "between nodes")
                 if c["parameters"]["bytes"] == size and c["value"] is not None]
        expect(found, f"{label}: no value for 4 MiB between nodes; {summary(result)}")
        values.append(float(found[0]["value"]))
        saw(f"{label}: 4 MiB allreduce {found[0]['value']} {found[0]['unit']}, "
            f"{found[0]['statistics']['samples']} samples, busbw {found[0]['counters']}")
    ratio = values[1] / values[0]
    saw(f"ratio {ratio:.2f}")
    expect(ratio >= 1.3, f"a host at half bandwidth makes the allreduce only {ratio:.2f} times slower")


def judge_lost(test: Scenario, run: Run, slugs: tuple[str, ...], host: str, rank: int) -> None:
    """The result of a run that lost a rank names it, and where it was."""
    done = run.wait()
    result = test.judge_left(run)
    saw(f"{done.seconds:.1f} s, mpirun's status {done.status}; {summary(result)}")
    expect(done.status != 0, "mpirun says 0")
    expect(result["exit_status"] == 4, f"exit_status is {result['exit_status']}, not 4: {result.get('verdict_reason')}")
    expect(result["verdict"] != "PASS", "the verdict is PASS")
    slug = next((s for s in slugs if any(f["slug"] == s for f in result["findings"])), slugs[0])
    culprit = finding(result, slug)
    saw(f"{slug}: {culprit['component']} {culprit['meaning']}")
    words = words_of(culprit)
    expect(culprit["component"]["host"] == host or culprit["component"]["name"] == host,
           f"{slug} names {culprit['component']}, not {host}")
    expect(f"rank {rank}" in words, f"{slug} does not name rank {rank}: {words}")
    expect(culprit["severity"] == "fatal", f"{slug} is {culprit['severity']}, not fatal")
    # A cable that is pulled just there leaves a rank between two checks, which have no iteration.
    is_between = any(place in words for place in ("before it had come to", "after it had left"))
    expect("mpi." in words and ("iteration" in words or is_between),
           f"{slug} does not say in which check and iteration: {words}")
    others = [f["component"] for f in result["findings"] if f["slug"] in ("rank-hung", "rank-lost") and f is not culprit]
    expect(not others, f"others are blamed too: {others}")


def rank_stopped(test: Scenario) -> None:
    run = test.start()
    run.wait_for_checks()
    pid = test.lab.rank_process(test.host(3), 2)
    subprocess.run(["kill", "-STOP", str(pid)], check=True)
    judge_lost(test, run, ("rank-hung",), "node3", 2)


def rank_killed(test: Scenario) -> None:
    run = test.start()
    run.wait_for_checks()
    pid = test.lab.rank_process(test.host(3), 2)
    subprocess.run(["kill", "-KILL", str(pid)], check=True)
    judge_lost(test, run, ("rank-lost",), "node3", 2)


def first_rank_killed(test: Scenario) -> None:
    """Nobody is left to write a result; the journal alone has what was measured."""
    run = test.start()
    run.wait_for_checks()
    pid = test.lab.rank_process(test.host(1), 0)
    subprocess.run(["kill", "-KILL", str(pid)], check=True)
    done = run.wait()
    rebuilt = test.rebuilt(run)
    saw(f"{done.seconds:.1f} s, mpirun's status {done.status}; from the journal: {summary(rebuilt)}")
    expect(done.status != 0, "mpirun says 0")
    expect(rebuilt["exit_status"] in (1, 3, 4), f"the journal of a cut-short run gives {rebuilt['exit_status']}")
    expect(len(rebuilt["checks"]) >= len(run.seen_before), "checks were lost")


def link_down(test: Scenario) -> None:
    run = test.start()
    run.wait_for_checks()
    test.lab.pull_cable(test.host(3))
    judge_lost(test, run, ("rank-hung", "rank-lost", "host-unreachable"), "node3", 2)


def throws_in_prepare(test: Scenario) -> None:
    fault = "throw rank=2 check=mpi.allreduce.latency iteration=2 where=prepare"
    run = test.start(program=test.programs.faulty, environment={"FABRICHECK_FAULT": fault})
    done = run.wait()
    result = test.judge_left(run)
    saw(f"{done.seconds:.1f} s, status {done.status}; {summary(result)}")
    broken = [c for c in checks_of(result, "mpi.allreduce.latency") if c["verdict"] == "ERROR"]
    expect(broken, "no mpi.allreduce.latency with verdict ERROR")
    saw(f"reason: {broken[0]['reason']}")
    for check in broken:
        expect("rank 2" in check["reason"] and "node3" in check["reason"], f"the reason is: {check['reason']}")
    going_on = [c for c in result["checks"] if c["id"] != "mpi.allreduce.latency" and c["value"] is not None]
    expect({c["id"] for c in going_on} >= {"mpi.barrier.latency", "mpi.bcast.latency"}, "other checks did not go on")
    expect(result["exit_status"] in (1, 3), f"exit_status is {result['exit_status']}")
    expect(done.status == result["exit_status"], f"status {done.status}, result says {result['exit_status']}")


def throws_in_execute(test: Scenario) -> None:
    fault = "throw rank=2 check=mpi.allreduce.latency iteration=2 where=execute"
    run = test.start(program=test.programs.faulty, environment={"FABRICHECK_FAULT": fault})
    done = run.wait()
    result = test.judge_left(run)
    saw(f"{done.seconds:.1f} s, mpirun's status {done.status}; {summary(result)}")
    expect(result["exit_status"] in (3, 4), f"exit_status is {result['exit_status']}")
    expect(done.status != 0, "mpirun says 0")
    words = words_of({key: result[key] for key in ("findings", "checks", "not_tested")}) + result.get("verdict_reason", "")
    expect("rank 2" in words and "node3" in words, f"rank 2 on node3 is not named: {result['findings']}")
    saw(result.get("verdict_reason", ""))


def rank_stuck(test: Scenario) -> None:
    """The process lives and its watchdog answers, but it does not come back from one iteration."""
    fault = "stop rank=2 check=mpi.bcast.latency iteration=2 where=execute"
    run = test.start("--deadline", "4s", program=test.programs.faulty, environment={"FABRICHECK_FAULT": fault})
    run.wait_for_checks()
    judge_lost(test, run, ("rank-hung",), "node3", 2)


def wrong_result(test: Scenario) -> None:
    fault = "wrong rank=2 check=mpi.allreduce.latency iteration=0"
    run = test.start(program=test.programs.faulty, environment={"FABRICHECK_FAULT": fault})
    done = run.wait()
    result = test.judge_left(run)
    saw(f"{done.seconds:.1f} s, status {done.status}; {summary(result)}")
    broken = [c for c in checks_of(result, "mpi.allreduce.latency") if "wrong result" in c["reason"]]
    expect(broken, "no mpi.allreduce.latency tells of a wrong result")
    saw(f"reason: {broken[0]['reason']}")
    for check in broken:
        expect(check["verdict"] == "FAIL", f"a wrong result is {check['verdict']}")
        expect("rank 2" in check["reason"], f"the reason does not name rank 2: {check['reason']}")
    expect(result["exit_status"] == 1 and done.status == 1, f"exit_status {result['exit_status']}, status {done.status}")


def flipped_bit(test: Scenario) -> None:
    """One bit of one result, in a run with every collective: the hunt beside the measurement meets it."""
    fault = "flip rank=3 check=mpi.reduce_scatter.latency iteration=600 byte=2 bit=1"
    run = test.start(
        "--only", "mpi.reduce_scatter.*", "--only", "mpi.allreduce.latency", "--sizes", "64", "--verify-repeat", "2000",
        program=test.programs.faulty, environment={"FABRICHECK_FAULT": fault},
    )
    done = run.wait()
    result = test.judge_left(run)
    saw(f"{done.seconds:.1f} s, status {done.status}; {summary(result)}")
    broken = [c for c in result["checks"] if "wrong result" in c["reason"]]
    expect(len(broken) == 1, f"{len(broken)} checks tell of a wrong result, not one")
    saw(f"reason: {broken[0]['reason']}")
    expect(broken[0]["id"] == "mpi.reduce_scatter.latency", f"the wrong result is {broken[0]['id']}'s")
    for words in ("rank 3 on node4", "iteration 600", "element", "expected", "got"):
        expect(words in broken[0]["reason"], f"the reason does not say '{words}'")
    expect(result["exit_status"] == 1 and done.status == 1, f"exit_status {result['exit_status']}, status {done.status}")


def with_baseline(test: Scenario) -> None:
    """A run against an earlier one of the same hosts, and against one in which it was twice as fast."""
    arguments = ("--only", "mpi.bcast.latency", "--sizes", "8", "--tolerance", "60")
    first = test.start(*arguments, "--baseline", "/nowhere/result.json")
    refused = first.wait()
    expect(refused.status == 2, f"a baseline that is not there gives status {refused.status}")
    expect(not (first.out / "result.json").exists(), "it measured although the baseline could not be read")
    first = test.start("--only", "mpi.bcast.latency", "--sizes", "8")
    first.wait()
    old = test.judge_left(first)
    # The earlier result with times a tenth of what they were: whatever comes now is a regression.
    for check in checks_of(old, "mpi.bcast.latency"):
        expect(check["statistics"]["repeats"] >= 4, "a judged check was not repeated")
        for key in ("value",):
            check[key] /= 1000
        check["ci95"] = [check["value"] * 0.99, check["value"] * 1.01]
        check["statistics"]["clock_error"] = 0
        check["verdict"], check["reason"] = "UNCHECKED", ""
    faster = test.lab.folder / "faster.json"
    faster.write_text(json.dumps(old))
    run = test.start(*arguments, "--baseline", str(faster))
    done = run.wait()
    result = test.judge_left(run)
    saw(f"{done.seconds:.1f} s, status {done.status}; {summary(result)}")
    told = finding(result, "regression")
    expect("node1" in json.dumps(told), "the regression names no host")
    expect(result["exit_status"] == 1, f"exit_status {result['exit_status']} after a regression")


def interrupted(number: signal.Signals, test: Scenario) -> None:
    run = test.start(budget="60s")
    run.wait_for_checks()
    run.job.signal(number)
    done = run.wait()
    result = test.judge_left(run)
    saw(f"{done.seconds:.1f} s, mpirun's status {done.status}; {summary(result)}; {result.get('verdict_reason')}")
    expect(result["checks"], "nothing of what was measured is in the result")
    expect(result["verdict"] != "PASS" and result["exit_status"] != 0, "an interrupted run passed")
    expect(done.seconds < 50, f"the run went on for {done.seconds:.1f} s")


def disk_full(test: Scenario) -> None:
    """The folder of the results has room for the header and a few checks only."""
    out = test.lab.folder / "out1"
    out.mkdir()
    host = test.host(1)
    subprocess.run(host.enter(["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(out)]), check=True)
    run = test.start(budget="6s")
    done = run.wait()
    copy = test.lab.folder / "copied.jsonl"
    with copy.open("wb") as sink:
        subprocess.run(host.enter(["cat", str(out / "journal.jsonl")]), stdout=sink, check=True)
    lines = [json.loads(line) for line in copy.read_text(encoding="utf-8").splitlines()]
    checks = [line for line in lines if line["type"] == "check"]
    saw(f"{done.seconds:.1f} s, status {done.status}, {len(checks)} whole checks in the journal")
    expect(checks, "no check was kept")
    expect(lines[-1]["type"] != "end", "the disk was not full: the journal has its end")
    expect(done.status not in (0, 2), f"status {done.status}")
    expect("No space left" in done.out, f"the full disk is not named:\n{run.tail()}")


def launch_singletons(test: Scenario) -> None:
    done = test.by_hand(
        [test.programs.fabricheck, "run", "--out", str(test.lab.folder / "out")], {"OMPI_COMM_WORLD_SIZE": "4"}
    )
    saw(f"status {done.status}: {last_line(done)}")
    expect(done.status == 2, f"status {done.status}, not 2:\n{done.out}")
    expect("mpirun" in done.out, f"the right command is not named:\n{done.out}")


def launch_subset(test: Scenario) -> None:
    done = test.lab.mpirun(
        [test.programs.fabricheck, "run", "--out", str(test.lab.folder / "out"), "--budget", "2s"],
        options=["-x", "SLURM_JOB_NUM_NODES", "-x", "SLURM_JOB_ID"],
        environment={"SLURM_JOB_NUM_NODES": "4", "SLURM_JOB_ID": "7"},
    ).wait(WHOLE_RUN_S)
    saw(f"status {done.status}: {last_line(done)}")
    expect(done.status == 2, f"status {done.status}, not 2:\n{done.out}")
    expect("--allow-subset" in done.out, f"--allow-subset is not named:\n{done.out}")
    run = test.lab.mpirun(
        [test.programs.fabricheck, "run", "--out", str(test.lab.folder / "out"), "--budget", "2s", "--allow-subset"],
        options=["-x", "SLURM_JOB_NUM_NODES", "-x", "SLURM_JOB_ID"],
        environment={"SLURM_JOB_NUM_NODES": "4", "SLURM_JOB_ID": "7"},
    ).wait(WHOLE_RUN_S)
    saw(f"with --allow-subset: status {run.status}")
    expect(run.status in (1, 3), f"with --allow-subset: status {run.status}:\n{run.out}")


def launch_two_builds(test: Scenario) -> None:
    arguments = ["run", "--out", str(test.lab.folder / "out"), "--budget", "2s"]
    done = test.lab.mpirun([test.programs.fabricheck, *arguments], [test.programs.faulty, *arguments]).wait(WHOLE_RUN_S)
    saw(f"status {done.status}: {last_line(done)}")
    expect(done.status == 2, f"status {done.status}, not 2:\n{done.out}")
    expect("build" in done.out, f"the reason is not named:\n{done.out}")


def one_name_twice(test: Scenario) -> None:
    """The second machine calls itself as the first does, and was started another time."""
    boot = test.lab.folder / "boot_id"
    boot.write_text("11111111-2222-3333-4444-555555555555\n", encoding="ascii")
    run = [test.programs.fabricheck, "run", "--out", str(test.lab.folder / "out"), "--budget", "2s"]
    renamed = f'hostname node1 && mount --bind {boot} /proc/sys/kernel/random/boot_id && exec "$@"'
    done = test.lab.mpirun(run, ["unshare", "-m", "-u", "sh", "-c", renamed, "sh", *run]).wait(WHOLE_RUN_S)
    saw(f"status {done.status}: {last_line(done)}")
    expect(done.status == 2, f"status {done.status}, not 2:\n{done.out}")
    expect("two machines call themselves node1" in done.out, f"the reason is not named:\n{done.out}")


def start_by_launch(test: Scenario, hosts: str, *arguments: str) -> Run:
    """fabricheck launch on node1, which reaches the others as the lab's own mpirun does."""
    out = test.lab.folder / "out1"
    network = f"{test.lab.NETWORK}.0/24"
    environment = {
        "OMPI_MCA_plm_rsh_agent": str(test.lab.agent),
        "OMPI_MCA_oob_tcp_if_include": network,
        "OMPI_MCA_btl_tcp_if_include": network,
        "OMPI_MCA_pml": "ob1",
        "OMPI_MCA_btl": "self,vader,tcp",
        "OMPI_MCA_mpi_yield_when_idle": "1",
    }
    command = [test.programs.fabricheck, "launch", "--hosts", hosts, "--ranks-per-node", "1", "--", "run"]
    command += ["--out", str(out), "--budget", "3s", "--progress", "off", *arguments]
    return Run(test.programs.fabricheck, out, test.lab.start(test.host(1), command, environment), 30.0)


def launch_link_down(test: Scenario) -> None:
    """The watchdog names the host before mpirun ends the job, and mpirun does come back."""
    run = start_by_launch(test, "node1,node2,node3")
    run.wait_for_checks()
    test.lab.pull_cable(test.host(3))
    done = run.wait()
    result = test.judge_left(run)
    saw(f"{done.seconds:.1f} s, status {done.status}; {summary(result)}; {result.get('verdict_reason')}")
    told = finding(result, "rank-hung")
    saw(f"evidence: {told['evidence'][0]['text']}")
    expect("node3" in told["meaning"], f"the finding is: {told['meaning']}")
    expect("phase" not in told["evidence"][0]["text"], "the evidence has a number of the program's own")
    expect(result["exit_status"] == 4 and done.status == 4, f"status {done.status}, result says {result['exit_status']}")


def plain_link_down(test: Scenario) -> None:
    """A mpirun that notices no dead link may wait for hours: the last line says so."""
    out = test.lab.folder / "out1"
    command = test.lab.mpirun_command(
        [test.programs.fabricheck, "run", "--out", str(out), "--budget", "3s", "--progress", "off"], timeout_s=60
    )
    at = command.index("oob_tcp_keepalive_time") - 1
    job = test.lab.start(test.host(1), command[:at] + command[at + 9 :])
    run = Run(test.programs.fabricheck, out, job, 30.0)
    run.wait_for_checks()
    test.lab.pull_cable(test.host(2))
    while not (out / "result.json").exists():
        expect(job.running() and time.monotonic() - job.began < run.limit_s, f"no result is written:\n{run.tail()}")
        time.sleep(0.05)
    hint = "--mca oob_tcp_keepalive_time"
    while hint not in job.text() and time.monotonic() - job.began < run.limit_s:
        time.sleep(0.05)
    said = [line for line in job.text().splitlines() if hint in line]
    expect(len(said) == 1, f"what to do with mpirun is said {len(said)} times:\n{run.tail()}")
    saw(said[0])
    result = test.judge_left(run)
    expect("node2" in finding(result, "rank-hung")["meaning"], f"the reason is: {result['verdict_reason']}")


def launch_rank_zero(test: Scenario) -> None:
    """mpirun puts rank 0 on the host it runs on, wherever the list has it."""
    done = start_by_launch(test, "node2,node1", "--only", "mpi.barrier.latency").wait()
    expect("rank 0 runs on" not in done.out, f"rank 0 is said to run elsewhere:\n{done.out}")
    result = json.loads((test.lab.folder / "out1/result.json").read_text(encoding="utf-8"))
    hosts = result["world"]["hosts"]
    saw(f"node2,node1 from node1: {hosts}")
    expect(hosts == ["node1", "node2"], f"the hosts in rank order are {hosts}")
    done = test.by_hand([
        test.programs.fabricheck, "launch", "--hosts", "node2,node1", "--dry-run", "--", "run"
    ])
    expect("--host node1:2,node2:2 " in done.out, f"the command is:\n{done.out}")


def launch_dry_run(test: Scenario) -> None:
    done = test.by_hand([test.programs.fabricheck, "launch", "--hosts", "node1,node2", "--dry-run", "--", "run"])
    saw(f"status {done.status}: {last_line(done)}")
    expect(done.status == 0, f"status {done.status}, not 0:\n{done.out}")
    for word in ("mpirun", "node1", "node2", "run"):
        expect(word in done.out, f"{word} is not in the command:\n{done.out}")
    for bad in ("-oProxyCommand=x", "node1;reboot", "node$(id)"):
        refused = test.by_hand([test.programs.fabricheck, "launch", f"--hosts={bad}", "--dry-run", "--", "run"])
        expect(refused.status == 2, f"the host name {bad} gives status {refused.status}, not 2:\n{refused.out}")
    saw("host names that begin with a dash or hold shell characters: status 2")


def groups(test: Scenario) -> None:
    targets = test.lab.folder / "targets.toml"
    targets.write_text(GROUP_TARGETS, encoding="utf-8")
    run = test.start("--targets", str(targets), budget="6s")
    done = run.wait()
    result = test.judge_left(run)
    saw(f"{done.seconds:.1f} s, status {done.status}; {summary(result)}")
    for identity in GATE:
        for mode in ("together", "apart"):
            judged = [c for c in checks_of(result, identity, "between nodes, group") if c["parameters"]["mode"] == mode]
            members = sorted(check["participants"] for check in judged)
            expect(members == [["node1", "node2"], ["node3", "node4"]], f"{identity}, {mode}: groups are {members}")
            for check in judged:
                expect(check["verdict"] in ("FAIL", "INCONCLUSIVE"), f"{identity}, {mode}: {check['verdict']}")
        world = [c for c in checks_of(result, identity, "between nodes") if c["parameters"]["nodes"] == 4]
        expect(world, f"{identity}: the whole world's latency is not shown beside its groups'")
    fit = [f for f in result["fits"] if f["model"] == "alpha*ceil(log2(nodes))"]
    expect({f["id"] for f in fit} == set(GATE), f"the world models are {result['fits']}")
    for one in fit:
        saw(f"{one['id']}: {one['model']}, {one['coefficients']}")


GROUP_TARGETS = """\
[[target]]
check = "mpi.barrier.latency"
group_nodes = 2
below = "5 us"
source = "a lab"

[[target]]
check = "mpi.bcast.latency"
bytes = 8
group_nodes = 2
below = "5 us"
source = "a lab"

[[target]]
check = "mpi.allreduce.latency"
bytes = 8
group_nodes = 2
below = "5 us"
source = "a lab"
"""


def give_gpus(test: Scenario, machines: dict[int, str]) -> dict[str, str]:
    """Each host the GPUs of a machine in tests/fixtures/nvml, at the same place on all hosts; what to set for it."""
    folder = test.lab.folder
    (folder / "libnvidia-ml.so.1").symlink_to(test.programs.nvml)
    machine = folder / "machine.json"
    machine.touch()
    for number, name in machines.items():
        mounted = test.lab.start(test.host(number), ["mount", "--bind", str(MACHINES / f"{name}.json"), str(machine)])
        expect(mounted.wait(WHOLE_RUN_S).status == 0, f"{name} cannot be mounted on node{number}: {mounted.text()}")
    return {"LD_LIBRARY_PATH": str(folder), "FABRICHECK_STANDIN_NVML": str(machine)}


def check_of(result: Json, identity: str) -> Json:
    found = checks_of(result, identity)
    expect(len(found) == 1, f"{len(found)} records of {identity}; {summary(result)}")
    return found[0]


def gpu_lost(test: Scenario) -> None:
    environment = give_gpus(test, {1: "h100x8", 2: "h100x8", 3: "gpu_missing", 4: "h100x8"})
    good = test.lab.folder / "good.toml"
    done = test.by_hand([test.programs.fabricheck, "topology", "--save-expectation", str(good)], environment)
    expect(done.status == 0 and "H100" in good.read_text(encoding="utf-8"), f"no expectation was written: {done.out}")
    run = test.start("--only", "topology.*", "--expect", str(good), environment=environment)
    done = run.wait()
    result = test.judge_left(run)
    saw(f"{done.seconds:.1f} s; {summary(result)}")
    expect(result["exit_status"] == 1, f"exit_status {result['exit_status']} with a GPU missing")
    for identity in ("topology.consistency", "topology.expectation", "topology.platform"):
        check = check_of(result, identity)
        saw(f"{identity}: {check['verdict']}: {check['reason']}")
        expect(check["verdict"] == "FAIL", f"{identity} is {check['verdict']}")
        expect("node3" in check["reason"], f"{identity} does not name node3: {check['reason']}")
        for healthy_host in ("node1", "node2", "node4"):
            expect(healthy_host not in check["reason"], f"{identity} accuses {healthy_host}: {check['reason']}")
    kinds = result["topology"]["kinds"]
    expect(len(kinds) == 2, f"{len(kinds)} kinds of hosts travelled, not 2")


def equal_gpus(test: Scenario) -> None:
    environment = give_gpus(test, {k: "h100x8" for k in range(1, 5)})
    run = test.start("--only", "topology.*", environment=environment)
    done = run.wait()
    result = test.judge_left(run)
    saw(f"{done.seconds:.1f} s; {summary(result)}")
    for identity in ("topology.devices", "topology.consistency", "topology.platform"):
        check = check_of(result, identity)
        saw(f"{identity}: {check['verdict']}: {check['reason']}")
        expect(check["verdict"] == "PASS", f"{identity} is {check['verdict']}: {check['reason']}")
    expect(len(result["topology"]["kinds"]) == 1, "equal hosts are not one kind")


def nvml_hangs(test: Scenario) -> None:
    environment = give_gpus(test, {1: "h100x8", 2: "hangs"})
    run = test.start("--only", "topology.*", environment=environment)
    done = run.wait()
    result = test.judge_left(run)
    check = check_of(result, "topology.devices")
    saw(f"{done.seconds:.1f} s; {summary(result)}; {check['reason']}")
    expect(check["verdict"] == "FAIL" and "node2" in check["reason"], f"{check['verdict']}: {check['reason']}")
    expect("node1" not in check["reason"], f"accuses node1: {check['reason']}")


def bad_expectation(test: Scenario) -> None:
    for arguments, words in (
        (["--expect", "/nowhere.toml"], "/nowhere.toml"),
        (["--platform", "dgx-h1000"], "dgx-h100"),
        (["--switch-topology", "/etc/hostname"], "/etc/hostname"),
        (["--bogus"], "--bogus"),
    ):
        run = test.start(*arguments)
        done = run.wait()
        saw(f"{' '.join(arguments)}: status {done.status}: {last_line(done)}")
        expect(done.status == 2, f"{arguments} ended with {done.status}")
        said = [line for line in done.out.splitlines() if line.startswith("fabricheck: ") and words in line]
        expect(len(said) == 1, f"{arguments}: {words} is said {len(said)} times: {done.out}")
        expect(not run.out.joinpath("result.json").exists(), f"{arguments}: something was measured")


SCENARIOS: dict[str, tuple[int, Callable[[Scenario], None]]] = {  # name -> (hosts, what happens)
    "healthy_2": (2, lambda test: healthy(2, test)),
    "healthy_4": (4, lambda test: healthy(4, test)),
    "healthy_8": (8, lambda test: healthy(8, test)),
    "two_ranks_per_host": (2, two_ranks_per_host),
    "half_bandwidth": (4, half_bandwidth),
    "groups": (4, groups),
    "rank_stopped": (4, rank_stopped),
    "rank_killed": (4, rank_killed),
    "first_rank_killed": (4, first_rank_killed),
    "throws_in_prepare": (4, throws_in_prepare),
    "throws_in_execute": (4, throws_in_execute),
    "rank_stuck": (4, rank_stuck),
    "wrong_result": (4, wrong_result),
    "flipped_bit": (4, flipped_bit),
    "with_baseline": (2, with_baseline),
    "link_down": (4, link_down),
    "sigterm": (4, lambda test: interrupted(signal.SIGTERM, test)),
    "sigint": (4, lambda test: interrupted(signal.SIGINT, test)),
    "disk_full": (2, disk_full),
    "equal_gpus": (4, equal_gpus),
    "gpu_lost": (4, gpu_lost),
    "nvml_hangs": (2, nvml_hangs),
    "bad_expectation": (2, bad_expectation),
    "launch_singletons": (1, launch_singletons),
    "launch_subset": (2, launch_subset),
    "launch_two_builds": (2, launch_two_builds),
    "one_name_twice": (2, one_name_twice),
    "launch_dry_run": (2, launch_dry_run),
    "launch_rank_zero": (2, launch_rank_zero),
    "launch_link_down": (3, launch_link_down),
    "plain_link_down": (2, plain_link_down),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="the scenarios, one per line")
    for name in ("--fabricheck", "--faulty", "--validator", "--nvml"):
        parser.add_argument(name, type=Path)
    parser.add_argument("scenario", nargs="?", choices=sorted(SCENARIOS))
    options = parser.parse_args()
    if options.list:
        print("\n".join(SCENARIOS))
        return 0
    paths = (options.fabricheck, options.faulty, options.validator, options.nvml)
    if options.scenario is None or not all(paths):
        parser.error("the three programs, the stand-in and a scenario are needed")
    for path in paths:
        if not path.is_file():
            print(f"{options.scenario}: WRONG: {path} has not been built")
            return 1
    programs = Programs(*(str(path.resolve()) for path in paths))
    hosts, what = SCENARIOS[options.scenario]

    def scenario() -> int:
        try:
            with Lab(hosts) as lab:
                what(Scenario(programs, lab))
        except Wrong as wrong:
            print(f"{options.scenario}: WRONG: {wrong}")
            return 1
        print(f"{options.scenario}: as it must be")
        return 0

    return isolated(scenario, why_not)


if __name__ == "__main__":
    sys.exit(main())
