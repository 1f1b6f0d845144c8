"""What the scenarios of this lab do and ask for in common."""

from __future__ import annotations

import re
from pathlib import Path

from slurm_lab import SlurmLab

from judging import expect

NVLINK_REASON = "fabricheck: nvlink: GPU3 17 of 18 links up"
LINK_DOWN = {"overrides": {"3": {"nvlinks": {"inactive": [4]}}}}
# One time for all: only what is at fault may end a node's service.
GENEROUS = 'budget = "12s"\n'


def break_node(slurm: SlurmLab, node: str) -> None:
    slurm.machine(node, "h100x8.json", **LINK_DOWN)


def nobody_drained(slurm: SlurmLab) -> None:
    expect(not slurm.drained(), f"drained: {[(n, slurm.node(n)) for n in slurm.drained()]}\n{slurm.logs()}")


def nothing_runs(slurm: SlurmLab) -> None:
    """Epilogs may still be under way; then nothing of fabricheck is left."""
    def running() -> list[bytes]:
        return [command_of(pid) for pid in slurm.lab.processes() if b"\0node\0" in command_of(pid)]

    slurm.wait_for(lambda: not running(), 30, "fabricheck still runs")


def milliseconds_of(line: str) -> int:
    found = re.search(r"(\d+) ms\)", line)
    expect(found, f"no time in: {line}")
    return int(found.group(1)) if found else 0


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
