#!/usr/bin/env python3
"""What an installation and a Debian package hold.

    check_package.py install BUILD-FOLDER CMAKE     installs into a temporary prefix
    check_package.py deb BUILD-FOLDER CPACK         makes the .deb in a temporary folder
Exit 0, 1 with one line per fault, 77 where the tools are not there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FILES = {  # below the prefix -> whether it can be executed
    "bin/fabricheck": True,
    "share/fabricheck/fabricheck.schema.json": False,
    "share/fabricheck/slurm/prolog.sh": True,
    "share/fabricheck/slurm/epilog.sh": True,
    "share/fabricheck/slurm/healthcheck.sh": True,
    "share/fabricheck/slurm/acceptance.sbatch": True,
    "share/fabricheck/slurm/fabricheck.toml": False,
    "share/fabricheck/slurm/README.md": False,
    "share/bash-completion/completions/fabricheck": False,
    "share/doc/fabricheck/README.md": False,
    **{
        f"share/doc/fabricheck/{room}/README.md": False
        for room in ("collectives", "fabric", "slurm", "src/core", "src/device", "src/diagnose", "tests/bench", "topology")
    },
}
INSTALLED = {**FILES, "share/man/man1/fabricheck.1": False, "share/doc/fabricheck/LICENSE": False}
PACKAGED = {
    **FILES,
    "share/man/man1/fabricheck.1.gz": False,
    # Debian has the licence's text itself; the copyright file names it.
    "share/doc/fabricheck/copyright": False,
    "share/doc/fabricheck/changelog.gz": False,
}

faults: list[str] = []


def fault(text: str) -> None:
    faults.append(text)
    print(text)


def run(*words: str | Path, **options) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    if done.returncode != 0:
        print(done.stdout + done.stderr)
        sys.exit(f"{words[0]} failed with {done.returncode}")
    return done.stdout


def check_tree(prefix: Path, expected: dict[str, bool]) -> None:
    found = {str(path.relative_to(prefix)): path for path in prefix.rglob("*") if not path.is_dir()}
    for name in sorted(expected.keys() - found.keys()):
        fault(f"missing: {name}")
    for name in sorted(found.keys() - expected.keys()):
        fault(f"not expected: {name}")
    for name in expected.keys() & found.keys():
        if os.access(found[name], os.X_OK) != expected[name]:
            fault(f"{name}: execute permission is wrong")
        if found[name].stat().st_size == 0:
            fault(f"{name} is empty")


def check_program(program: Path) -> None:
    if not re.match(r"fabricheck \d+\.\d+\.\d+ \(", run(program, "--version")):
        fault("the program does not tell its version")
    if "mpi.allreduce.latency" not in run(program, "list", "checks"):
        fault("the program lists no checks")


def check_install(build: Path, cmake: str, work: Path) -> None:
    run(cmake, "--install", build, "--prefix", work / "prefix")
    check_tree(work / "prefix", INSTALLED)
    if not faults:
        check_program(work / "prefix/bin/fabricheck")


def has_debug_sections(program: Path) -> bool:
    return b".debug_info\0" in program.read_bytes()


def check_deb(build: Path, cpack: str, work: Path) -> None:
    for tool in ("dpkg-deb", "dpkg-shlibdeps", "file", "strip"):
        if shutil.which(tool) is None:
            print(f"SKIPPED: no {tool} here; the package cannot be made")
            sys.exit(77)
    if b"__asan_" in (build / "fabricheck").read_bytes():
        print("SKIPPED: a build with sanitizers is not packaged")
        sys.exit(77)
    run(cpack, "-G", "DEB", "--config", build / "CPackConfig.cmake", "-B", work, cwd=work)
    debs = list(work.glob("*.deb"))
    if len(debs) != 1:
        sys.exit(f"cpack made {[deb.name for deb in debs]}")
    deb = debs[0]
    fields = dict(re.findall(r"^([A-Z][A-Za-z-]*): (.*)$", run("dpkg-deb", "-f", deb), re.MULTILINE))
    architecture = run("dpkg", "--print-architecture").strip()
    if deb.name != f"fabricheck_{fields.get('Version')}_{architecture}.deb":
        fault(f"the file is called {deb.name}")
    for field, pattern in {
        "Package": r"fabricheck$",
        "Version": r"\d+\.\d+\.\d+$",
        "Architecture": re.escape(architecture) + "$",
        "Maintainer": r"fabricheck maintainers <[^@>]+@[^>]+>$",
        "Section": r"\S",
        "Priority": r"optional$",
        "Description": r"\S.{9,79}$",
        "Installed-Size": r"\d+$",
        # From the program's own libraries, and mpirun by which it starts its ranks.
        "Depends": r"(?=.*\blibc6 \()(?=.*\blibstdc\+\+6\b)(?=.*\blibopenmpi)(?=.*\blibhwloc)(?=.*\bopenmpi-bin\b)",
    }.items():
        if not re.match(pattern, fields.get(field, "")):
            fault(f"{field} is {fields.get(field)!r}")
    for line in run("dpkg-deb", "-c", deb).splitlines():
        mode, owner, name = line.split()[0], line.split()[1], line.split()[5]
        if owner != "root/root":
            fault(f"{name} belongs to {owner}")
        if mode[5] == "w" or mode[8] == "w":
            fault(f"{name} can be written by others: {mode}")
        if name.startswith("./usr/local"):
            fault(f"{name}: a package has no place there")
    run("dpkg-deb", "-x", deb, work / "root")
    check_tree(work / "root/usr", PACKAGED)
    if [path.name for path in (work / "root").iterdir()] != ["usr"]:
        fault("there are files outside of /usr")
    if faults:
        return
    program = work / "root/usr/bin/fabricheck"
    check_program(program)
    if has_debug_sections(program):
        fault("the program is not stripped")
    if not has_debug_sections(build / "fabricheck") and "-g" in (build / "CMakeCache.txt").read_text():
        fault("the build's own program has no debug sections: the line above shows nothing")


def main() -> int:
    what, build, tool = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="fabricheck-") as work:
        {"install": check_install, "deb": check_deb}[what](Path(build), tool, Path(work))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
