"""The crash matrix: every place, each time it is reached, under each fault that loses a reply.

Not part of `make test`: `make crash-matrix` runs it and prints what it found.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.crashes.matrix.world import Point, World, share

pytestmark = [pytest.mark.processes, pytest.mark.timeout(1800)]

# What moves money, at every venue.
MOVING = r"/(orders?|withdraws/coin|withdraw/apply)$"
FAULTS: dict[str, dict[str, Any]] = {
    "none": {},
    "F2": {"milliseconds": 20},
    "F4": {},
    "F6": {},
    "F7": {},
    "F8": {},
    "F9": {},
    "F24": {},
}
SHARES = 4
AT_ONCE = 16  # cycles that die before another worker goes on with them


@contextmanager
def losing(matrix: World, fault: str) -> Iterator[None]:
    """Lose the reply of every call that moves money."""
    if fault != "none":
        matrix.desk.fault(fault=fault, method="POST", path_regex=MOVING, args=FAULTS[fault])
    yield
    matrix.desk.control("/control/faults", method="DELETE")


@pytest.mark.parametrize("number", range(SHARES))
@pytest.mark.parametrize("fault", FAULTS)
def test_a_worker_killed_anywhere_while_replies_are_lost_changes_nothing(
    matrix: World, fault: str, number: int
) -> None:
    undisturbed = matrix.open()
    with losing(matrix, fault):
        points = list(matrix.drive(undisturbed).points())
    wanted = matrix.shape(undisturbed)
    assert wanted["status"] == "COMPLETED"
    mine = share(points, number, SHARES)
    for some in (mine[at : at + AT_ONCE] for at in range(0, len(mine), AT_ONCE)):
        with losing(matrix, fault):
            dead = {point: matrix.die(point) for point in some}
        tended = matrix.go_on(*dead.values())
        for point, cycle in dead.items():
            found = matrix.shape(cycle)
            assert (found["status"], found["accepted"]) == (wanted["status"], wanted["accepted"]), (
                point, found,
            )  # fmt: skip
        _write(fault, [point for point in some if point not in matrix.missed], len(tended))
    assert len(matrix.missed) < len(mine) / 2
    matrix.assert_whole()


def _write(fault: str, points: Sequence[Point], tended: int) -> None:
    """Keep what was killed, for the table."""
    line = {"fault": fault, "points": [point.name for point in points], "tended": tended}
    with Path(os.environ["CRASH_MATRIX_FILE"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
