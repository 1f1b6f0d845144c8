#!/usr/bin/env python3
"""What a prolog costs: times and memory of `fabricheck node --profile prolog`, and that it ends with a full list of verdicts.

    bench_prolog.py --fabricheck FILE --nvml FILE [--runs 200]

Without GPU, as on this machine; and with the stand-in for NVML: 8 GPUs, 2 ms a call. On a machine that others use the wall
clock says little: the CPU time beside it is the program's own.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path


def run_once(command: list[str]) -> tuple[float, float, int, int]:
    """Wall ms, CPU ms, KiB at most, and its exit status."""
    began = time.monotonic()
    pid = os.posix_spawn(command[0], command, {"PATH": "/usr/bin:/bin"}, file_actions=[
        (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0), (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0)])
    _, status, usage = os.wait4(pid, 0)
    wall = (time.monotonic() - began) * 1000
    return wall, (usage.ru_utime + usage.ru_stime) * 1000, usage.ru_maxrss, os.waitstatus_to_exitcode(status)


def measure(name: str, command: list[str], runs: int, targets: tuple[float, float]) -> bool:
    """Prints the figures; whether they are within the targets for p50 and p99, in ms."""
    taken = [run_once(command) for _ in range(runs + 3)][3:]
    walls = sorted(wall for wall, *_ in taken)
    cpus = sorted(cpu for _, cpu, *_ in taken)
    p50, p99 = walls[len(walls) // 2], walls[min(len(walls) - 1, int(len(walls) * 0.99))]
    rss_mib = max(rss for *_, rss, _ in taken) / 1024
    good = p50 <= targets[0] and p99 <= targets[1] and rss_mib <= 30
    print(f"{name}: p50 {p50:.1f} ms (at most {targets[0]:g}), p99 {p99:.1f} ms (at most {targets[1]:g}), least {walls[0]:.1f} ms, "
          f"CPU p50 {cpus[len(cpus) // 2]:.1f} ms, memory {rss_mib:.1f} MiB (at most 30): {'met' if good else 'NOT met'}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fabricheck", type=Path, required=True)
    parser.add_argument("--nvml", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=200)
    options = parser.parse_args()
    program = str(options.fabricheck.resolve())
    with tempfile.TemporaryDirectory(prefix="fabricheck-bench-") as name:
        folder = Path(name)
        shutil.copy(options.nvml, folder / "libnvidia-ml.so.1")
        (folder / "machine.json").write_text('{"base": "slow.json"}', encoding="utf-8")
        for config, library in (("none.toml", "/nonexistent/libnvidia-ml.so.1"), ("gpus.toml", f"{folder}/libnvidia-ml.so.1")):
            (folder / config).write_text(f'state_folder = "{folder}/{config}.state"\nnvml_library = "{library}"\n', encoding="utf-8")
        without = [program, "node", "--profile", "prolog", "--config", f"{folder}/none.toml"]
        with_gpus = [program, "node", "--profile", "prolog", "--config", f"{folder}/gpus.toml"]
        result = folder / "result.json"
        run_once([*with_gpus, "--json", str(result)])
        record = json.loads(result.read_text(encoding="utf-8"))
        print(f"{len(record['checks'])} verdicts and {len(record['not_tested'])} reasons for what was not tested; "
              f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
        met = measure("without GPU", without, options.runs, (50, 80))
        met = measure("8 GPUs, 2 ms a call", with_gpus, max(10, options.runs // 4), (400, 400)) and met
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
