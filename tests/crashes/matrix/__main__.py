"""Run the crash matrix and print it: `make crash-matrix`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.kimp.processes import PROJECT

PROCESSES = "4"  # a worker that is dead waits for nothing, but its test does; so do hanging calls
KINDS = (
    "before the commit",
    "after the commit",
    "before the call",
    "sent, not answered",
    "after the call",
)


def main() -> int:
    """Give pytest's status."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kimp-matrix-") as folder:
        lines = Path(folder, "killed")
        lines.touch()
        code = subprocess.call(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-n", PROCESSES, "--dist", "worksteal", *sys.argv[1:],
             *(f"tests/crashes/matrix/{name}.py" for name in ("whole", "stops", "test_jobs", "test_acts")), "tests/model/whole.py"],
            cwd=PROJECT, env={**os.environ, "CRASH_MATRIX_FILE": str(lines)},
        )  # fmt: skip
        rows = [json.loads(line) for line in lines.read_text("utf-8").splitlines()]
    print(_table(rows))
    print(f"\n{time.monotonic() - began:.0f} s, pytest ended with {code}")
    return code


def _table(rows: list[dict[str, object]]) -> str:
    """Count the kills by kind of place and fault, of jobs and verbs apart; a person was needed where absence proves nothing."""
    faults = sorted(
        {str(row["fault"]) for row in rows}, key=lambda name: (name != "none", len(name), name)
    )
    kills: Counter[tuple[str, str]] = Counter()
    tended: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    places = set()
    for row in rows:
        fault = str(row["fault"])
        tended[fault] += int(str(row["tended"]))
        missed[fault] += int(str(row.get("missed", 0)))
        for name in row["points"]:  # type: ignore[attr-defined]
            places.add(name)
            kills[name.rpartition(" | ")[2], fault] += 1
    lines = [f"| killed | {' | '.join(faults)} |", "|---|" + "---|" * len(faults)]
    lines += [
        f"| {kind} | {' | '.join(str(kills[kind, fault]) for fault in faults)} |" for kind in KINDS
    ]
    lines.append(
        f"| of these left to a person | {' | '.join(str(tended[fault]) for fault in faults)} |"
    )
    lines.append(
        f"| tried twice and not reached | {' | '.join(str(missed[fault]) for fault in faults)} |"
    )
    return "\n".join(lines) + f"\n\n{kills.total()} kills at {len(places)} places"


if __name__ == "__main__":
    sys.exit(main())
