#!/usr/bin/env python3
"""Who may include whom, where vendor headers and clocks may appear, who may link what, and whether pages link to what is there.

    check_architecture.py --root REPOSITORY [--links FILE]    exit 0, or 1 with one line per violation
    check_architecture.py --self-test                         plants violations in a small tree and demands them back
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# folder -> what it may include beside itself; a folder within another one is a room of its own only where it stands here.
# This is the table of CONTRIBUTING.md.
ROOMS: dict[str, tuple[str, ...]] = {
    "src/core": (),
    "src/control": ("src/core",),
    "src/plan": ("src/core",),
    "src/config": ("src/core",),
    "src/process": ("src/core",),
    "src/node": ("src/core", "src/process", "topology/model"),
    "src/node/gpu": ("src/core", "src/device", "src/device/cuda", "topology/model"),
    "src/node/cuda": ("src/core", "src/device", "src/device/cuda", "src/node/gpu", "topology/model"),
    "src/device": ("src/core",),
    "src/device/cuda": ("src/core", "src/device"),
    "src/device/cuda/cudart": ("src/core", "src/device", "src/device/cuda"),
    "src/report": ("src/core",),
    "src/diagnose": ("src/core", "topology/model"),
    "topology/model": ("src/core",),
    "topology/probe": ("src/core", "src/process", "topology/model"),
    "topology/readers": ("src/core", "topology/model"),
    "topology/judge": ("src/core", "topology/model"),
    "topology/draw": ("src/core", "topology/model"),
    "fabric/verbs": ("src/core", "src/device", "src/device/cuda", "topology/model"),
    "fabric/nvlink": ("src/core", "src/device", "src/device/cuda", "topology/model"),
    "fabric/pairs": ("src/core",),
    "fabric/counters": ("src/core", "topology/model"),
    "collectives": ("src/core", "src/device"),
    "collectives/mpi": ("src/core", "src/device", "collectives"),
    "collectives/nccl": ("src/core", "src/device", "src/device/cuda", "collectives"),
}
# The only place where rooms meet.
EVERYTHING = "src/app"
# Vendor header -> path prefixes that may include it.
VENDOR_HEADERS: list[tuple[str, re.Pattern[str], tuple[str, ...]]] = [
    ("MPI", re.compile(r"^mpi(-ext)?\.h$"), ("src/control/", "collectives/mpi/", "tests/mpi/")),
    ("CUDA", re.compile(r"^(cuda|cublas|curand|nvml|nvtx)[A-Za-z0-9_/]*\.(h|hpp|cuh)$"),
     ("src/device/cuda/cudart/", "src/node/cuda/", "tests/gpu/", "tests/support/cudart/")),
    ("NCCL", re.compile(r"^nccl[A-Za-z0-9_]*\.h$"), ("collectives/nccl/", "tests/gpu/", "tests/support/nccl/", "tests/unit/nccl_standin/")),
    ("verbs", re.compile(r"^infiniband/"), ("fabric/verbs/",)),
    ("RDMA CM", re.compile(r"^rdma/"), ()),
    ("hwloc", re.compile(r"^hwloc(\.h|/)"), ("topology/probe/",)),
    ("expat", re.compile(r"^expat"), ("topology/readers/",)),
    ("nlohmann-json", re.compile(r"^nlohmann/"), ("src/report/", "tests/")),
    ("valijson", re.compile(r"^valijson/"), ("tests/",)),
    ("toml++", re.compile(r"^toml(plusplus|\+\+)?(/|\.h|\.hpp)"), ("src/config/", "tests/")),
    ("cxxopts", re.compile(r"^cxxopts\.hpp$"), ("src/app/",)),
    ("zlib", re.compile(r"^zlib\.h$"), ("src/app/", "tests/")),
    ("GoogleTest", re.compile(r"^(gtest|gmock)/"), ("tests/",)),
]
# What core may include with angle brackets beside the standard library and POSIX.
FMT = re.compile(r"^fmt/")
STANDARD = re.compile(r"^([a-z_]+|(fnmatch|fcntl|unistd|sys/stat)\.h)$")

# Time is injected: what reads a clock, and where that may stand. Everything else takes a core Clock. In src/app it is the time of day,
# and what a command took in all; never a measurement.
CLOCK = re.compile(r"\b(steady_clock|system_clock|high_resolution_clock|clock_gettime|gettimeofday|MPI_Wtime)\b|(std::time) *\(")
CLOCK_ALLOWED = ("src/core/clock.hpp", "src/core/deadline.hpp", "src/control/", "src/app/diagnose.cpp", "src/app/launch.cpp",
                 "src/app/node.cpp", "src/app/node_look.cpp", "src/app/run_log.cpp", "src/app/run_log.hpp", "src/app/utc_now.cpp", "tests/")

NOBODY = re.compile(r"(?!)")
# Vendor library target -> targets of this project that may link it, always PRIVATE.
LINKS: list[tuple[re.Pattern[str], re.Pattern[str]]] = [
    (re.compile(r"^MPI::"),
     re.compile(r"^(fabricheck_control|fabricheck_collectives_mpi|mpi_.*)$")),
    (re.compile(r"^(CUDA::|cuda|nvidia-ml)"),
     re.compile(r"^(fabricheck_device_cuda|gpu_.*)$")),
    (re.compile(r"^(NCCL::|nccl)"), NOBODY),  # it is opened while the program runs
    (re.compile(r"ibverbs", re.I), re.compile(r"^fabricheck_fabric_verbs$")),
    (re.compile(r"rdmacm", re.I), NOBODY),
    (re.compile(r"hwloc"), re.compile(r"^fabricheck_topology_probe$")),
    (re.compile(r"^EXPAT"), re.compile(r"^fabricheck_topology_readers$")),
    (re.compile(r"^nlohmann_json"), re.compile(r"^(fabricheck_report|unit_.*|validate_result|mpi_.*|.*_test_support)$")),
    (re.compile(r"^tomlplusplus"), re.compile(r"^(fabricheck_config|unit_.*)$")),
    (re.compile(r"^cxxopts"), re.compile(r"^fabricheck_app$")),
    (re.compile(r"^ZLIB"), re.compile(r"^(fabricheck_app|unit_.*|bench_.*)$")),
]

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
BANNER = re.compile(r"^\s*(//|/\*|\*)\s*[-=*#/_~]{8,}")
NAMESPACE = re.compile(r"^(?:inline )?namespace(?: ([\w:]+))? \{$")
NAMESPACE_END = re.compile(r"^\}  // namespace")
DEFINED_TYPE = re.compile(r"^(?:struct|class|enum class) (\w+)(?: final)?(?: :.*)? \{")
PAGE_LINK = re.compile(r"\]\(([^)#\s]+)")
SOURCES = {".cpp", ".hpp", ".cu", ".cuh", ".h", ".c", ".cc"}
TOP_FOLDERS = ("src", "topology", "fabric", "collectives", "tests")
LONG_FILE = 500


class Violation(NamedTuple):
    place: str
    rule: str

    def __str__(self) -> str:
        return f"{self.place}: {self.rule}"


def sources(root: Path) -> Iterator[Path]:
    for folder in TOP_FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SOURCES and path.is_file():
                yield path


def room_of(name: str) -> str | None:
    """The room of a path relative to the repository: the innermost folder of ROOMS, or EVERYTHING; None elsewhere (tests)."""
    folders = name.split("/")[:-1]
    for length in range(len(folders), 0, -1):
        folder = "/".join(folders[:length])
        if folder in ROOMS or folder == EVERYTHING:
            return folder
    return None


def resolve(root: Path, includer: Path, header: str) -> str | None:
    """The repository path of an included header, or None when it is not one of ours."""
    for base in (includer.parent, root / "src", root, root / "tests"):
        candidate = (base / header).resolve()
        if candidate.is_file() and candidate.is_relative_to(root):
            return candidate.relative_to(root).as_posix()
    return None


def check_include(root: Path, path: Path, name: str, place: str, bracket: str, header: str) -> Iterator[Violation]:
    for vendor, pattern, prefixes in VENDOR_HEADERS:
        if pattern.match(header):
            if not name.startswith(prefixes):
                where = f"only in {', '.join(prefixes)}" if prefixes else "nowhere"
                yield Violation(place, f"includes <{header}>; {vendor} is allowed {where}")
            return
    room = room_of(name)
    if room is None:
        if name.split("/")[0] != "tests":
            yield Violation(place, "is in no room; check_architecture.py has them")
        return
    target = resolve(root, path, header)
    if target is None:
        if room == "src/core" and bracket == "<" and not (STANDARD.match(header) or FMT.match(header)):
            yield Violation(place, f"includes <{header}>; core takes the standard library and fmt only")
        return
    other = room_of(target)
    if other is None:
        yield Violation(place, f"includes {target}; program code never includes tests")
    elif room != EVERYTHING and other != room and other not in ROOMS[room]:
        yield Violation(place, f"includes {target}; {room} may include only {', '.join(sorted(ROOMS[room])) or 'std and fmt'}")


def strip_comments(line: str, inside: bool) -> tuple[str, bool]:
    """The line without comments and string literals, and whether a block comment goes on after it."""
    out, at = "", 0
    while at < len(line):
        if inside:
            end = line.find("*/", at)
            if end < 0:
                return out, True
            at, inside = end + 2, False
        elif line.startswith("//", at):
            break
        elif line.startswith("/*", at):
            at, inside = at + 2, True
        elif line[at] == '"':
            match = re.compile(r'"(\\.|[^"\\])*"').match(line, at)
            at = match.end() if match else len(line)
            out += '""'
        else:
            out, at = out + line[at], at + 1
    return out, inside


def check_file(root: Path, path: Path) -> Iterator[Violation]:
    name = path.relative_to(root).as_posix()
    in_comment = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        place = f"{name}:{number}"
        if BANNER.match(line):
            yield Violation(place, "a banner comment; a heading of a file belongs in a sentence, a section in its own file")
        include = INCLUDE.match(line)
        if include and not in_comment:
            yield from check_include(root, path, name, place, include[1], include[2])
            continue
        code, in_comment = strip_comments(line, in_comment)
        clock = CLOCK.search(code)
        if clock and not name.startswith(CLOCK_ALLOWED):
            yield Violation(place, f"reads {clock[1] or clock[2]}; measured time comes from an injected Clock (core/clock.hpp)")


def types_of(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of each type that the file defines for others to see."""
    spaces: list[str | None] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        opened, defined = NAMESPACE.match(line), DEFINED_TYPE.match(line)
        if opened:
            spaces.append(opened[1])
        elif NAMESPACE_END.match(line) and spaces:
            spaces.pop()
        elif defined and None not in spaces:
            yield number, "::".join([*filter(None, spaces), defined[1]])


def check_types(root: Path) -> Iterator[Violation]:
    """Two types of one name in one namespace share their inline functions, and nobody says so."""
    first: dict[str, str] = {}
    for path in sources(root):
        name = path.relative_to(root).as_posix()
        if name.startswith("tests/"):
            continue
        for number, full in types_of(path):
            if first.setdefault(full, name) != name:
                yield Violation(f"{name}:{number}", f"defines {full}, as {first[full]} does; one of them needs another name")


def check_links(text: str) -> Iterator[Violation]:
    """Lines of `target|what it links|what it hands on`, lists separated by semicolons, as CMake writes them."""
    for row in filter(None, text.splitlines()):
        target, links, interface = row.split("|")
        for library in filter(None, links.split(";")):
            bare = re.sub(r"^\$<LINK_ONLY:(.*)>$", r"\1", library)
            for vendor, users in LINKS:
                if vendor.search(bare.removeprefix("PkgConfig::")) and not users.match(target):
                    yield Violation(f"target {target}", f"links {bare}, which is not its to link")
        for library in filter(None, interface.split(";")):
            if library.startswith("$<LINK_ONLY:"):
                continue
            if any(vendor.search(library.removeprefix("PkgConfig::")) for vendor, _ in LINKS):
                yield Violation(f"target {target}", f"hands {library} on; vendor libraries are linked PRIVATE")


def check_page(root: Path, path: Path) -> Iterator[Violation]:
    """A page's links to other files of the project lead somewhere."""
    name = path.relative_to(root).as_posix()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        for target in PAGE_LINK.findall(line):
            if "://" not in target and not (path.parent / target).exists():
                yield Violation(f"{name}:{number}", f"links to {target}, which is not there")


def pages(root: Path) -> Iterator[Path]:
    yield from sorted(root.glob("*.md"))
    for folder in (*TOP_FOLDERS, "slurm"):
        yield from sorted((root / folder).rglob("*.md"))


def check(root: Path, links: str = "") -> tuple[list[Violation], list[str], int]:
    """Violations, notes (long files), and the number of files read."""
    violations, notes, files = [], [], 0
    for path in sources(root):
        files += 1
        violations += check_file(root, path)
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > LONG_FILE:
            notes.append(f"{path.relative_to(root).as_posix()}: {lines} lines, over {LONG_FILE}: perhaps two rooms")
    for page in pages(root):
        violations += check_page(root, page)
    violations += check_types(root)
    violations += check_links(links)
    return violations, notes, files


PLANTED = {  # file -> (content, words that the violation must hold; None: it must not be one)
    "src/core/a.hpp": ("#include <vector>\n#include <fmt/format.h>\n#include <sys/types.h>\n", "core takes the standard"),
    "src/core/b.hpp": ('#include "report/r.hpp"\n', "src/core may include only std and fmt"),
    "src/core/clock.hpp": ("auto t = std::chrono::steady_clock::now();\n", None),
    "src/core/wait.cpp": ("auto t = std::chrono::steady_clock::now();\n", "reads steady_clock"),
    "src/core/said.cpp": ("// not std::chrono::steady_clock here\n/* nor\n system_clock */ auto s = \"MPI_Wtime\";\n", None),
    "src/report/r.hpp": ('#include "core/a.hpp"\n#include <nlohmann/json.hpp>\n', None),
    "src/report/bad.cpp": ('#include "topology/probe/probe.hpp"\n', "src/report may include only src/core"),
    "src/plan/good.cpp": ('#include "core/a.hpp"\n', None),
    "src/plan/bad.cpp": ('#include "topology/model/model.hpp"\n', "src/plan may include only src/core"),
    "src/plan/json.cpp": ("#include <nlohmann/json.hpp>\n", "nlohmann-json is allowed only in"),
    "src/app/main.cpp": ('#include "report/r.hpp"\n#include "topology/probe/probe.hpp"\n#include <cxxopts.hpp>\n', None),
    "src/app/bad.cpp": ("#include <mpi.h>\n", "MPI is allowed only in"),
    "src/control/good.cpp": ("#include <mpi.h>\nauto w = MPI_Wtime();\n", None),
    "src/control/bad.cpp": ("#include <hwloc.h>\n", "hwloc is allowed only in"),
    "src/config/bad.cpp": ('#include "../control/session.hpp"\n', "src/config may include only src/core"),
    "src/control/session.hpp": ("#pragma once\n", None),
    "topology/model/model.hpp": ('#include "core/a.hpp"\n', None),
    "topology/model/bad.hpp": ('#include "topology/probe/probe.hpp"\n', "topology/model may include only src/core"),
    "topology/judge/good.cpp": ('#include "topology/model/model.hpp"\n', None),
    "topology/judge/bad.cpp": ('#include "topology/readers/readers.hpp"\n', "topology/judge may include only src/core, topology/model"),
    "topology/readers/readers.hpp": ("#pragma once\n", None),
    "topology/stray.hpp": ('#include "core/a.hpp"\n', "is in no room"),
    "topology/probe/probe.hpp": ("#pragma once\n", None),
    "topology/probe/machine.cpp": ('#include "topology/model/model.hpp"\n#include <hwloc.h>\n', None),
    "collectives/mpi/good.cpp": ('#include <mpi.h>\n#include "collectives/formulas.hpp"\n', None),
    "collectives/mpi/bad.cpp": ('#include "collectives/nccl/log.hpp"\n', "collectives/mpi may include only"),
    "collectives/formulas.hpp": ("#pragma once\n", None),
    "collectives/nccl/log.hpp": ("#pragma once\n", None),
    "src/node/bad.cpp": ('#include "node/gpu/gemm.hpp"\n', "src/node may include only"),
    "src/node/gpu/gemm.hpp": ("#pragma once\n", None),
    "src/node/gpu/bad.cpp": ('#include "process/command.hpp"\n', "src/node/gpu may include only"),
    "src/process/command.hpp": ("#pragma once\n", None),
    "src/app/ending.hpp": ("namespace app {\nstruct End {\n};\n}  // namespace app\n", None),
    "src/app/leaving.hpp": ("namespace app {\nclass End final {\n};\n}  // namespace app\n", "defines app::End, as src/app/ending.hpp"),
    "src/app/own.cpp": ("namespace app {\nnamespace {\nstruct End {\n};\n}  // namespace\n}  // namespace app\n", None),
    "src/app/utc_now.cpp": ("auto now = std::time(nullptr);\n", None),
    "src/app/measure.cpp": ("std::time_t never;\nauto t = std::chrono::steady_clock::now();\n", "reads steady_clock"),
    "src/report/today.cpp": ("auto now = std::time(nullptr);\n", "reads std::time"),
    "collectives/bad.cpp": ('#include "fabric/pairs/pairs.hpp"\n', "collectives may include only"),
    "collectives/worse.cpp": ('#include "control/session.hpp"\n', "collectives may include only"),
    "collectives/nccl/verbs.cpp": ("#include <infiniband/verbs.h>\n", "verbs is allowed only in"),
    "fabric/pairs/pairs.hpp": ("// ---------------- pairs ----------------\n", "banner comment"),
    "fabric/verbs/cm.cpp": ("#include <rdma/rdma_cma.h>\n", "RDMA CM is allowed nowhere"),
    "fabric/nvlink/pairs.cpp": ('#include "fabric/pairs/pairs.hpp"\n', "fabric/nvlink may include only"),
    "fabric/nvlink/cuda.cpp": ("#include <cuda_runtime.h>\n", "CUDA is allowed only in"),
    "fabric/counters/test.cpp": ('#include "support/helper.hpp"\n', "never includes tests"),
    "README.md": ("[a](src/core/a.hpp) [web](https://example.org/)\n", None),
    "src/core/README.md": ("[gone](gate.hpp)\n", "links to gate.hpp, which is not there"),
    "tests/support/helper.hpp": ("#include <nlohmann/json.hpp>\n", None),
}
PLANTED_LINKS = """\
fabricheck_control|fabricheck_core;MPI::MPI_C|fabricheck_core;$<LINK_ONLY:MPI::MPI_C>
fabricheck_plan|fabricheck_core;MPI::MPI_C|fabricheck_core
fabricheck_topology_probe|PkgConfig::hwloc|PkgConfig::hwloc
"""


def self_test() -> int:
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        for name, (content, _) in PLANTED.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(content, encoding="utf-8")
        (root / "src/plan/long.cpp").write_text("int i;\n" * (LONG_FILE + 1), encoding="utf-8")
        violations, notes, _ = check(root, PLANTED_LINKS)
    for name, (_, words) in PLANTED.items():
        own = [str(v) for v in violations if v.place.startswith(name + ":")]
        if words is None and own:
            wrong.append(f"{name} is fine, but was reported: {own[0]}")
        elif words is not None and (len(own) != 1 or words not in own[0]):
            wrong.append(f"{name}: expected one violation with '{words}', got {own}")
    links = [str(v) for v in violations if v.place.startswith("target ")]
    expected = ["target fabricheck_plan: links MPI::MPI_C", "target fabricheck_topology_probe: hands PkgConfig::hwloc on"]
    if len(links) != len(expected) or not all(got.startswith(want) for got, want in zip(links, expected)):
        wrong.append(f"links: expected {expected}, got {links}")
    if not any(note.startswith("src/plan/long.cpp") for note in notes):
        wrong.append("a file of 501 lines was not noted")
    for line in wrong:
        print(line)
    planted = sum(words is not None for _, words in PLANTED.values()) + len(expected)
    print(f"{planted} planted violations, {len(wrong)} surprises")
    return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--links", type=Path, help="what each target links, written by CMake")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    if options.root is None:
        parser.error("--root or --self-test is needed")
    links = options.links.read_text(encoding="utf-8") if options.links else ""
    violations, notes, files = check(options.root.resolve(), links)
    for note in notes:
        print(f"note: {note}")
    for violation in violations:
        print(violation)
    print(f"{files} files, {len(links.splitlines())} targets, {len(violations)} violations")
    if files == 0 or (options.links and not links.strip()):
        print("nothing was checked")
        return 1
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
