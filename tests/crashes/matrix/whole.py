"""The crash matrix: every place, each time it is reached, under each fault that loses a reply.

Not part of `make test`: `make crash-matrix` runs it and prints what it found.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cycles.models import Cycle
from cycles.services import intervening
from tests.crashes.matrix.journeys import JOURNEYS, OTHERS, go, kill_on, without_status
from tests.crashes.matrix.test_acts import BEFORE_SENDING_COINS, dead
from tests.crashes.matrix.world import Point, World, share

pytestmark = [pytest.mark.processes, pytest.mark.timeout(1800)]

# What moves money, at every venue.
MOVING = r"/(orders?|withdraws/coin|withdraw/apply)$"
FAULTS: dict[str, dict[str, Any]] = {
    "F24": {},  # the longest: every call hangs until its deadline
    "none": {},
    "F2": {"milliseconds": 20},
    "F4": {},
    "F6": {},
    "F7": {},
    "F8": {},
    "F9": {},
}
# Where the coins lie that are sold back, and how such a cycle ends.
UNWINDS = {
    "abroad": (BEFORE_SENDING_COINS, "FAILED"),
    "in Korea": (Point("STARTED: calling.intend < trading._send | before the commit", 2), "FAILED"),
    "on the way home": (
        Point(
            "REBALANCING_IN_PROGRESS: calling.intend < transferring._request | before the commit"
        ),
        "COMPLETED",
    ),
}
SHARES = 4
AT_ONCE = 16  # cycles that die before another worker goes on with them
ONE_IN = 20  # places may be missed: one that comes later does not come as often each time


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
    _kill_everywhere(matrix, matrix.open, fault=fault, number=number, ends="COMPLETED")


@pytest.mark.parametrize("korea", [["bithumb"]])
@pytest.mark.parametrize("number", range(SHARES))
@pytest.mark.parametrize("fault", ["none", "F9"])
def test_so_it_is_at_a_venue_that_accepts_orders_before_it_has_read_them(
    matrix: World, fault: str, number: int
) -> None:
    name = "Bithumb" if fault == "none" else f"Bithumb {fault}"
    _kill_everywhere(matrix, matrix.open, fault=fault, number=number, ends="COMPLETED", name=name)


@pytest.mark.parametrize("place", UNWINDS)
@pytest.mark.parametrize("number", range(SHARES))
def test_so_it_is_while_a_cycle_unwinds(matrix: World, place: str, number: int) -> None:
    _kill_unwinding(matrix, place, number, name=f"unwinding {place}")


def _kill_unwinding(matrix: World, place: str, number: int, *, name: str) -> None:
    """Kill a worker everywhere while a dead letter of its own sells its coins back."""
    point, ends = UNWINDS[place]

    def begin() -> Cycle:
        cycle = dead(matrix, point)
        intervening.unwind(
            cycle.pk, actor=matrix.actor, reason="a test", seen_version=cycle.version
        )
        return cycle

    _kill_everywhere(matrix, begin, fault="none", number=number, ends=ends, name=name)


@pytest.mark.parametrize("korea", [["bithumb"]])
@pytest.mark.parametrize("number", range(SHARES))
def test_so_it_is_while_a_cycle_unwinds_at_bithumb(matrix: World, number: int) -> None:
    _kill_unwinding(matrix, "in Korea", number, name="unwinding at Bithumb")


@pytest.mark.parametrize("number", range(SHARES))
def test_so_it_is_with_a_cycle_that_only_comes_home(matrix: World, number: int) -> None:
    _kill_everywhere(
        matrix, matrix.open_home, fault="none", number=number, ends="COMPLETED", name="home only"
    )


@pytest.mark.parametrize("name", OTHERS)
def test_so_it_is_where_only_a_cycle_that_meets_trouble_passes(matrix: World, name: str) -> None:
    shared = without_status(matrix.drive(matrix.open()).reached)
    undisturbed, points = go(matrix, JOURNEYS[name])
    own = [point for point in points if shared.isdisjoint(without_status([point.name]))]
    kill_on(matrix, JOURNEYS[name], own, undisturbed)
    missed = matrix.missed
    _write("trouble", [point for point in own if point not in missed], missed, 0)


def _kill_everywhere(
    matrix: World, begin: Callable[[], Cycle], *, fault: str, number: int, ends: str, name: str = ""
) -> None:
    """Kill a worker at a share of the places that an undisturbed one reaches; hold the ends against its."""
    undisturbed = begin()
    with losing(matrix, fault):
        points = list(matrix.drive(undisturbed).points())
    wanted = matrix.shape(undisturbed)
    assert wanted["status"] == ends, wanted
    mine = share(points, number, SHARES)
    missed: list[Point] = []
    for some in (mine[at : at + AT_ONCE] for at in range(0, len(mine), AT_ONCE)):
        killed, spared = _kill(matrix, some, begin, fault)
        again, never = _kill(matrix, spared, begin, fault)
        tended = matrix.go_on(*killed.values(), *again.values())
        for point, cycle in (*killed.items(), *again.items()):
            found = matrix.shape(cycle)
            assert (found["status"], found["accepted"]) == (wanted["status"], wanted["accepted"]), (
                point, found,
            )  # fmt: skip
        _write(name or fault, [point for point in some if point not in never], never, len(tended))
        missed += never
    assert len(missed) <= max(1, len(mine) // ONE_IN), missed
    matrix.assert_whole()


def _kill(
    matrix: World, points: Sequence[Point], begin: Callable[[], Cycle], fault: str
) -> tuple[dict[Point, Cycle], list[Point]]:
    """Kill a worker at each place, with a cycle of its own; gives these, and the places that were not reached."""
    before = len(matrix.missed)
    killed = {point: begin() for point in points}
    with losing(matrix, fault):
        for point, cycle in killed.items():
            matrix.die(point, cycle)
    return killed, matrix.missed[before:]


def _write(fault: str, killed: Sequence[Point], missed: Sequence[Point], tended: int) -> None:
    """Keep what was killed, and what was not, for the table."""
    line = {
        "fault": fault, "points": [point.name for point in killed], "missed": len(missed),
        "tended": tended,
    }  # fmt: skip
    with Path(os.environ["CRASH_MATRIX_FILE"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
