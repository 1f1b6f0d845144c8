"""A real Slurm on the hosts of a lab: munged, slurmctld beside the switch, one slurmd in each host.

    with SlurmLab(4, programs, drains=True) as slurm:
        slurm.machine("node3", "link_down.json")
        print(slurm.client(["srun", "-N4", "hostname"]).out)

The scripts of slurm/ are the ones that run; only the paths at their head are the lab's. Make it inside isolated().
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

sys.path.append(str(Path(__file__).resolve().parents[1] / "hosts"))
# pylint: disable=wrong-import-position
from lab import Finished, Host, Lab, LabError  # noqa: E402
from isolation import MS_BIND, MS_REC, mount  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[3]
CONTROLLER = "10.77.0.254"
GPUS = ("0000:18:00.0", "0000:2a:00.0", "0000:3a:00.0", "0000:5d:00.0",
        "0000:9a:00.0", "0000:ab:00.0", "0000:ba:00.0", "0000:db:00.0")


def why_not() -> str:
    """Why no Slurm can be started here, or nothing."""
    for tool, package in (("ip", "iproute2"), ("nsenter", "util-linux"), ("munged", "munge"), ("slurmctld", "slurmctld"),
                          ("slurmd", "slurmd"), ("srun", "slurm-client"), ("mpirun", "openmpi-bin")):
        if shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
            return f"{tool} is not installed (apt-get install {package})"
    return ""


@dataclass
class Programs:
    fabricheck: str
    nvml: str
    validator: str = ""


class Syslog:
    """Listens where syslog(3) sends to."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        path.chmod(0o666)
        self.lines: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            self.lines.append(self._socket.recv(8192).decode(errors="replace").rstrip("\0\n"))

    def of(self, words: str) -> list[str]:
        return [line for line in self.lines if words in line]


class SlurmLab:
    """`count` nodes node1…nodeN, each with a recorded machine of eight H100s."""

    def __init__(self, count: int, programs: Programs, *, drains: bool, settings: str = "", health_s: int = 0) -> None:
        self.programs = programs
        self.lab = Lab(count)
        self.folder = self.lab.folder
        self.settings = f'mode = "{"drain" if drains else "observe"}"\n{settings}'
        self.health_s = health_s
        self._daemons: list[subprocess.Popen[bytes]] = []
        self.environment = {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def __enter__(self) -> SlurmLab:
        self.dev = self._private_dev()
        self.syslog = Syslog(Path("/dev/log"))
        self.lab.__enter__()
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for daemon in self._daemons:
            daemon.kill()
            daemon.wait()
        self.lab.__exit__(kind, error, trace)

    @property
    def nodes(self) -> list[str]:
        return [host.name for host in self.lab.hosts]

    def host(self, name: str) -> Host:
        return next(host for host in self.lab.hosts if host.name == name)

    # What is under test

    def machine(self, node: str, name: str, **changes: object) -> None:
        """What NVML tells on a node from now on: a file of tests/fixtures/nvml, with these keys changed."""
        folder = self.folder / "nvml" / node
        folder.mkdir(parents=True, exist_ok=True)
        library = folder / "libnvidia-ml.so.1"
        if not library.exists():
            shutil.copy(self.programs.nvml, library)
        new = folder / "machine.new"
        new.write_text(json.dumps({"base": name, **changes}), encoding="utf-8")
        new.rename(folder / "machine.json")

    def configure(self, node: str, more: str = "", settings: str | None = None) -> None:
        """Writes the node's fabricheck.toml."""
        text = (
            f"{self.settings if settings is None else settings}\n{more}\n"
            f'state_folder = "{self.folder}/state/{node}"\n'
            f'nvml_library = "{self.folder}/nvml/{node}/libnvidia-ml.so.1"\n'
            f'[slurm]\nscontrol = "{shutil.which("scontrol")}"\nconf = "{self.folder}/slurm.conf"\n'
        )
        (self.folder / "etc" / f"{node}.toml").write_text(text, encoding="utf-8")

    def program(self, text: str = "") -> None:
        """What the scripts find as fabricheck: the real one on the node's recorded machine, or a script of `text`."""
        path = self.folder / "bin/fabricheck"
        path.parent.mkdir(exist_ok=True)
        real = f'exec {self.programs.fabricheck} "$@" --sysroot {self.folder}/machines/"$SLURMD_NODENAME"\n'
        new = path.with_suffix(".new")
        # What it leaves behind is told from what others of this machine do.
        (self.folder / "tmp").mkdir(exist_ok=True)
        new.write_text(f"#!/bin/sh\nexport TMPDIR={self.folder}/tmp\n" + (text or real), encoding="utf-8")
        new.chmod(0o755)
        new.rename(path)

    def script(self, name: str) -> Path:
        """A script of slurm/ with the lab's paths at its head."""
        text = (REPOSITORY / "slurm" / name).read_text(encoding="utf-8")
        wanted = {"fabricheck=/usr/bin/fabricheck": f"fabricheck={self.folder}/bin/fabricheck",
                  "config=/etc/fabricheck/fabricheck.toml": f'config={self.folder}/etc/"$SLURMD_NODENAME".toml'}
        if name.endswith(".sbatch"):
            wanted = {"fabricheck=/usr/bin/fabricheck": f"fabricheck={self.programs.fabricheck}"}
        for old, new in wanted.items():
            if f"\n{old}\n" not in text:
                raise LabError(f"slurm/{name} has no line {old}")
            text = text.replace(f"\n{old}\n", f"\n{new}\n")
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
        return path

    def _write_machine(self, node: str) -> None:
        """Eight GPUs on PCI and a NIC, as sysfs has them."""
        root = self.folder / "machines" / node

        def put(path: str, text: str) -> None:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")

        put("proc/sys/kernel/hostname", f"{node}\n")
        put("proc/sys/kernel/osrelease", "6.8.0-45-generic\n")
        put("proc/sys/kernel/random/boot_id", "0f0f0f0f-0000-4000-8000-000000000001\n")
        put("proc/cpuinfo", "processor\t: 0\nmodel name\t: Fast CPU 9000\nflags\t\t: fpu vme\n")
        put("proc/self/limits", "Limit Soft Hard Units\nMax locked memory         unlimited  unlimited  bytes\n")
        put("proc/self/mounts", "tmpfs / tmpfs rw 0 0\n")
        put("var/log/kern.log", "")
        for address in GPUS:
            device = f"sys/devices/pci0000:00/{address}"
            for name, text in (("vendor", "0x10de"), ("device", "0x2330"), ("class", "0x030200"), ("numa_node", "0")):
                put(f"{device}/{name}", text + "\n")
            (root / device / "config").write_bytes(bytes(256))
            (root / device / "driver").symlink_to("../../../bus/pci/drivers/nvidia")
            link = root / "sys/bus/pci/devices" / address
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(f"../../../devices/pci0000:00/{address}")

    # Slurm

    def _private_dev(self) -> Path:
        """A /dev of the lab's own, where syslog's socket and the GPUs' files may lie."""
        place = self.folder / "dev"
        place.mkdir()
        mount("dev", str(place), "tmpfs", data="mode=755")
        for name, major, minor in (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9),
                                   ("kmsg", 1, 11), ("tty", 5, 0), ("fuse", 10, 229), *((f"fakegpu{k}", 1, 3) for k in range(8))):
            os.mknod(place / name, 0o666 | stat.S_IFCHR, os.makedev(major, minor))
            (place / name).chmod(0o666)
        for name in ("shm", "pts", "mqueue"):
            (place / name).mkdir()
        (place / "shm").chmod(0o1777)
        mount("/dev/pts", str(place / "pts"), "", MS_BIND)
        (place / "ptmx").symlink_to("pts/ptmx")
        for link, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
            (place / link).symlink_to(target)
        mount(str(place), "/dev", "", MS_BIND | MS_REC)
        return place

    def _conf(self) -> str:
        health = ""
        if self.health_s:
            health = (f"HealthCheckProgram={self.script('healthcheck.sh')}\nHealthCheckInterval={self.health_s}\n"
                      "HealthCheckNodeState=ANY\n")
        count = self.lab.count
        return f"""ClusterName=lab
SlurmctldHost=switch({CONTROLLER})
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={self.folder}/munge/socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
GresTypes=gpu
ReturnToService=2
SlurmdParameters=config_overrides
Prolog={self.script('prolog.sh')}
Epilog={self.script('epilog.sh')}
PrologFlags=Alloc
PrologEpilogTimeout=20
{health}SchedulerParameters=batch_sched_delay=0,sched_min_interval=1000,nohold_on_prolog_fail,bf_interval=1
MessageTimeout=20
SlurmdTimeout=60
MpiDefault=none
StateSaveLocation={self.folder}/state-save
SlurmdSpoolDir={self.folder}/spool/%n
SlurmctldPidFile={self.folder}/slurmctld.pid
SlurmdPidFile={self.folder}/slurmd-%n.pid
SlurmctldLogFile={self.folder}/slurmctld.log
SlurmdLogFile={self.folder}/slurmd-%n.log
NodeName=node[1-{count}] NodeAddr=10.77.0.[1-{count}] CPUs=2 Gres=gpu:h100:8 State=UNKNOWN
PartitionName=main Nodes=node[1-{count}] Default=YES MaxTime=INFINITE State=UP
"""

    def _start(self) -> None:
        folder = self.folder
        for name in ("etc", "state", "state-save", "spool", "munge", "pmix"):
            (folder / name).mkdir(mode=0o755)
        for host in self.lab.hosts:  # each slurmd makes folders of the same names there
            subprocess.run(host.enter(["mount", "-t", "tmpfs", "pmix", str(folder / "pmix")]), check=True)
        self.program()
        for node in self.nodes:
            self._write_machine(node)
            self.machine(node, "h100x8.json")
            self.configure(node)
            (folder / "spool" / node).mkdir()
        (folder / "slurm.conf").write_text(self._conf(), encoding="utf-8")
        (folder / "gres.conf").write_text("AutoDetect=off\nName=gpu Type=h100 File=/dev/fakegpu[0-7]\n", encoding="utf-8")
        # Found out by itself it wants a cgroup mount, which not every machine for tests has, and uses none of it.
        (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n", encoding="utf-8")
        (folder / "mpi.conf").write_text(f"PMIxDirectConn=false\nPMIxCliTmpDirBase={folder}/pmix\n", encoding="utf-8")
        self.lab._in_switch("ip", [f"addr add {CONTROLLER}/24 dev bridge0"])  # pylint: disable=protected-access
        self._start_munged()
        self._daemon(self.in_switch([shutil.which("slurmctld") or "/usr/sbin/slurmctld", "-D", "-c", "-f",
                                     str(folder / "slurm.conf")]), "slurmctld")
        slurmd = shutil.which("slurmd") or "/usr/sbin/slurmd"
        for host in self.lab.hosts:
            self._daemon(host.enter([slurmd, "-D", "-c", "-N", host.name, "-f", str(folder / "slurm.conf")]), host.name)
        self.wait_for(lambda: self.states().count("IDLE") == len(self.nodes), 40, "the nodes are not idle")

    def _start_munged(self) -> None:
        place = self.folder / "munge"
        key = place / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        self._daemon([shutil.which("munged", path="/usr/sbin:/usr/bin") or "/usr/sbin/munged", "--foreground", "--force",
                      f"--key-file={key}", f"--socket={place}/socket", f"--pid-file={place}/pid",
                      f"--log-file={place}/log", f"--seed-file={place}/seed"], "munged")
        self.wait_for((place / "socket").exists, 10, "munged has no socket")

    def _daemon(self, command: Sequence[str], name: str) -> None:
        with (self.folder / f"{name}.out").open("wb") as sink:
            self._daemons.append(subprocess.Popen(  # pylint: disable=consider-using-with
                command, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", **self.environment},
                stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, cwd=self.folder))

    def in_switch(self, command: Sequence[str]) -> list[str]:
        return ["nsenter", f"--target={self.lab._switch}", "--net", "--uts", "--mount", "--",  # pylint: disable=protected-access
                *command]

    def client(self, command: Sequence[str], timeout_s: float = 60, environment: dict[str, str] | None = None) -> Finished:
        """A command of Slurm's, beside the controller; its output with that on standard error."""
        began = time.monotonic()
        clean = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root", **self.environment,
                 **(environment or {})}
        try:
            done = subprocess.run(self.in_switch(command), env=clean, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=timeout_s, check=False, cwd=self.folder)
        except subprocess.TimeoutExpired as late:
            raise LabError(f"{' '.join(command)}: not over after {timeout_s:g} s: {late.output!r}\n{self.logs()}") from None
        return Finished(done.returncode, done.stdout.decode(errors="replace"), time.monotonic() - began)

    def states(self) -> list[str]:
        return [self.node(name)["State"] for name in self.nodes]

    def node(self, name: str) -> dict[str, str]:
        """State and Reason of a node, the reason without who set it and when."""
        text = self.client(["scontrol", "--oneliner", "show", "node", name]).out
        words = dict(word.split("=", 1) for word in text.split() if "=" in word)
        reason = text.split(" Reason=", 1)[1].rstrip() if " Reason=" in text else ""
        return {"State": words.get("State", "?"), "Reason": reason.rsplit(" [", 1)[0]}

    def drained(self) -> list[str]:
        return [name for name in self.nodes if "DRAIN" in self.node(name)["State"]]

    def wait_for(self, is_so: object, timeout_s: float, what: str) -> None:
        end = time.monotonic() + timeout_s
        while not is_so():  # type: ignore[operator]
            if time.monotonic() > end:
                raise LabError(f"{what} after {timeout_s:g} s\n{self.logs()}")
            time.sleep(0.05)

    def wait_for_log(self, words: str, count: int = 1, timeout_s: float = 20) -> list[str]:
        self.wait_for(lambda: len(self.syslog.of(words)) >= count, timeout_s, f"syslog has not {count} lines with '{words}'")
        return self.syslog.of(words)

    def logs(self) -> str:
        parts = ["syslog:", *self.syslog.lines[-20:]]
        for path in sorted(self.folder.glob("*.log")) + sorted(self.folder.glob("*.out")):
            parts += [f"{path.name}:", *path.read_text(encoding="utf-8", errors="replace").splitlines()[-12:]]
        return "\n".join(parts)
