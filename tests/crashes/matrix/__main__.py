"""Run the crash matrix and print it: `make crash-matrix`; with `--keep`, for the documents too."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from kimp.documents.killings import NAME
from kimp.documents.measured import KEPT
from tests.benchmarks.findings import machine, revision, write
from tests.crashes.chaos.__main__ import objection
from tests.crashes.matrix.tables import Row, counted, passed_by_some, problems, table
from tests.kimp.processes import PROJECT

PROCESSES = 6  # a worker that is dead waits for nothing, but its test does; so do hanging calls
MOST_SECONDS = 1800.0  # a matrix that nobody waits for is not run
MACHINE_SEED = "MACHINE_SEED"  # of tests/cycles/models/whole.py
REPORT = PROJECT / ".kimp" / "crash_matrix.json"
# Whoever kills and is not among these is in no table.
KILLING = (
    "whole", "stops", "test_jobs", "test_acts", "test_opening", "test_deeds", "test_door", "test_groups",
)  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Give pytest's status; 1 also where all its tests pass, and nobody was killed at some place of a way, or it took too long.

    And where a result that was to be kept is not.
    """
    asked, others = _asked(arguments)
    began, seed = time.monotonic(), os.environ.get(MACHINE_SEED) or str(secrets.randbits(32))
    at = revision()  # before the tree may change
    if asked.keep and (why := objection(at, at)):
        print(why, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="kimp-matrix-") as name:
        folder = Path(name)
        code = _run(folder, seed, others)
        rows = [json.loads(line) for line in (folder / "killed").read_text("utf-8").splitlines()]
        tests = _tests(folder / "tests.xml")
    seconds = time.monotonic() - began
    print(table(rows))
    print(summary(rows, seed=seed, at=at, seconds=seconds, code=code))
    failed = code or int(bool(wanting(rows, seconds)))
    told = counted(rows) | _facts(seed, at) | {"seconds": round(seconds), "tests": tests}
    write(REPORT, told)
    return failed or (int(not keep(told)) if asked.keep else 0)


def _asked(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Give what is asked of the matrix, and what is pytest's."""
    parser = argparse.ArgumentParser(prog="python -m tests.crashes.matrix", description=__doc__)
    parser.add_argument(
        "--keep", action="store_true", help="keep the result for the documents, docs/measured"
    )
    asked, others = parser.parse_known_args(arguments)
    if asked.keep and others:
        parser.error(f"a part of the matrix is not kept: run it without {' '.join(others)}")
    return asked, others


def _run(folder: Path, seed: str, others: Sequence[str]) -> int:
    """Run the tests, which write into a folder what they killed and how they ended; gives pytest's status."""
    lines = folder / "killed"
    lines.touch()
    return subprocess.call(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-n", str(PROCESSES), "--dist", "worksteal",
         f"--junitxml={folder / 'tests.xml'}", *others, *(f"tests/crashes/matrix/{name}.py" for name in KILLING),
         "tests/model/whole.py", "tests/cycles/models/whole.py"],
        cwd=PROJECT, env={**os.environ, "CRASH_MATRIX_FILE": str(lines), MACHINE_SEED: seed},
    )  # fmt: skip


def _tests(report: Path) -> int:
    """Give how many tests were run, as pytest told."""
    if not report.exists():
        return 0
    return sum(int(suite.get("tests", 0)) for suite in ElementTree.parse(report).iter("testsuite"))


def _facts(seed: str, at: str) -> dict[str, Any]:
    """Say of which code a result tells, and how and where it was had."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine(), "processes": PROCESSES,
        "python": sys.version.split()[0], "revision": at, "revision at the end": revision(), "seed": seed,
    }  # fmt: skip


def keep(told: dict[str, Any], folder: Path = KEPT) -> bool:
    """Keep the result of a run that passed for the documents, if it is of one revision that others have."""
    why = objection(told["revision"], told["revision at the end"])
    if not why:
        write(folder / f"{NAME}.json", told)
    print(why or f"kept in {folder}: `manage.py document` writes the tables anew", file=sys.stderr)
    return not why


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
    sys.exit(main(sys.argv[1:]))
