#!/usr/bin/env python3
"""The closing words of scripts/test: one table, the failed and skipped tests by name, and the sum.

    summary.py STEPS.tsv     rows of NAME, ok|failed|skipped, SECONDS, JUNIT FILE or -, REASON
Exit 0 when nothing failed and some test ran, else 1.
"""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Step:
    name: str
    state: str
    seconds: int
    reason: str
    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)  # test, reason


def skip_reason(case: ElementTree.Element) -> str:
    """Why a test skipped itself: its own words, where it has any."""
    out = (case.findtext("system-out") or "").strip()
    gtest = re.search(r": Skipped\n(.+)", out)
    if gtest:
        return gtest[1].strip()
    said = re.search(r"^SKIPPED: (.+)$", out, re.MULTILINE)
    if said:
        return said[1].strip()
    node = case.find("skipped")
    message = node.get("message", "") if node is not None else ""
    return message or "no reason given"


def read_junit(step: Step, path: Path) -> None:
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        step.failed.append(f"(ctest left no report: {error})")
        return
    for case in root.iter("testcase"):
        name, status = case.get("name", "?"), case.get("status", "")
        if status == "run":
            step.passed += 1
        elif status == "fail":
            step.failed.append(name)
        elif status == "disabled":
            step.skipped.append((name, "disabled"))
        elif case.find("skipped") is not None and "Unable to find" not in skip_reason(case):
            step.skipped.append((name, skip_reason(case)))
        else:
            step.failed.append(f"{name} (could not be run)")
    if not step.passed and not step.failed and not step.skipped:
        step.failed.append("(no test ran)")


def read_steps(path: Path) -> list[Step]:
    steps = []
    for row in path.read_text(encoding="utf-8").splitlines():
        name, state, seconds, junit, reason = row.split("\t")
        step = Step(name, state, int(seconds), reason)
        if junit != "-":
            read_junit(step, Path(junit))
        if state == "failed" and not step.failed:
            step.failed.append(f"({reason or 'failed'})")
        if state == "skipped":
            step.skipped.append((f"the whole step {name}", reason))
        steps.append(step)
    return steps


def main() -> int:
    steps = read_steps(Path(sys.argv[1]))
    width = max([len(step.name) for step in steps] + [4])
    print(f"\n{'step':<{width}}  {'passed':>6}  {'failed':>6}  {'skipped':>7}  {'time':>7}")
    for step in steps:
        is_test = step.passed or step.skipped or step.failed
        passed = str(step.passed) if is_test else "ok"
        minutes, seconds = divmod(step.seconds, 60)
        print(f"{step.name:<{width}}  {passed:>6}  {len(step.failed) or '-':>6}  {len(step.skipped) or '-':>7}  "
              f"{minutes:>4}:{seconds:02}")
    for title, rows in (
        ("SKIPPED", [(s.name, f"{test}: {why}") for s in steps for test, why in s.skipped]),
        ("FAILED", [(s.name, test) for s in steps for test in s.failed]),
    ):
        if rows:
            print(f"\n{title}")
            for name, words in rows:
                print(f"  {name}: {words}")
    passed = sum(step.passed for step in steps)
    failed = sum(len(step.failed) for step in steps)
    skipped = sum(len(step.skipped) for step in steps)
    if not passed and not failed:
        print("\nno test ran: that is a failure")
        failed = 1
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
