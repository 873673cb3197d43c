"""Run the crash matrix and print it: `make crash-matrix`."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.crashes.matrix.tables import passed_by_some, problems, table
from tests.kimp.processes import PROJECT

PROCESSES = "6"  # a worker that is dead waits for nothing, but its test does; so do hanging calls
MACHINE_SEED = "MACHINE_SEED"  # of tests/cycles/models/whole.py


def main() -> int:
    """Give pytest's status; 1 also where all its tests pass, and nobody was killed at some place of a way."""
    began, seed = time.monotonic(), os.environ.get(MACHINE_SEED) or str(secrets.randbits(32))
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
    print(table(rows))
    wrong = problems(rows)
    print(
        "\n".join(
            [
                "",
                *passed_by_some(rows),
                "",
                *wrong,
                f"{MACHINE_SEED}={seed} walks the state machine the same ways again",
                f"{time.monotonic() - began:.0f} s, pytest ended with {code}",
            ]
        )
    )
    return code or bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
