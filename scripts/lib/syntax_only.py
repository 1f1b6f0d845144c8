#!/usr/bin/env python3
"""syntax_only.py COMPILE_COMMANDS FOLDER JOBS: the compiler reads every file below FOLDER and makes nothing of it.

With the warnings of its compile command. Exit 1 when it refuses one, with its words; 2 when there is no file.
"""

import json
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def check(entry: dict) -> str:
    """The compiler's words; empty when it accepts the file."""
    words = shlex.split(entry["command"])
    if Path(words[0]).name == "ccache":
        words = words[1:]
    out = words.index("-o")
    del words[out : out + 2]
    done = subprocess.run([*words, "-fsyntax-only"], cwd=entry["directory"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"{entry['file']}:\n{done.stdout}{done.stderr}"


def main() -> int:
    commands, folder, jobs = Path(sys.argv[1]), Path(sys.argv[2]).resolve(), int(sys.argv[3])
    # A file that several programs are made of is read once.
    entries = {e["file"]: e for e in json.loads(commands.read_text()) if Path(e["file"]).is_relative_to(folder)}
    if not entries:
        print(f"{commands} names no file below {folder}")
        return 2
    with ThreadPoolExecutor(jobs) as pool:
        refused = [words for words in pool.map(check, entries.values()) if words]
    print("\n".join(refused) if refused else f"{len(entries)} files are accepted")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
