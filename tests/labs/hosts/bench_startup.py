#!/usr/bin/env python3
"""How long 8 hosts take from mpirun to the first sample, against `mpirun hostname`: medians of five runs each, taken in turn.

    bench_startup.py --build FOLDER [--hosts 8] [--repeats 5]
Exit 0 when it is at most 1.5 times `mpirun hostname` plus 0.5 s, 1 when not, 77 where no lab can run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

from lab import Lab, LabError, isolated

FACTOR, ALLOWANCE_S = 1.5, 0.5


def hostname_s(lab: Lab) -> float:
    done = lab.mpirun(["hostname"]).wait(20)
    if done.status != 0:
        raise LabError(f"mpirun hostname: {done.out}")
    return done.seconds


def first_check_s(lab: Lab, program: Path, number: int) -> tuple[float, float, float]:
    """Seconds from the start of mpirun to the journal's header, to its first check, and what the program itself says of its start
    until its first sample."""
    out = lab.folder / f"bench{number}"
    command = [str(program), "run", "--out", str(out), "--budget", "500ms", "--only", "mpi.barrier.latency", "--progress", "off"]
    job = lab.mpirun(command)
    journal = out / "journal.jsonl"
    header = first = 0.0
    while job.running():
        lines = journal.read_bytes().count(b"\n") if journal.exists() else 0
        passed = time.monotonic() - job.began
        header = header or (passed if lines >= 1 else 0.0)
        first = first or (passed if lines >= 2 else 0.0)
        if first:
            break
        time.sleep(0.002)
    job.wait(20)
    overhead = json.loads((out / "result.json").read_text(encoding="utf-8"))["overhead"]
    return header, first, float(overhead["start_to_first_sample_s"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--hosts", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    program = options.build.resolve() / "fabricheck"

    def bench() -> int:
        plain, headers, firsts, own = [], [], [], []
        with Lab(options.hosts) as lab:
            hostname_s(lab)  # fills the caches
            for number in range(options.repeats):
                plain.append(hostname_s(lab))
                header, first, inside = first_check_s(lab, program, number)
                headers.append(header)
                firsts.append(first)
                own.append(inside)
                print(f"run {number + 1}: mpirun hostname {plain[-1]:.2f} s; journal's header after {header:.2f} s, first check "
                      f"after {first:.2f} s; start to first sample inside the program {inside:.2f} s", flush=True)
        base = statistics.median(plain)
        allowed = FACTOR * base + ALLOWANCE_S
        # The header is written right before the first check starts.
        reached = statistics.median(headers)
        good = reached <= allowed
        print(f"median of {options.repeats}, {options.hosts} hosts: mpirun hostname {base:.2f} s, mpirun to first sample "
              f"{reached:.2f} s ({reached / base:.2f} times; first check done after {statistics.median(firsts):.2f} s, inside the "
              f"program {statistics.median(own):.2f} s); allowed {allowed:.2f} s: {'reached' if good else 'NOT reached'}")
        return 0 if good else 1

    return isolated(bench)


if __name__ == "__main__":
    sys.exit(main())
