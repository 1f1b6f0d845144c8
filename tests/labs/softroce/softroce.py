"""Virtual machines with real libibverbs over RoCE v2: Linux' Soft-RoCE in QEMU guests whose root is this host's /.

    with Guests(count=2, ports=2) as guests:
        print(guests.run(["ibv_devices"], timeout_s=20).out)               # in guest1
        print(guests.run(["hostname"], guest=2, timeout_s=20).out)

What a guest sees of the host is read-only, below a tmpfs; /lab alone is shared and writable (`guests.folder` here). Call
it inside `isolated`: then the guests are gone with the process that made them, however that ends.
TCG emulates the processors, so times are tens to hundreds of µs: good for correctness and for ratios.
"""

from __future__ import annotations

import itertools
import json
import os
import queue
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import image

sys.path.append(str(Path(__file__).resolve().parents[1] / "common"))
# pylint: disable=wrong-import-position
from isolation import ROOT_VARIABLE, SKIPPED, Finished, LabError, die_with_parent, isolated  # noqa: E402

__all__ = ["SKIPPED", "Finished", "GuestJob", "Guests", "LabError", "isolated", "why_not"]

HERE = Path(__file__).resolve().parent
QEMU = "qemu-system-x86_64"
NEEDED = ((QEMU, "qemu-system-x86"), ("busybox", "busybox-static"), ("ib_write_lat", "perftest"), ("rdma", "iproute2"),
          ("dpkg-deb", "dpkg"), ("apt-get", "apt"))
BOOT_S = 90.0  # 8 s on an idle machine
MEMORY_MIB = 1536


def why_not() -> str:
    """Why no guest can run here, or nothing. Fetches the kernel where it is not in the cache."""
    if os.uname().machine != "x86_64":
        return f"guests are of x86_64, this machine is {os.uname().machine}"
    for tool, package in NEEDED:
        if shutil.which(tool) is None:
            return f"{tool} is not installed (apt-get install {package})"
    try:
        image.prepare()
    except (image.CannotPrepare, OSError) as error:
        return f"no kernel for the guests: {error}"
    return ""


class _NoAnswer(LabError):
    """A guest lives, maybe, and has not said what was waited for."""


@dataclass
class GuestJob:
    """A command that runs in a guest."""

    guests: "Guests"
    guest: int
    number: int
    output: Path
    began: float
    timeout_s: float
    answer: dict[str, object] | None = None

    def text(self) -> str:
        try:
            return self.output.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def running(self) -> bool:
        return self.answer is None

    def signal(self, number: int) -> None:
        """To the command and all that it started in its guest."""
        self.guests.tell(self.guest, {"id": self.number, "signal": number})

    def wait(self, timeout_s: float = 0) -> Finished:
        """Until it is over. The guest ends it at its deadline, which raises TimeoutError; so does the job not being over
        `timeout_s` after its start, where that is given."""
        try:
            self.guests.await_answer(self, self.began + (timeout_s or self.timeout_s + 20))
        except _NoAnswer:
            if not timeout_s:
                raise
            raise TimeoutError(f"not over after {timeout_s:g} s; its last words:\n{self.text()[-3000:]}") from None
        assert self.answer is not None
        if self.answer["timed_out"]:
            tail = "\n".join(self.text().splitlines()[-30:])
            raise TimeoutError(f"not over after {self.timeout_s:g} s; its last words:\n{tail}")
        return Finished(int(str(self.answer["status"])), self.text(), time.monotonic() - self.began)


class _Machine:
    """One QEMU process and the virtio port to the agent in it."""

    def __init__(self, name: str, command: list[str], port: Path, console: Path) -> None:
        self.name = name
        self.console = console
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=(console.parent / f"{name}.qemu").open("wb"),
            preexec_fn=die_with_parent,
        )
        self.answers: queue.Queue[dict[str, object]] = queue.Queue()
        self.connection = self._connect(port)
        threading.Thread(target=self._listen, daemon=True).start()

    def _connect(self, port: Path) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        for _ in range(200):
            try:
                connection.connect(str(port))
                return connection
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.05)
        raise LabError(f"QEMU did not start: {self.last_words()}")

    def _listen(self) -> None:
        pending = b""
        while True:
            try:
                more = self.connection.recv(65536)
            except OSError:
                more = b""
            if not more:
                self.answers.put({"gone": True})
                return
            *lines, pending = (pending + more).split(b"\n")
            for line in lines:
                self.answers.put(json.loads(line))

    def last_words(self) -> str:
        words = ""
        for path in (self.console.parent / f"{self.name}.qemu", self.console):
            if path.exists():
                words += "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-60:]) + "\n"
        return words.strip()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.connection.close()


class Guests:
    """`count` guests, 1 or 2, with Soft-RoCE ports rxe0 … (see guest/ports). `folder` is their /lab. In guests that are
    `awake` an idle processor looks for work instead of sleeping, so that waking it is in no measurement."""

    def __init__(self, count: int = 1, ports: int = 2, mtu: int = 4200, processors: int = 0, folder: Path | None = None,
                 awake: bool = False) -> None:
        if count not in (1, 2):
            raise LabError("one guest or two")
        if count == 1 and ports != 2:
            raise LabError("one guest has two ports, the ends of a veth pair")
        self.count = count
        self.ports = ports
        self.mtu = mtu
        self.processors = processors or (2 if count == 1 else 1)
        self.awake = awake
        self._own = tempfile.mkdtemp(prefix="guests-", dir=os.environ.get(ROOT_VARIABLE))
        self.folder = folder or Path(self._own) / "lab"
        self._machines: list[_Machine] = []
        self._numbers = itertools.count(1)
        self._jobs: dict[tuple[int, int], GuestJob] = {}

    def __enter__(self) -> Guests:
        try:
            self._boot()
        except BaseException:
            self._tear_down()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._tear_down()

    def _tear_down(self) -> None:
        for machine in self._machines:
            machine.end()
        self._machines.clear()
        shutil.rmtree(self._own, ignore_errors=True)

    # Booting

    def _boot(self) -> None:
        boot = image.prepare()
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "jobs").mkdir(exist_ok=True)
        for name in ("start", "enter-guest"):
            shutil.copy(HERE / "guest" / name, self.folder / name)
        hostfile = "".join(f"guest{k} slots=1\n" for k in range(1, self.count + 1))
        (self.folder / "hostfile").write_text(hostfile, encoding="utf-8")
        began = time.monotonic()
        for guest in range(1, self.count + 1):
            name = f"guest{guest}"
            port, console = Path(self._own) / f"{name}.port", Path(self._own) / f"{name}.console"
            self._machines.append(_Machine(name, self._command(boot, guest, port, console), port, console))
        for guest in range(1, self.count + 1):
            ready = self._next(guest, began + BOOT_S)
            if "ready" not in ready:
                raise LabError(f"guest{guest} said {ready} where it should say that it is ready")

    def _command(self, boot: image.Image, guest: int, port: Path, console: Path) -> list[str]:
        words = {
            "console": "ttyS0", "panic": "-1", "mitigations": "off", "quiet": "", "random.trust_cpu": "on",
            "net.ifnames": "0", "tsc": "reliable", "lab.guest": guest, "lab.guests": self.count, "lab.ports": self.ports,
            "lab.mtu": self.mtu, "lab.files": HERE / "guest",
        }
        if self.awake:
            words["idle"] = "poll"
        line = " ".join(f"{key}={value}" if value != "" else key for key, value in words.items())
        command = [
            QEMU, "-name", f"guest{guest},debug-threads=on", "-accel", "tcg,thread=multi", "-M", "pc", "-cpu", "max", "-smp", str(self.processors),
            "-m", str(MEMORY_MIB), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-kernel", str(boot.kernel), "-initrd", str(boot.initramfs), "-append", line,
            "-chardev", f"file,id=console,path={console}", "-serial", "chardev:console",
            "-virtfs", "local,path=/,mount_tag=hostroot,security_model=none,readonly=on,multidevs=remap",
            "-virtfs", f"local,path={self.folder},mount_tag=lab,security_model=none",
            "-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=agent,path={port},server=on,wait=off",
            "-device", "virtserialport,chardev=agent,name=lab",
        ]  # fmt: skip
        wires = range(self.ports + 1) if self.count == 2 else []
        for wire in wires:
            ends = [f"{self._own}/wire{wire}.{end}" for end in (guest, 3 - guest)]
            command += [
                "-netdev", f"dgram,id=wire{wire},local.type=unix,local.path={ends[0]},remote.type=unix,remote.path={ends[1]}",
                "-device", f"virtio-net-pci,netdev=wire{wire},mac=02:00:00:00:{wire:02x}:{guest:02x},romfile=",
            ]  # fmt: skip
        return command

    def favour(self) -> None:
        """Gives each emulated processor a processor of this machine, before all else that runs there: else two ends that
        wait for each other wait for their turns, and a ping-pong of 100 us takes 4 ms."""
        cores = sorted(os.sched_getaffinity(0))
        number = 0
        for machine in self._machines:
            for thread in sorted(Path(f"/proc/{machine.process.pid}/task").iterdir(), key=lambda path: int(path.name)):
                os.setpriority(os.PRIO_PROCESS, int(thread.name), -15)
                if "TCG" in (thread / "comm").read_text(encoding="utf-8"):
                    os.sched_setaffinity(int(thread.name), {cores[number % len(cores)]})
                    number += 1
        if number != self.count * self.processors:
            raise LabError(f"{number} threads of QEMU run {self.count * self.processors} processors")

    # Talking

    def tell(self, guest: int, message: dict[str, object]) -> None:
        self._machines[guest - 1].connection.sendall(json.dumps(message).encode() + b"\n")

    def _next(self, guest: int, deadline: float) -> dict[str, object]:
        machine = self._machines[guest - 1]
        try:
            answer = machine.answers.get(timeout=max(deadline - time.monotonic(), 0.01))
        except queue.Empty:
            raise _NoAnswer(f"{machine.name} does not answer; its last words:\n{machine.last_words()}") from None
        return self._alive(machine, answer)

    @staticmethod
    def _alive(machine: _Machine, answer: dict[str, object]) -> dict[str, object]:
        if "gone" in answer:
            machine.process.wait(10)
            raise LabError(f"{machine.name} died ({machine.process.returncode}); its last words:\n{machine.last_words()}")
        return answer

    def await_answer(self, job: GuestJob, deadline: float) -> None:
        while job.answer is None:
            self._file(job.guest, self._next(job.guest, deadline))

    def poll(self, job: GuestJob, seconds: float) -> bool:
        """Whether the job is over, waiting for that at most `seconds`."""
        if job.answer is None:
            machine = self._machines[job.guest - 1]
            try:
                answer = machine.answers.get(timeout=seconds)
            except queue.Empty:
                return False
            self._file(job.guest, self._alive(machine, answer))
        return job.answer is not None

    def _file(self, guest: int, answer: dict[str, object]) -> None:
        job = self._jobs.pop((guest, int(str(answer["id"]))), None)
        if job:
            job.answer = answer

    # Commands

    def environment(self) -> dict[str, str]:
        """What a command in a guest finds; mpirun without options then starts ranks over all guests."""
        parameters = {
            "plm": "rsh", "plm_rsh_agent": "/lab/enter-guest", "orte_default_hostfile": "/lab/hostfile",
            "pml": "ob1", "rmaps_base_oversubscribe": "1", "btl": "self,vader,tcp", "mpi_yield_when_idle": "1", "hwloc_base_binding_policy": "none",
            "oob_tcp_keepalive_time": "2", "oob_tcp_keepalive_intvl": "1", "oob_tcp_keepalive_probes": "3",
        }
        if self.count == 2:
            parameters |= {"oob_tcp_if_include": "control", "btl_tcp_if_include": "control", "rmaps_base_mapping_policy": "node"}
        return {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8",
            "LAB": "/lab", "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
            **{f"OMPI_MCA_{key}": value for key, value in parameters.items()},
        }

    def start(
        self, command: Sequence[str], guest: int = 1, timeout_s: float = 60, environment: dict[str, str] | None = None,
        folder: str = "/",
    ) -> GuestJob:
        """Starts a command in a guest, which ends it after `timeout_s`. /lab of the guest is `self.folder` here."""
        number = next(self._numbers)
        output = self.folder / "jobs" / str(number)
        job = GuestJob(self, guest, number, output, time.monotonic(), timeout_s)
        self._jobs[(guest, number)] = job
        self.tell(guest, {
            "id": number, "argv": list(command), "cwd": folder, "output": f"/lab/jobs/{number}", "timeout_s": timeout_s,
            "env": {**self.environment(), **(environment or {})},
        })  # fmt: skip
        return job

    def run(
        self, command: Sequence[str], guest: int = 1, timeout_s: float = 60, environment: dict[str, str] | None = None,
        folder: str = "/",
    ) -> Finished:
        return self.start(command, guest, timeout_s, environment, folder).wait()

    def must(self, line: str, guest: int = 1, timeout_s: float = 30) -> str:
        """The output of a shell line that belongs to the lab itself; it failing is the lab's fault."""
        done = self.run(["sh", "-ec", line], guest, timeout_s)
        if done.status != 0:
            raise LabError(f"guest{guest}: {shlex.quote(line)}: {done.out.strip()}")
        return done.out
