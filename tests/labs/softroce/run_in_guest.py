#!/usr/bin/env python3
"""Runs one command where there is Soft-RoCE: in a virtual machine made for it, gone afterwards.

    run_in_guest.py -- ibv_devinfo                          # one guest, two ports rxe0 and rxe1, wired to each other
    run_in_guest.py --guests 2 -- mpirun -np 2 PROGRAM …    # a rank in each of two guests, TCP for control
    run_in_guest.py --guests 2 --ports 1 --mtu 1500 -e NAME=VALUE --timeout 120 -o DIR -- sh -c '…'

The guest's / is this machine's, read-only below a tmpfs, at the same paths: a build tree runs as it is. Files to keep go
to /lab in the guest ($LAB), which is DIR here. The command's output comes as it is written; its exit status is that of
this program; 124 when it did not end in time, 125 when the lab itself failed, 77 when it cannot run here.
README.md beside this file says how the ports are wired.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from softroce import Guests, LabError, isolated, why_not

LAB_FAILED, TIMED_OUT = 125, 124


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--guests", type=int, choices=(1, 2), default=1)
    parser.add_argument("--ports", type=int, choices=(1, 2), default=2, help="rails per guest; one guest always has two ports")
    parser.add_argument("--mtu", type=int, default=4200, help="of the ports' network devices; 4200 gives an active MTU of 4096")
    parser.add_argument("--processors", type=int, default=0, help="per guest; by default 2 for one guest, 1 for two")
    parser.add_argument("--timeout", type=float, default=120, metavar="SECONDS", help="for the command")
    parser.add_argument("-e", "--environment", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("-o", "--out", type=Path, metavar="DIR", help="what the guest writes to /lab is kept here")
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def main(options: argparse.Namespace) -> int:
    began = time.monotonic()
    environment = dict(entry.split("=", 1) for entry in options.environment)
    folder = options.out.resolve() if options.out else None
    try:
        with Guests(options.guests, options.ports, options.mtu, options.processors, folder) as guests:
            print(f"run_in_guest: booted in {time.monotonic() - began:.1f} s", file=sys.stderr)
            job = guests.start(options.command, 1, options.timeout, environment, os.getcwd())
            shown = 0
            while job.running():
                guests.poll(job, 0.1)
                text = job.text()
                sys.stdout.write(text[shown:])
                sys.stdout.flush()
                shown = len(text)
            done = job.wait()
            print(f"run_in_guest: status {done.status} after {done.seconds:.1f} s", file=sys.stderr)
            return done.status if done.status >= 0 else 128 - done.status
    except TimeoutError:
        print(f"run_in_guest: not over after {options.timeout:g} s, ended", file=sys.stderr)
        return TIMED_OUT
    except LabError as error:
        print(f"run_in_guest: {error}", file=sys.stderr)
        return LAB_FAILED


if __name__ == "__main__":
    chosen = parse()
    sys.exit(isolated(lambda: main(chosen), why_not))
