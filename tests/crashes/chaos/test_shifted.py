"""A process whose clock is set sees the time of day that it is told, at once; its monotonic clock goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.crashes.chaos.shifted import set_clock
from tests.kimp.processes import PROJECT

HOUR = 3600.0
ASK = """
import json, sys, time
from datetime import UTC, datetime
from pathlib import Path
from tests.crashes.chaos.shifted import set_clock

def now():
    told = (time.time(), time.time_ns() / 1e9, datetime.now().timestamp(), datetime.now(UTC).timestamp())
    return [*told, time.monotonic()]

before = now()
set_clock(Path(sys.argv[1]), 0.0)
print(json.dumps([before, now()]))
"""


def test_a_running_process_sees_its_clock_being_set(tmp_path: Path) -> None:
    clock, script = tmp_path / "clock", tmp_path / "ask.py"
    script.write_text(ASK, "utf-8")
    set_clock(clock, HOUR)

    told = subprocess.run(
        [sys.executable, "-m", "tests.crashes.chaos.shifted", str(clock), str(script), str(clock)],
        cwd=PROJECT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip

    *ahead, monotonic = json.loads(told.stdout)[0]
    *right, later = json.loads(told.stdout)[1]
    steps = [round((one - other) / HOUR, 2) for one, other in zip(ahead, right, strict=True)]
    assert steps == [1.0] * 4
    assert round((later - monotonic) / HOUR, 2) == 0.0
