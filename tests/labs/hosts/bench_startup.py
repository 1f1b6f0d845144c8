#!/usr/bin/env python3
"""How long 8 hosts take from mpirun to the first sample, against `mpirun hostname`: medians of five runs each, taken in turn.

    bench_startup.py --build FOLDER [--hosts 8] [--repeats 5]
Exit 0 when it is at most 1.5 times `mpirun hostname` plus 0.5 s, 1 when not, 77 where no lab can run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

from lab import Lab, LabError, isolated, why_not

FACTOR, ALLOWANCE_S = 1.5, 0.5


def hostname_s(lab: Lab) -> float:
    done = lab.mpirun(["hostname"]).wait(20)
    if done.status != 0:
        raise LabError(f"mpirun hostname: {done.out}")
    return done.seconds


def started_s(pid: int) -> float:
    """When a process was started, seconds since boot."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(after_name[19]) / os.sysconf("SC_CLK_TCK")


def first_sample_s(lab: Lab, program: Path, number: int) -> tuple[float, float, float]:
    """Seconds from the start of mpirun to rank 0's first sample (its start, and what it says itself of the time from then on), of
    these those inside the program, and seconds from the start of mpirun to the first check in the journal."""
    out = lab.folder / f"bench{number}"
    command = [str(program), "run", "--out", str(out), "--budget", "500ms", "--only", "mpi.barrier.latency", "--progress", "off"]
    began = time.clock_gettime(time.CLOCK_BOOTTIME)
    job = lab.mpirun(command)
    rank_began = started_s(lab.rank_process(lab.hosts[0], 0))
    journal = out / "journal.jsonl"
    first_check = 0.0
    while job.running() and not first_check:
        if journal.exists() and b'"type":"check"' in journal.read_bytes():
            first_check = time.clock_gettime(time.CLOCK_BOOTTIME) - began
        time.sleep(0.005)
    job.wait(20)
    overhead = json.loads((out / "result.json").read_text(encoding="utf-8"))["overhead"]
    inside = float(overhead["start_to_first_sample_s"])
    return rank_began - began + inside, inside, first_check


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--hosts", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    program = options.build.resolve() / "fabricheck"

    def bench() -> int:
        plain, samples, inside, checks = [], [], [], []
        with Lab(options.hosts) as lab:
            hostname_s(lab)  # fills the caches
            for number in range(options.repeats):
                plain.append(hostname_s(lab))
                sample, own, check = first_sample_s(lab, program, number)
                samples.append(sample)
                inside.append(own)
                checks.append(check)
                print(f"run {number + 1}: mpirun hostname {plain[-1]:.2f} s; mpirun to the first sample {sample:.2f} s, of these "
                      f"{own:.2f} s inside the program; first check in the journal after {check:.2f} s", flush=True)
        base = statistics.median(plain)
        allowed = FACTOR * base + ALLOWANCE_S
        reached = statistics.median(samples)
        good = reached <= allowed
        print(f"median of {options.repeats}, {options.hosts} hosts: mpirun hostname {base:.2f} s, mpirun to the first sample "
              f"{reached:.2f} s ({reached / base:.2f} times, {statistics.median(inside):.2f} s inside the program); "
              f"allowed {allowed:.2f} s: {'reached' if good else 'NOT reached'}")
        return 0 if good else 1

    return isolated(bench, why_not)


if __name__ == "__main__":
    sys.exit(main())
