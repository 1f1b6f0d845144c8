"""A lab that is slow to build serves many tests: one test starts it, others ask it for a scenario each, one ends it.

For ctest's fixtures. The lab is a process of its own that ends with ctest, whatever ends that, when nobody asked for
anything in `IDLE_S`, or when it is told to. Its name is an abstract socket's; its log says why it could not start.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from isolation import SKIPPED, isolated

IDLE_S = 600.0
START_S = 200.0
HALT = "halt"
Play = Callable[[str], int]  # plays the scenario of that name, printing; its exit status


class _Sink(io.TextIOBase):
    """What a scenario prints, on its way to the test that asked for it."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self._connection = connection

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):  # a test that was killed hears no more, and the scenario goes on to its end
            self._connection.sendall(text.encode())
        return len(text)


def _address(name: str) -> str:
    return f"\0fabricheck-lab-{name}"


def _answer(connection: socket.socket, play: Play) -> bool:
    """Serves one request; whether to go on."""
    request = connection.makefile("r", encoding="utf-8").readline().strip()
    if request == HALT:
        return False
    status = 1
    with contextlib.redirect_stdout(_Sink(connection)):
        if request:
            try:
                status = play(request)
            except Exception:  # pylint: disable=broad-except  # a lab that breaks once may serve the next test
                print(traceback.format_exc())
    with contextlib.suppress(OSError):
        connection.sendall(b"\0" + str(status).encode())
    return True


def _end_with(watched: int) -> None:
    select.select([watched], [], [])
    os._exit(1)


def _serve(name: str, watched: int, lab: Callable[[], contextlib.AbstractContextManager[Play]]) -> int:
    threading.Thread(target=_end_with, args=(watched,), daemon=True).start()
    with lab() as play, socket.socket(socket.AF_UNIX) as server:
        server.bind(_address(name))
        server.listen()
        server.settimeout(IDLE_S)
        while True:
            try:
                connection, _ = server.accept()
            except TimeoutError:
                return 0
            with connection:
                connection.settimeout(None)
                if not _answer(connection, play):
                    return 0


def _connect(name: str) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(_address(name))
    except OSError:
        connection.close()
        return None
    return connection


def start(
    name: str, log: Path, lab: Callable[[], contextlib.AbstractContextManager[Play]], why_not: Callable[[], str]
) -> int:
    """Starts the lab in the background, to live as long as the process that called this program does."""
    halt(name)
    log.unlink(missing_ok=True)
    watched = os.pidfd_open(os.getppid())
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        os.setsid()
        with log.open("wb") as sink:
            os.dup2(sink.fileno(), 1)
            os.dup2(sink.fileno(), 2)
        os._exit(isolated(lambda: _serve(name, watched, lab), why_not))
    while time.monotonic() - began < START_S:
        if connection := _connect(name):
            connection.sendall(b"\n")
            connection.close()
            print(f"ready after {time.monotonic() - began:.1f} s")
            return 0
        if os.waitpid(child, os.WNOHANG)[0]:
            return _not_there(log)
        time.sleep(0.1)
    os.kill(child, 15)
    print(f"not ready after {START_S:g} s: {log.read_text(encoding='utf-8', errors='replace')}")
    return 1


def _not_there(log: Path) -> int:
    """Says why there is no lab; the status for that."""
    words = log.read_text(encoding="utf-8", errors="replace").strip() if log.exists() else "it was never started"
    if words.startswith("SKIPPED: "):
        print(words)
        return SKIPPED
    print(f"the lab is not there: {words}")
    return 1


def ask(name: str, log: Path, request: str) -> int:
    """Has the lab play a scenario, and prints what that prints; its status."""
    connection = _connect(name)
    if connection is None:
        return _not_there(log)
    text = b""
    with connection:
        connection.sendall(request.encode() + b"\n")
        while more := connection.recv(65536):
            text += more
            sys.stdout.write(more.partition(b"\0")[0].decode(errors="replace"))
            sys.stdout.flush()
    status = text.partition(b"\0")[2]
    if not status:
        print(f"the lab ended meanwhile: {log.read_text(encoding='utf-8', errors='replace')}")
        return 1
    return int(status)


def halt(name: str) -> int:
    """Ends the lab and waits until it is gone. No lab is no failure."""
    if connection := _connect(name):
        with connection:
            connection.sendall(HALT.encode() + b"\n")
            connection.recv(1)
        while connection := _connect(name):
            connection.close()
            time.sleep(0.05)
    return 0
