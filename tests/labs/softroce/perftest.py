"""Debian's perftest between the two ports of one guest, the ends pinned to a processor each."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from softroce import Guests, LabError

TRIES = 4  # in a guest of two processors it now and then prints `inf`, or its client comes before its server


@dataclass(frozen=True)
class Tool:
    """A program of perftest, and the figure of its table that is compared."""

    program: str
    bytes: int
    column: int  # of the row that begins with the size
    unit: str

    def command(self, end: int, iterations: int) -> list[str]:
        """The server's on port 0 (rxe0, processor 0), or the client's on port 1."""
        options = ["-d", f"rxe{end}", "-x", "1", "-s", str(self.bytes), "-n", str(iterations), "-F"]
        return ["taskset", "-c", str(end), self.program, *options, *(["192.168.20.1"] if end == 1 else [])]


# ib_*_lat: bytes, iterations, min, max, typical (the median), average … in us; ib_*_bw: bytes, iterations, peak,
# average (2^20 bytes/s), messages.
TOOLS = {
    "write": Tool("ib_write_lat", 8, 4, "us"),
    "send": Tool("ib_send_lat", 8, 4, "us"),
    "read": Tool("ib_read_lat", 8, 4, "us"),
    "write bandwidth": Tool("ib_write_bw", 65536, 3, "MiB/s"),
}


def figure(tool: Tool, text: str) -> float | None:
    """What it measured; nothing where it printed no number, or one that is none."""
    row = re.search(rf"^ {tool.bytes}\s+\d+\s.*$", text, re.MULTILINE)
    if not row:
        return None
    try:
        value = float(row[0].split()[tool.column])
    except (IndexError, ValueError):
        return None
    return value if math.isfinite(value) and value > 0 else None


def measure(guests: Guests, tool: Tool, iterations: int) -> float:
    """One run. Raises LabError when several tries give no figure."""
    words = ""
    for _ in range(TRIES):
        server = guests.start(tool.command(0, iterations), timeout_s=60)
        client = " ".join(tool.command(1, iterations))
        # Until the server listens the client fails at once.
        line = f"for try in $(seq 40); do {client} && exit; sleep 0.25; done; exit 1"
        done = guests.run(["sh", "-c", line], timeout_s=60)
        if done.status != 0:
            server.signal(9)
        words = done.out + server.wait().out
        value = figure(tool, done.out)
        if value is not None:
            return value
    raise LabError(f"{tool.program} gave no figure in {TRIES} tries; its last words:\n{words[-2000:]}")
