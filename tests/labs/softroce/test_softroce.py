#!/usr/bin/env python3
"""fabricheck over real verbs: two guests with two Soft-RoCE ports each, healthy and broken.

    test_softroce.py --list
    test_softroce.py --log FILE --fabricheck FILE --validator FILE start      # boots the guests, in the background
    test_softroce.py --log FILE SCENARIO                                      # plays one scenario in them
    test_softroce.py --log FILE halt
    test_softroce.py --log FILE --fabricheck FILE --validator FILE all        # boots, plays every scenario, halts

Exit 0, 1 with what was wrong, or 77 with why it could not run here. ctest does this by itself: `ctest -R labs.softroce`.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from softroce import Guests, LabError, why_not

import fixture
from judging import Wrong
from scenarios import SCENARIOS, Programs, Scenario


def play(test: Scenario, name: str) -> int:
    began = time.monotonic()
    try:
        SCENARIOS[name](test)
        test.mend()
    except (Wrong, LabError, TimeoutError) as wrong:
        print(f"{name}: {'WRONG' if isinstance(wrong, Wrong) else 'THE LAB FAILED'}: {wrong}")
        with contextlib.suppress(LabError):
            test.mend()
        return 1
    print(f"{name}: as it must be, {time.monotonic() - began:.1f} s")
    return 0


@contextlib.contextmanager
def lab(programs: Programs) -> Iterator[fixture.Play]:
    with Guests(2, 2) as guests:
        guests.favour()
        test = Scenario(programs, guests)
        yield lambda name: play(test, name)


def play_all(programs: Programs, chosen: list[str]) -> int:
    began = time.monotonic()
    failed = []
    with lab(programs) as one:
        print(f"booted in {time.monotonic() - began:.1f} s", flush=True)
        for name in chosen or list(SCENARIOS):
            print(f"{name}:", flush=True)
            if one(name) != 0:
                failed.append(name)
            sys.stdout.flush()
    print(f"{time.monotonic() - began:.1f} s in all; failed: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="the scenarios, one per line")
    for name in ("--fabricheck", "--validator", "--device-tests", "--log"):
        parser.add_argument(name, type=Path)
    parser.add_argument("what", nargs="*", help="start, halt, all, or scenarios")
    options = parser.parse_args()
    if options.list:
        print("\n".join(SCENARIOS))
        return 0
    unknown = [word for word in options.what if word not in (*SCENARIOS, "start", "halt", "all")]
    if not options.what or unknown:
        parser.error(f"no scenario {', '.join(unknown)}" if unknown else "which scenario?")
    name = hashlib.sha256(str(options.log).encode()).hexdigest()[:16]
    if options.what == ["halt"]:
        return fixture.halt(name)
    if options.fabricheck is None:
        return fixture.ask(name, options.log, options.what[0])
    paths = {key: getattr(options, key) for key in ("fabricheck", "validator", "device_tests")}
    for key, path in paths.items():
        if path is not None and not path.is_file():
            print(f"WRONG: {path} has not been built")
            return 1
        paths[key] = str(path.resolve()) if path else ""
    programs = Programs(**paths)
    if options.what == ["start"]:
        return fixture.start(name, options.log, lambda: lab(programs), why_not)
    chosen = [] if options.what == ["all"] else options.what
    return fixture.isolated(lambda: play_all(programs, chosen), why_not)


if __name__ == "__main__":
    sys.exit(main())
