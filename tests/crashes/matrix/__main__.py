"""Run the crash matrix and print it: `make crash-matrix`."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.findings import revision
from tests.crashes.matrix.tables import Row, passed_by_some, problems, table
from tests.kimp.processes import PROJECT

PROCESSES = "6"  # a worker that is dead waits for nothing, but its test does; so do hanging calls
MOST_SECONDS = 1800.0  # a matrix that nobody waits for is not run
MACHINE_SEED = "MACHINE_SEED"  # of tests/cycles/models/whole.py


def main() -> int:
    """Give pytest's status; 1 also where all its tests pass, and nobody was killed at some place of a way, or it took too long."""
    began, seed = time.monotonic(), os.environ.get(MACHINE_SEED) or str(secrets.randbits(32))
    at = revision()  # before the tree may change
    with tempfile.TemporaryDirectory(prefix="kimp-matrix-") as folder:
        lines = Path(folder, "killed")
        lines.touch()
        code = subprocess.call(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-n", PROCESSES, "--dist", "worksteal", *sys.argv[1:],
             *(f"tests/crashes/matrix/{name}.py" for name in ("whole", "stops", "test_jobs", "test_acts")),
             "tests/model/whole.py", "tests/cycles/models/whole.py"],
            cwd=PROJECT, env={**os.environ, "CRASH_MATRIX_FILE": str(lines), MACHINE_SEED: seed},
        )  # fmt: skip
        rows = [json.loads(line) for line in lines.read_text("utf-8").splitlines()]
    seconds = time.monotonic() - began
    print(table(rows))
    print(summary(rows, seed=seed, at=at, seconds=seconds, code=code))
    return code or bool(wanting(rows, seconds))


def wanting(rows: Sequence[Row], seconds: float) -> list[str]:
    """Say what makes a run fail all of whose tests have passed: a place where nobody was killed, or its length."""
    late = f"it took {seconds:.0f} s, which is more than {MOST_SECONDS:.0f}"
    return [*problems(rows), *([late] if seconds > MOST_SECONDS else [])]


def summary(rows: Sequence[Row], *, seed: str, at: str, seconds: float, code: int) -> str:
    """Say what the table does not: what is wanting, and what was run, how, and `at` which revision."""
    told = ["", *passed_by_some(rows), "", *wanting(rows, seconds)]
    told += [f"{MACHINE_SEED}={seed} walks the state machine the same ways again"]
    return "\n".join([*told, f"revision {at}, {seconds:.0f} s, pytest ended with {code}"])


if __name__ == "__main__":
    sys.exit(main())
