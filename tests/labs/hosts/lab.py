"""Several hosts on one machine: each a process holding its own network, UTS and mount namespaces, joined by a bridge.

    def main() -> int: ...
        with Lab(4) as lab:
            job = lab.mpirun(["hostname"])
            print(job.wait(10).out)

    if __name__ == "__main__":
        sys.exit(isolated(main, why_not))

`isolated` sees to it that nothing is left, whatever happens to the lab. Standard library only; root is needed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

sys.path.append(str(Path(__file__).resolve().parents[1] / "common"))
# pylint: disable=wrong-import-position
from isolation import (  # noqa: E402
    CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUTS, MS_BIND, MS_PRIVATE, MS_REC, ROOT_VARIABLE, SKIPPED, Finished, LabError,
    die_with_parent, isolated, mount, set_hostname, unshare, why_not_isolated,
)

__all__ = ["SKIPPED", "Finished", "Host", "Job", "Lab", "LabError", "isolated", "why_not", "why_not_isolated"]


def why_not() -> str:
    """Why no hosts can be made here, or nothing."""
    for tool, package in (("ip", "iproute2"), ("tc", "iproute2"), ("nsenter", "util-linux"), ("mpirun", "openmpi-bin")):
        if shutil.which(tool) is None:
            return f"{tool} is not installed (apt-get install {package})"
    return ""


@dataclass
class Job:
    """A command started inside a host. Its output goes to a file, so that it never blocks on a full pipe."""

    process: subprocess.Popen[bytes]
    output: Path
    began: float = field(default_factory=time.monotonic)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def running(self) -> bool:
        return self.process.poll() is None

    def text(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    def wait(self, timeout_s: float) -> Finished:
        """Waits until `timeout_s` after the start; kills the process and raises LabError when it is not over then."""
        left = self.began + timeout_s - time.monotonic()
        try:
            status = self.process.wait(max(left, 0.01))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            tail = "\n".join(self.text().splitlines()[-30:])
            raise TimeoutError(f"not over after {timeout_s:g} s; its last words:\n{tail}") from None
        return Finished(status, self.text(), time.monotonic() - self.began)


@dataclass
class Host:
    """One host: the holder of its namespaces, and how to enter them."""

    name: str
    address: str
    holder: int
    port: str  # its veth in the switch

    def enter(self, command: Sequence[str]) -> list[str]:
        return ["nsenter", f"--target={self.holder}", "--net", "--uts", "--mount", "--", *command]


class Lab:
    """`count` hosts node1…nodeN at 10.77.0.1…N."""

    NETWORK = "10.77.0"

    def __init__(self, count: int) -> None:
        root = os.environ.get(ROOT_VARIABLE)
        if root is None:
            raise LabError("make labs inside isolated()")
        self.folder = Path(tempfile.mkdtemp(prefix="lab-", dir=root))
        self.folder.chmod(0o755)
        self.count = count
        self.hosts: list[Host] = []
        self._switch = 0
        self._holders: list[int] = []
        self._jobs = 0

    def __enter__(self) -> Lab:
        try:
            self._build()
        except BaseException:
            self._tear_down()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._tear_down()

    # Building

    def _build(self) -> None:
        hosts_file = self.folder / "hosts"
        names = [f"node{k}" for k in range(1, self.count + 1)]
        rows = [f"{self.NETWORK}.{k} {name}" for k, name in enumerate(names, 1)]
        hosts_file.write_text("127.0.0.1 localhost\n" + "\n".join(rows) + "\n", encoding="utf-8")
        self._switch = self._hold("switch", hosts_file)
        self._in_switch("ip", ["link set lo up", "link add name bridge0 type bridge", "link set dev bridge0 up"])
        lines = []
        for k, name in enumerate(names, 1):
            holder = self._hold(name, hosts_file)
            self.hosts.append(Host(name, f"{self.NETWORK}.{k}", holder, f"p{k}"))
            lines.append(f"link add name p{k} type veth peer name eth0 netns {holder}")
            lines.append(f"link set dev p{k} master bridge0 up")
        self._in_switch("ip", lines)
        for host in self.hosts:
            batch = ["link set lo up", f"addr add {host.address}/24 dev eth0", "link set eth0 up"]
            self._batch(host.enter(["ip"]), batch)
        self._write_agent()

    def _hold(self, name: str, hosts_file: Path) -> int:
        """Forks a process that holds a host's namespaces; its id once they are ready."""
        temporary = self.folder / "tmp" / name
        temporary.mkdir(parents=True)
        ready, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(ready)
                os.setsid()
                null = os.open(os.devnull, os.O_RDWR)
                for descriptor in (0, 1, 2):
                    os.dup2(null, descriptor)
                die_with_parent()
                unshare(CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWNS)
                mount("none", "/", "", MS_REC | MS_PRIVATE)
                mount("shm", "/dev/shm", "tmpfs")
                mount("sys", "/sys", "sysfs")
                mount(str(hosts_file), "/etc/hosts", "", MS_BIND)
                set_hostname(name)
                os.write(tell, b"ok")
                os.close(tell)
                while True:
                    signal.pause()
            except BaseException as error:  # pylint: disable=broad-except
                os.write(tell, str(error).encode())
                os._exit(1)
        self._holders.append(pid)
        os.close(tell)
        with os.fdopen(ready, "rb") as pipe:
            answer = pipe.read().decode()
        if answer != "ok":
            raise LabError(f"host {name}: {answer}")
        return pid

    def _batch(self, command: Sequence[str], lines: Iterable[str]) -> None:
        done = subprocess.run(
            [*command, "-batch", "-"], input="\n".join(lines) + "\n", text=True, capture_output=True, check=False
        )
        if done.returncode != 0:
            raise LabError(f"{shlex.join(command)}: {done.stderr.strip()}")

    def _in_switch(self, tool: str, lines: Iterable[str]) -> None:
        self._batch(["nsenter", f"--target={self._switch}", "--net", "--", tool], lines)

    def _write_agent(self) -> None:
        """Stands in for ssh: drops its options, takes nothing of the caller's environment along, enters the host."""
        entries = "".join(
            f"  {host.name}|{host.address}) holder={host.holder} name={host.name} ;;\n" for host in self.hosts
        )
        self.agent.write_text(
            "#!/bin/sh\n"
            "while :; do case $1 in -[bcDEeFIiJLlmOopQRSWw]) shift 2 ;; -*) shift ;; *) break ;; esac; done\n"
            "host=${1#*@}; shift\n"
            f"case $host in\n{entries}  *) echo \"no host $host\" >&2; exit 255 ;;\nesac\n"
            'exec nsenter --target="$holder" --net --uts --mount -- env -i PATH="$PATH" HOME="${HOME:-/root}" '
            f'LANG=C.UTF-8 TMPDIR={shlex.quote(str(self.folder))}/tmp/"$name" /bin/sh -c "$*"\n',
            encoding="utf-8",
        )
        self.agent.chmod(0o755)

    @property
    def agent(self) -> Path:
        return self.folder / "enter-host"

    def _tear_down(self) -> None:
        for pid in self.processes():
            _kill(pid)
        for pid in self._holders:
            _kill(pid)
            try:
                os.waitpid(pid, 0)
            except ChildProcessError:
                pass
        self._holders.clear()
        self.hosts.clear()
        keep = os.environ.get("FABRICHECK_LAB_KEEP")
        if keep:
            shutil.copytree(self.folder, Path(keep) / self.folder.name, dirs_exist_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    # Commands

    def start(self, host: Host, command: Sequence[str], environment: dict[str, str] | None = None) -> Job:
        """Starts a command in a host with a clean environment."""
        self._jobs += 1
        output = self.folder / f"output{self._jobs}"
        clean = {
            "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            "HOME": os.environ.get("HOME", "/root"),
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.folder / "tmp" / host.name),
            **(environment or {}),
        }
        with output.open("wb") as sink:
            process = subprocess.Popen(  # pylint: disable=consider-using-with
                host.enter(command), env=clean, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT
            )
        return Job(process, output)

    def mpirun_command(
        self, *programs: Sequence[str], ranks_per_host: int = 1, timeout_s: int = 19, options: Sequence[str] = ()
    ) -> list[str]:
        """mpirun over all hosts; several programs share them out host by host."""
        hostfile = self.folder / "hostfile"
        hostfile.write_text("".join(f"{h.name} slots={ranks_per_host}\n" for h in self.hosts), encoding="utf-8")
        command = ["mpirun", "--allow-run-as-root", "--hostfile", str(hostfile)]
        parameters = {
            "plm": "rsh",
            "plm_rsh_agent": str(self.agent),
            "oob_tcp_if_include": f"{self.NETWORK}.0/24",
            "btl_tcp_if_include": f"{self.NETWORK}.0/24",
            "pml": "ob1",
            "btl": "self,vader,tcp",
            "mpi_yield_when_idle": "1",
            "oob_tcp_keepalive_time": "2",
            "oob_tcp_keepalive_intvl": "2",
            "oob_tcp_keepalive_probes": "4",
        }
        for key, value in parameters.items():
            command += ["--mca", key, value]
        command += ["--bind-to", "none", "--timeout", str(timeout_s), *options]
        total = self.count * ranks_per_host
        share = total // len(programs)
        for index, program in enumerate(programs):
            count = total - share * (len(programs) - 1) if index == 0 else share
            command += ([":"] if index else []) + ["-np", str(count), *program]
        return command

    def mpirun(
        self,
        *programs: Sequence[str],
        ranks_per_host: int = 1,
        timeout_s: int = 19,
        options: Sequence[str] = (),
        environment: dict[str, str] | None = None,
    ) -> Job:
        """Starts mpirun in node1."""
        command = self.mpirun_command(
            *programs, ranks_per_host=ranks_per_host, timeout_s=timeout_s, options=options
        )
        return self.start(self.hosts[0], command, environment)

    # Faults and looks

    def shape(self, host: Host, rate: str) -> None:
        """Limits both directions of a host's link, e.g. "500mbit"."""
        discipline = f"root tbf rate {rate} burst 128k latency 50ms"
        self._batch(host.enter(["tc"]), [f"qdisc replace dev eth0 {discipline}"])
        self._in_switch("tc", [f"qdisc replace dev {host.port} {discipline}"])

    def pull_cable(self, host: Host) -> None:
        """Takes the host's link down at the switch, for good."""
        self._in_switch("ip", [f"link set dev {host.port} down"])

    def processes(self, host: Host | None = None) -> list[int]:
        """Everything that runs in a host (or in any), but its holder."""
        spaces = {_namespace(h.holder) for h in ([host] if host else self.hosts)}
        own = set(self._holders)
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit() and int(entry) not in own and _namespace(int(entry)) in spaces:
                found.append(int(entry))
        return found

    def rank_process(self, host: Host, rank: int) -> int:
        """The process of a rank of the job; waits for it for at most 5 s."""
        wanted = f"OMPI_COMM_WORLD_RANK={rank}".encode()
        for _ in range(250):
            for pid in self.processes(host):
                try:
                    if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                        return pid
                except OSError:
                    continue
            time.sleep(0.02)
        raise LabError(f"rank {rank} does not run on {host.name}")


def _namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return ""


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
