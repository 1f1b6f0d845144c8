"""Keeps a lab apart from the machine: `isolated` runs it in private PID and mount namespaces.

    sys.exit(isolated(main, why_not))

Whatever happens to the lab (an exception, a signal, SIGKILL by a test runner), the kernel then ends every process in it and
drops its namespaces, mounts and shared memory: nothing is left to clean up, and two labs at the same time do not meet.
Standard library only; root is needed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

SKIPPED = 77  # the exit status of a lab that cannot run here

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x04000000, 0x20000000, 0x40000000
MS_REC, MS_PRIVATE, MS_BIND = 1 << 14, 1 << 18, 1 << 12
PR_SET_PDEATHSIG = 1
ROOT_VARIABLE = "FABRICHECK_LAB_ROOT"

_libc = ctypes.CDLL(None, use_errno=True)


class LabError(RuntimeError):
    """The lab itself is broken (never the program under test)."""


def check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    check(
        _libc.mount(source.encode(), target.encode(), kind.encode() or None, flags, data.encode() or None),
        f"mount {target}",
    )


def unshare(flags: int) -> None:
    check(_libc.unshare(flags), "unshare")


def die_with_parent() -> None:
    """SIGKILL for the calling process when its parent ends, whatever ends that."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def set_hostname(name: str) -> None:
    encoded = name.encode()
    check(_libc.sethostname(encoded, len(encoded)), "sethostname")


def why_not_isolated() -> str:
    """Why no lab can be isolated here, or nothing."""
    if os.geteuid() != 0:
        return "needs root for network namespaces"
    child = os.fork()
    if child == 0:
        try:
            unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS)
            mount("none", "/", "", MS_REC | MS_PRIVATE)
            subprocess.run(
                ["ip", "link", "add", "name", "veth0", "type", "veth", "peer", "name", "veth1"],
                check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
            os._exit(0)
        except BaseException:  # pylint: disable=broad-except  # the child only reports yes or no
            os._exit(1)
    if os.waitpid(child, 0)[1] != 0:
        return "this kernel or container allows no network namespaces"
    return ""


def isolated(main: Callable[[], int], why_not: Callable[[], str]) -> int:
    """Runs main() with private PID and mount namespaces; its status. SIGTERM and SIGINT end everything in it.
    SKIPPED where why_not() gives a reason."""
    reason = why_not() or why_not_isolated()
    if reason:
        print(f"SKIPPED: {reason}")
        return SKIPPED
    sys.stdout.flush()
    root, made = _mount_point()
    supervisor = os.getpid()
    try:
        unshare(CLONE_NEWPID)
        init = os.fork()
        if init == 0:
            os._exit(_run_as_init(main, root, supervisor))
        return _supervise(init)
    finally:
        if made:
            os.rmdir(root)


def _mount_point() -> tuple[str, bool]:
    """Where the lab mounts its own folder, and whether that place had to be made. An empty folder that every system has
    is best: then there is nothing to remove, not even after SIGKILL."""
    for place in ("/mnt", "/media", "/srv"):
        if os.path.isdir(place) and not os.path.islink(place) and not os.listdir(place):
            return place, False
    return tempfile.mkdtemp(prefix="fabricheck-lab-"), True


def _supervise(init: int) -> int:
    caught: list[int] = []

    def end(number: int, _frame: object) -> None:
        caught.append(number)
        os.kill(init, signal.SIGKILL)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    status = os.waitstatus_to_exitcode(os.waitpid(init, 0)[1])
    return 128 + caught[0] if caught else status if status >= 0 else 128 - status


def _run_as_init(main: Callable[[], int], root: str, supervisor: int) -> int:
    """PID 1 of the lab: mounts, starts the real work, reaps what is orphaned."""
    try:
        die_with_parent()
        if os.getppid() not in (0, supervisor):
            return 1
        unshare(CLONE_NEWNS)
        mount("none", "/", "", MS_REC | MS_PRIVATE)
        mount("proc", "/proc", "proc")
        mount("lab", root, "tmpfs", data="mode=755")
        os.environ[ROOT_VARIABLE] = root
        worker = os.fork()
        if worker == 0:
            status = 1
            try:
                status = main()
            except SystemExit as stop:
                status = stop.code if isinstance(stop.code, int) else 1
            except BaseException:  # pylint: disable=broad-except
                import traceback

                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        while True:
            pid, status = os.wait()
            if pid == worker:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
    except BaseException as error:  # pylint: disable=broad-except
        print(f"the lab could not start: {error}", file=sys.stderr)
        return 1


@dataclass
class Finished:
    """How a command ended."""

    status: int  # negative: the signal
    out: str
    seconds: float
