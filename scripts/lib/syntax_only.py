#!/usr/bin/env python3
"""The compiler reads every file below FOLDER, with the warnings of its compile command, and makes nothing of it.

Exit 1 when it refuses one, with its words; 2 when there is no file.
"""

import argparse
import json
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def command_of(entry: dict) -> list[str]:
    """The words of its compile command, the compiler's own name first."""
    words = shlex.split(entry["command"])
    return words[1:] if Path(words[0]).name == "ccache" else words


def is_built(entry: dict) -> bool:
    """Whether the object that its compile command makes is there."""
    words = command_of(entry)
    return Path(entry["directory"], words[words.index("-o") + 1]).exists()


def check(entry: dict) -> str:
    """The compiler's words; empty when it accepts the file."""
    words = command_of(entry)
    out = words.index("-o")
    del words[out : out + 2]
    done = subprocess.run([*words, "-fsyntax-only"], cwd=entry["directory"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"{entry['file']}:\n{done.stdout}{done.stderr}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commands", type=Path, metavar="COMPILE_COMMANDS")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("jobs", type=int, metavar="JOBS")
    parser.add_argument("--unless-built", type=Path, metavar="COMPILE_COMMANDS",
                        help="leaves out the files whose object another build by the same compiler has made")
    options = parser.parse_args()
    folder = options.folder.resolve()
    # A file that several programs are made of is read once; CUDA's own compiler reads what is its own.
    entries = {e["file"]: e for e in json.loads(options.commands.read_text())
               if Path(e["file"]).is_relative_to(folder) and Path(e["file"]).suffix != ".cu"}
    if not entries:
        print(f"{options.commands} names no file below {folder}")
        return 2
    built = set()
    if options.unless_built:
        built = {e["file"] for e in json.loads(options.unless_built.read_text()) if is_built(e)}
    wanted = [entry for file, entry in entries.items() if file not in built]
    with ThreadPoolExecutor(options.jobs) as pool:
        refused = [words for words in pool.map(check, wanted) if words]
    print("\n".join(refused) if refused
          else f"{len(wanted)} files are accepted, {len(entries) - len(wanted)} are built elsewhere")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
