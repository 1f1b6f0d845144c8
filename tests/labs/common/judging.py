"""What the labs' scenarios share: a run of the program, and judging what it left.

Every result is held against the schema and against what its journal alone gives.
"""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from isolation import Finished

SCHEMA = Path(__file__).resolve().parents[3] / "src/report/fabricheck.schema.json"
Json = dict[str, Any]


class Job(Protocol):
    """A command that was started, in a host or in a guest."""

    began: float

    def running(self) -> bool: ...

    def text(self) -> str: ...

    def wait(self, timeout_s: float) -> Finished: ...

    def signal(self, number: int) -> None: ...


class Wrong(AssertionError):
    """The program did not do what it must."""


def expect(condition: object, sentence: str) -> None:
    if not condition:
        raise Wrong(sentence)


def saw(sentence: str) -> None:
    print(f"  saw: {sentence}", flush=True)


@dataclass
class Run:
    """One run of the program and what it left."""

    program: str
    out: Path
    job: Job
    limit_s: float  # it ends within this, whatever happens to it
    finished: Finished | None = None
    seen_before: list[Json] = field(default_factory=list)

    def journal(self) -> list[Json]:
        """The whole lines of the journal so far."""
        try:
            text = (self.out / "journal.jsonl").read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def journal_checks(self) -> list[Json]:
        return [line for line in self.journal() if line["type"] == "check"]

    def wait_for_checks(self, count: int = 1) -> None:
        """Until the run is under way: its header and `count` measured checks are on disk. What is judged of the
        topology is there before the first measurement."""
        while sum(check["statistics"]["samples"] > 0 for check in self.journal_checks()) < count:
            if not self.job.running():
                raise Wrong(f"the run ended before its check {count} was in the journal:\n{self.tail()}")
            if time.monotonic() - self.job.began > self.limit_s:
                raise Wrong(f"no check in the journal after {self.limit_s:g} s:\n{self.tail()}")
            time.sleep(0.02)
        self.seen_before = self.journal_checks()
        expect(self.journal()[0]["type"] == "header", "line 1 of the journal is not the header")

    def wait(self) -> Finished:
        try:
            self.finished = self.job.wait(self.limit_s)
        except TimeoutError as error:
            raise Wrong(f"the run hangs: {error}") from None
        return self.finished

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.job.text().splitlines()[-lines:])

    def result(self) -> Json:
        path = self.out / "result.json"
        expect(path.exists(), f"no result.json was left; the last words:\n{self.tail()}")
        document: Json = json.loads(path.read_text(encoding="utf-8"))
        return document


class Judge:
    """Holds what a run left against the schema and against itself."""

    def __init__(self, fabricheck: str, validator: str) -> None:
        self.fabricheck = fabricheck
        self.validator = validator

    def validate(self, path: Path) -> None:
        done = subprocess.run([self.validator, str(SCHEMA), str(path)], capture_output=True, text=True, check=False)
        expect(done.returncode == 0, f"{path.name} does not match the schema: {done.stdout}{done.stderr}")

    def rebuilt(self, run: Run) -> Json:
        """The result as the journal alone gives it."""
        done = subprocess.run(
            [self.fabricheck, "report", str(run.out / "journal.jsonl"), "--format", "json"],
            capture_output=True, text=True, check=False,
        )
        expect(done.returncode == 0, f"no result from the journal ({done.returncode}): {done.stderr.strip()}")
        path = run.out / "rebuilt.json"
        path.write_text(done.stdout, encoding="utf-8")
        self.validate(path)
        document: Json = json.loads(done.stdout)
        return document

    def judge_left(self, run: Run) -> Json:
        """The result of a run that is over: valid, and the same checks from the journal. Nothing seen before is lost."""
        result = run.result()
        self.validate(run.out / "result.json")
        rebuilt = self.rebuilt(run)
        expect(rebuilt["checks"] == result["checks"], "the journal rebuilds to other checks than result.json has")
        for before in run.seen_before:
            # A check is in the journal again after each of its repeats: later ones have more samples, never fewer.
            later = [check for check in result["checks"] if identity_of(check) == identity_of(before)]
            expect(later, f"{before['id']} was in the journal and is not in the result")
            expect(
                later[0]["statistics"]["samples"] >= before["statistics"]["samples"],
                f"{before['id']} had {before['statistics']['samples']} samples in the journal and has "
                f"{later[0]['statistics']['samples']} in the result",
            )
        return result


def identity_of(check: Json) -> Json:
    return {key: check[key] for key in ("id", "scope", "parameters", "participants")}


def checks_of(result: Json, identity: str, scope: str = "") -> list[Json]:
    return [c for c in result["checks"] if c["id"] == identity and (not scope or c["scope"] == scope)]


def summary(result: Json) -> str:
    verdicts: dict[str, int] = {}
    for check in result["checks"]:
        verdicts[check["verdict"]] = verdicts.get(check["verdict"], 0) + 1
    counted = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    slugs = ", ".join(finding["slug"] for finding in result["findings"]) or "none"
    return f"exit_status {result['exit_status']}, {result['verdict']}; checks: {counted}; findings: {slugs}"


def finding(result: Json, slug: str) -> Json:
    matches: list[Json] = [f for f in result["findings"] if f["slug"] == slug]
    expect(matches, f"no finding {slug}; {summary(result)}")
    return matches[0]


def words_of(thing: Json) -> str:
    return json.dumps(thing)


def last_line(done: Finished) -> str:
    lines = [line for line in done.out.splitlines() if "fabricheck" in line] or done.out.splitlines()
    return lines[0].strip() if lines else "(no output)"
