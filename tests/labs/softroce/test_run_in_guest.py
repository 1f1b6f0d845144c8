#!/usr/bin/env python3
"""run_in_guest.py: a command's output and status come back, deadlines hold, and nothing is left however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from softroce import SKIPPED, why_not

TOOL = [sys.executable, str(Path(__file__).resolve().parent / "run_in_guest.py")]


def running(folder: str) -> int:
    """Processes, QEMU's above all, whose command line names the lab's folder."""
    count = 0
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            count += folder.encode() in entry.read_bytes() and int(entry.parent.name) != os.getpid()
        except OSError:
            continue
    return count


def until(condition: bool, folder: str, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while bool(running(folder)) != condition and time.monotonic() < end:
        time.sleep(0.05)
    return bool(running(folder)) == condition


def killed(how: signal.Signals) -> None:
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        command = [*TOOL, "-o", folder, "--", "sleep", "1000"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as job:
            for _ in range(200):  # the job itself is one, QEMU another
                if running(f"path={folder},mount_tag=lab"):
                    break
                time.sleep(0.05)
            else:
                raise AssertionError("QEMU did not start")
            job.send_signal(how)
            status = job.wait(10)
        assert status != 0, f"ended by {how.name}, it says 0"
        assert until(False, folder, 5), f"after {how.name} {running(folder)} processes are left"
    assert Path("/proc/self/mounts").read_text(encoding="utf-8") == mounts, f"after {how.name} mounts are left"
    print(f"ended by {how.name}: status {status}, nothing left")


def without_qemu() -> None:
    with tempfile.TemporaryDirectory() as empty:
        done = subprocess.run([*TOOL, "--", "true"], env={"PATH": empty}, capture_output=True, text=True, check=False)
    assert done.returncode == SKIPPED and done.stdout.startswith("SKIPPED: qemu"), f"{done.returncode}: {done.stdout}"
    print(f"without QEMU: {done.stdout.strip()}")


def deadline() -> None:
    with tempfile.TemporaryDirectory() as folder:
        line = "id -un; ulimit -l; echo kept >$LAB/kept; touch /etc/only-there; echo $COLOUR; sleep 100"
        command = [*TOOL, "-o", folder, "--timeout", "4", "-e", "COLOUR=blue", "--", "sh", "-c", line]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=150)
        assert done.returncode == 124, f"a command past its deadline gives {done.returncode}: {done.stderr}"
        assert done.stdout.split() == ["root", "unlimited", "blue"], f"its output is {done.stdout}"
        assert (Path(folder) / "kept").read_text(encoding="utf-8") == "kept\n", "what it wrote to /lab did not come back"
        assert not Path("/etc/only-there").exists(), "it wrote to this machine"
        assert until(False, folder, 5), f"{running(folder)} processes are left"
    print("a command that does not end: ended at its deadline, its output kept")


def main() -> int:
    reason = why_not()
    if reason:
        print(f"SKIPPED: {reason}")
        return SKIPPED
    without_qemu()
    for how in (signal.SIGTERM, signal.SIGKILL):
        killed(how)
    deadline()
    return 0


if __name__ == "__main__":
    sys.exit(main())
