#!/usr/bin/env python3
"""The lab itself: hosts that see each other, faults that bite, and nothing left behind however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from lab import SKIPPED, Lab, isolated, why_not, why_not_isolated

SENTINEL = "sleep 98765.4321"


def namespaces() -> set[str]:
    """Every namespace of network, hostname or mounts that some process holds."""
    found = set()
    for kind in ("net", "uts", "mnt"):
        for entry in Path("/proc").glob(f"[0-9]*/ns/{kind}"):
            try:
                found.add(os.readlink(entry))
            except OSError:
                continue
    return found


def running(words: str) -> int:
    count = 0
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            count += entry.read_bytes().replace(b"\0", b" ").strip().decode() == words
        except (OSError, UnicodeDecodeError):
            continue
    return count


def look_around() -> int:
    with Lab(3) as lab:
        done = lab.mpirun(["sh", "-c", "hostname; getent hosts node3"]).wait(20)
        for name in ("node1", "node2", "node3", "10.77.0.3"):
            assert name in done.out, f"{name} is missing:\n{done.out}"
        assert done.status == 0
        reach = lab.start(lab.hosts[0], ["bash", "-c", "exec 3<>/dev/tcp/node2/9"]).wait(5)
        assert "refused" in reach.out, f"node2 does not answer: {reach.out}"
        job = lab.mpirun(["sleep", "30"])
        pid = lab.rank_process(lab.hosts[2], 2)
        os.kill(pid, signal.SIGKILL)
        assert job.wait(10).status != 0
        lab.pull_cable(lab.hosts[1])
        carrier = lab.start(lab.hosts[1], ["cat", "/sys/class/net/eth0/carrier"]).wait(5)
        assert carrier.out.strip() == "0", f"the cable is pulled, and the carrier says {carrier.out}"
    return 0


def stay() -> int:
    with Lab(2) as lab:
        job = lab.mpirun(SENTINEL.split())
        lab.rank_process(lab.hosts[1], 1)
        print("ready", flush=True)
        if "fail" in sys.argv:
            raise ValueError("as asked")
        job.wait(60)
    return 0


def settle(before: set[str]) -> str:
    """What is left after a while, or nothing."""
    left = ""
    for _ in range(100):
        more = namespaces() - before
        left = f"processes: {running(SENTINEL)}, namespaces: {more}" if running(SENTINEL) or more else ""
        if not left:
            break
        time.sleep(0.02)
    return left


def main() -> int:
    reason = why_not() or why_not_isolated()
    if reason:
        print(f"SKIPPED: {reason}")
        return SKIPPED
    here = [sys.executable, __file__]
    subprocess.run([*here, "look"], check=True)
    print("three hosts see each other; a pulled cable and a killed rank are felt")
    for how in ("fail", signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        before, mounts = namespaces(), Path("/proc/self/mounts").read_text(encoding="utf-8")
        extra = ["fail"] if how == "fail" else []
        with subprocess.Popen(
            [*here, "stay", *extra], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as job:
            assert job.stdout is not None
            assert job.stdout.readline() == "ready\n", "the lab did not start"
            if isinstance(how, signal.Signals):
                assert running(SENTINEL) >= 2, "the ranks do not run"
                job.send_signal(how)
            status = job.wait(10)
        name = how.name if isinstance(how, signal.Signals) else "an exception"
        assert status != 0, f"ended by {name}, the lab says 0"
        left = settle(before)
        assert not left, f"after {name} this is left: {left}"
        assert Path("/proc/self/mounts").read_text(encoding="utf-8") == mounts, f"after {name} mounts are left"
        print(f"ended by {name}: status {status}, nothing left")
    return 0


if __name__ == "__main__":
    if "look" in sys.argv:
        sys.exit(isolated(look_around, why_not))
    if "stay" in sys.argv:
        sys.exit(isolated(stay, why_not))
    sys.exit(main())
