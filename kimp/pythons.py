"""Name the Python that `make setup` takes: the quickest at hand of the version that `python3` is.

One that was built without profile-guided optimisation, as pyenv builds it unless told otherwise, takes a third
longer for plain Python. Runs under whatever `python3` is, without kimp's packages.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

OLDEST = (3, 11)
USUAL = ("/usr/bin", "/usr/local/bin")  # where systems and their images keep theirs
WORTH = 0.9  # of the time of `python3`: what is hardly quicker changes nothing
MEASURE = """
import ensurepip, json, sys, time, venv
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
def turn():
    began = time.process_time()
    fib(18)
    seen = {}
    for number in range(20000):
        seen[number % 100] = str(number)
    return time.process_time() - began
print(json.dumps([list(sys.version_info[:3]), min(turn() for _ in range(9))]))
"""


class Python(NamedTuple):
    """An interpreter that can make a virtual environment, and the seconds it took."""

    path: str
    version: tuple[int, ...]
    seconds: float


def measured(path: str) -> Python | None:
    """Let an interpreter tell its version and do the work; None where it cannot."""
    try:
        ran = subprocess.run(  # noqa: S603  what is on PATH, with our own words
            [path, "-I", "-c", MEASURE], capture_output=True, text=True, check=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return None
    version, seconds = json.loads(ran.stdout)
    return Python(path, tuple(version), seconds)


def others(minor: tuple[int, ...], folders: list[str]) -> list[str]:
    """Give the interpreters of a version that lie in these folders, each once."""
    name = "python" + ".".join(map(str, minor))
    found = [Path(folder, name) for folder in folders]
    return list({os.path.realpath(path): str(path) for path in found if _is_there(path)}.values())


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that may not be entered
        return False


def choice(first: str, folders: list[str]) -> tuple[str, str]:
    """Give the interpreter to take, and why it is not the first; the first's own troubles are told by others."""
    own = measured(first)
    if own is None or own.version < OLDEST:
        return first, ""
    found = [measured(path) for path in others(own.version[:2], folders)]
    best = min((one for one in found if one), key=lambda one: one.seconds, default=own)
    if best.seconds > own.seconds * WORTH:
        return first, ""
    less = round(100 * (1 - best.seconds / own.seconds))
    shown = ".".join(map(str, best.version))
    return best.path, f"{best.path} ({shown}) takes {less} % less time than {first}: it is taken"


def main() -> None:
    """Print the path; on standard error, why it is another than `python3`."""
    folders = [*os.environ.get("PATH", "").split(os.pathsep), *USUAL]
    path, why = choice(shutil.which("python3") or sys.executable, folders)
    print(path)  # noqa: T201  this is the answer
    if why:
        print(why, file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
