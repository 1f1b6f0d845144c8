"""What the program must do over Soft-RoCE, scenario by scenario, in guests that are booted once."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from softroce import Guests

from judging import Json, Judge, Run, Wrong, checks_of, expect, finding, last_line, saw, summary, words_of  # noqa: F401

WHOLE_RUN_S = 60.0  # a run of the program ends within this, whatever happens to it


@dataclass
class Programs:
    """What is under test."""

    fabricheck: str
    validator: str
    device_tests: str = ""


class Scenario(Judge):
    """What the scenarios share: starting runs over both guests, and breaking links."""

    def __init__(self, programs: Programs, guests: Guests) -> None:
        super().__init__(programs.fabricheck, programs.validator)
        self.programs = programs
        self.guests = guests
        self._runs = 0
        self._mends: list[tuple[int, str]] = []

    def start(
        self,
        *arguments: str,
        budget: str = "4s",
        environment: dict[str, str] | None = None,
        wrap: tuple[str, ...] = (),
        ranks_per_guest: int = 1,
    ) -> Run:
        """mpirun of `run` with ranks in both guests; `wrap` goes before the program."""
        self._runs += 1
        out = f"out{self._runs}"
        command = [*wrap, self.programs.fabricheck, "run", "--out", f"/lab/{out}", "--budget", budget, "--progress", "on"]
        exports = [word for name in environment or {} for word in ("-x", name)]
        ranks = ["-np", str(2 * ranks_per_guest)]
        job = self.guests.start(
            ["mpirun", "--timeout", str(int(WHOLE_RUN_S)), *exports, *ranks, *command, *arguments],
            timeout_s=WHOLE_RUN_S + 5, environment=environment,
        )
        return Run(self.programs.fabricheck, self.guests.folder / out, job, WHOLE_RUN_S)

    def upset(self, guest: int, line: str, mend: str) -> None:
        """Breaks something; `mend` repairs it when the scenario is over, however it ends."""
        self._mends.append((guest, mend))
        self.guests.must(line, guest)

    def mend(self) -> None:
        while self._mends:
            guest, line = self._mends.pop()
            self.guests.must(line, guest)

    def counter(self, guest: int, device: str, name: str) -> int:
        return int(self.guests.must(f"cat /sys/class/infiniband/{device}/ports/1/hw_counters/{name}", guest))


def wired(test: Scenario) -> None:
    """The lab itself: each rail joins the same ports of both guests, and what perftest sends crosses it."""
    for rail in (0, 1):
        before = test.counter(2, f"rxe{rail}", "rcvd_pkts")
        server = test.guests.start(["ib_write_lat", "-d", f"rxe{rail}", "-x", "1", "-s", "8", "-n", "100"], guest=2)
        line = (f"for try in 1 2 3 4 5 6 7 8; do ib_write_lat -d rxe{rail} -x 1 -s 8 -n 100 guest2 && exit; sleep 0.5; done; exit 1")
        out = test.guests.must(line, 1, 40)
        expect(server.wait(40).status == 0, f"the server on rail {rail} failed: {server.text()}")
        row = re.search(r"^ 8\s+100\s+(\S+)\s+\S+\s+(\S+)", out, re.MULTILINE)
        expect(row, f"no figures on rail {rail}: {out}")
        packets = test.counter(2, f"rxe{rail}", "rcvd_pkts") - before
        saw(f"rail {rail}: {row[2] if row else '?'} us, {packets} packets came in")
        expect(packets >= 100, f"100 writes over rail {rail}, and only {packets} packets came in")


SCENARIOS: dict[str, Callable[[Scenario], None]] = {
    "wired": wired,
}
