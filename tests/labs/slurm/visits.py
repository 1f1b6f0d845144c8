"""Scenarios of single visits: what NVML does not tell, a fault that passes, a visit that is ended, what is told once."""

from __future__ import annotations

import os
import re
import signal
import time

from slurm_lab import SlurmLab
from steps import GENEROUS, break_node, command_of, nobody_drained, nothing_runs

from judging import expect, saw


def prolog_of(slurm: SlurmLab, node: str, job: int, **more: str) -> tuple[int, str]:
    """A prolog by itself: its status, and what it left in syslog."""
    words = {"SLURMD_NODENAME": node, "SLURM_JOB_ID": str(job), "SLURM_JOB_GPUS": "3", "SLURM_CONF": f"{slurm.folder}/slurm.conf"}
    done = slurm.lab.start(slurm.host(node), [str(slurm.folder / "prolog.sh")], {**words, **more}).wait(40)
    return done.status, slurm.wait_for_log(f"prolog of job {job}: ")[0]


def nvml_troubles(slurm: SlurmLab) -> None:
    """What NVML does not tell of a GPU is neither well nor a reason to drain; that it is lost is one."""
    jobs = iter(range(500, 600))
    for call in ("nvmlDeviceGetCount_v2", "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetName"):
        for code in (6, 9, 18, 19, 20, 999) if "Count" not in call else (4, 9, 18, 999):
            returns = {"returns": {call: code}}
            slurm.machine("node2", "h100x8.json", **(returns if "Count" in call else {"overrides": {"3": returns}}))
            status, line = prolog_of(slurm, "node2", next(jobs))
            expect(status == 0 and f"({code})" in line and "not judged: node.gpus" in line, f"{call} {code}: {status} {line}")
    good = (slurm.folder / "etc/node2.toml").read_text(encoding="utf-8")
    (slurm.folder / "etc/node2.toml").write_text(re.sub('nvml_library = ".*"', 'nvml_library = "/nonexistent/libnvidia-mx.so"', good),
                                                 encoding="utf-8")
    status, line = prolog_of(slurm, "node2", next(jobs))
    expect(status == 0 and "libnvidia-mx.so is not on this host" in line, f"a missing library: {status} {line}")
    saw(line)
    nobody_drained(slurm)
    (slurm.folder / "etc/node2.toml").write_text(good, encoding="utf-8")
    slurm.machine("node2", "h100x8.json", overrides={"3": {"returns": {"nvmlDeviceGetHandleByIndex_v2": 15}}})
    status, line = prolog_of(slurm, "node2", next(jobs))
    expect(status == 1 and "draining node2: fabricheck: gpu: GPU3 does not answer" in line, f"a lost GPU: {status} {line}")


def transient(slurm: SlurmLab) -> None:
    """A fault that is gone a second later, as after a reset, drains nobody."""
    break_node(slurm, "node2")
    words = {"SLURMD_NODENAME": "node2", "SLURM_JOB_ID": "600", "SLURM_JOB_GPUS": "3"}
    prolog = slurm.lab.start(slurm.host("node2"), [str(slurm.folder / "prolog.sh")], words)
    time.sleep(1)
    slurm.machine("node2", "h100x8.json")
    done = prolog.wait(40)
    saw(slurm.wait_for_log("prolog of job 600: ")[0])
    expect(done.status == 0, f"{done.status} {done.out}")
    nobody_drained(slurm)


def ended_early(slurm: SlurmLab) -> None:
    """Slurm's PrologEpilogTimeout is shorter than the budget: what was seen is told, and the job runs."""
    log = slurm.folder / "machines/node2/var/log/kern.log"
    prolog_of(slurm, "node2", 700)
    log.write_text("Nov 27 node2 kernel: NVRM: Xid (PCI:0000:5d:00): 79, pid=1, GPU has fallen off the bus.\n", encoding="utf-8")
    for name, mode in (("prolog", "drain"), ("epilog", "observe")):
        slurm.configure("node2", 'budget = "60s"', settings=f'mode = "{mode}"')
        slurm.machine("node2", "h100x8.json", hang={"call": "nvmlInit_v2"})
        words = {"SLURMD_NODENAME": "node2", "SLURM_JOB_ID": "701", "SLURM_JOB_GPUS": "3"}
        program = [slurm.programs.fabricheck, "node", "--profile", name, "--slurm", "--config", f"{slurm.folder}/etc/node2.toml",
                   "--sysroot", f"{slurm.folder}/machines/node2"]
        running = slurm.lab.start(slurm.host("node2"), program, words)
        time.sleep(2)
        began = time.monotonic()
        for pid in slurm.lab.processes():
            if command_of(pid).startswith(slurm.programs.fabricheck.encode() + b"\0node\0"):
                os.kill(pid, signal.SIGTERM)
        done = running.wait(30)
        expect(time.monotonic() - began < 15, "it did not end soon")
        line = slurm.wait_for_log(f"{name} of job 701: ended by SIGTERM after")[0]
        expect(done.status == 0, f"{done.status} {done.out}")
        expect("seen once so far: 0000:5d:00 Xid 79" in line, line)
        saw(line)
    nobody_drained(slurm)
    nothing_runs(slurm)
    slurm.configure("node2")
    slurm.machine("node2", "h100x8.json")
    status, line = prolog_of(slurm, "node2", 702)
    expect(status == 1 and "draining node2: fabricheck: xid: GPU3 Xid 79" in line, f"the XID was lost: {status} {line}")


def told_once(slurm: SlurmLab) -> None:
    """What was told in mode observe does not drain once the mode is another; every visit leaves a line."""
    slurm.configure("node2", settings=f'mode = "observe"\n{GENEROUS}')
    prolog_of(slurm, "node2", 800)
    log = slurm.folder / "machines/node2/var/log/kern.log"
    log.write_text("Nov 27 node2 kernel: NVRM: Xid (PCI:0000:5d:00): 79, pid=1, GPU has fallen off the bus.\n", encoding="utf-8")
    status, line = prolog_of(slurm, "node2", 801)
    expect(status == 0 and "observe: would drain node2: fabricheck: xid: GPU3 Xid 79" in line, f"{status} {line}")
    slurm.configure("node2")
    status, line = prolog_of(slurm, "node2", 802)
    expect(status == 0 and "nothing to do" in line, f"it was told before: {status} {line}")
    nobody_drained(slurm)
    state = slurm.folder / "state/node2"
    state.rename(slurm.folder / "state/elsewhere")
    state.symlink_to("elsewhere")
    prolog_of(slurm, "node2", 804)
    slurm.wait_for_log("node2 is a symbolic link")
    expect(len(slurm.syslog.of("is a symbolic link")) == 1, f"told twice: {slurm.syslog.lines[-4:]}")
    slurm.configure("node2", 'partitions = ["mian"]')
    status, line = prolog_of(slurm, "node2", 803, SLURM_JOB_PARTITION="main")
    expect(status == 0 and "partition main is not among the configured" in line, f"{status} {line}")
    saw(line)
