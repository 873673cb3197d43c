"""The crash matrix: every place, each time it is reached, under each fault that loses a reply.

Not part of `make test`: `make crash-matrix` runs it and prints what it found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cycles.models import Cycle
from cycles.services import intervening
from tests.crashes.matrix.amounts import assert_same_end
from tests.crashes.matrix.counting import RUNS, TRIES, assert_few, note_kills, note_way
from tests.crashes.matrix.journeys import (
    JOURNEYS,
    OTHERS,
    OUT_AND_HOME,
    go,
    kill_on,
    without_status,
)
from tests.crashes.matrix.losing import FAULTS, Struck, assert_struck, losing
from tests.crashes.matrix.test_acts import BEFORE_SENDING_COINS, dead
from tests.crashes.matrix.world import Point, Way, World, in_common

pytestmark = [pytest.mark.processes, pytest.mark.timeout(1800)]

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
    round_trip = _way(matrix, matrix.open, fault="none", name="none")
    shared = without_status(point.name for point in round_trip.points)
    undisturbed, points = go(matrix, JOURNEYS[name])
    own = [point for point in points if shared.isdisjoint(without_status([point.name]))]
    note_way(name, own)
    missed = kill_on(matrix, JOURNEYS[name], own, undisturbed)
    killed = [point for point in own if point not in missed]
    note_kills("trouble", killed, missed=missed, way=name)


def test_a_call_that_trouble_does_not_come_by_is_counted_and_too_many_fail(matrix: World) -> None:
    journey, undisturbed = JOURNEYS[OUT_AND_HOME], matrix.open()
    matrix.drive(undisturbed)
    nowhere = [Point(f"STARTED: binance nothing | {side} the call") for side in ("before", "after")]
    assert kill_on(matrix, journey, nowhere[:1], undisturbed) == nowhere[:1]
    with pytest.raises(AssertionError, match="binance nothing"):
        kill_on(matrix, journey, nowhere, undisturbed)


def _kill_everywhere(
    matrix: World, begin: Callable[[], Cycle], *, fault: str, number: int, ends: str, name: str = ""
) -> None:
    """Kill a worker at a share of the places that undisturbed ones reach; hold the ends against theirs.

    After tries in vain others go the way undisturbed: a place that not all of these come by is not missed, but seldom.
    """
    name = name or fault
    way = _way(matrix, begin, fault=fault, name=name)
    wanted, mine = way.shape, way.share(number, SHARES)
    assert wanted["status"] == ends, wanted
    missed: list[Point] = []
    struck: Struck = Counter()
    for some in (mine[at : at + AT_ONCE] for at in range(0, len(mine), AT_ONCE)):
        driven: list[tuple[Point, Cycle]] = []
        never, undisturbed = list(some), [way.points]
        for _ in range(TRIES):
            killed, never = _kill(matrix, never, begin, fault, struck) if never else ({}, [])
            driven += killed.items()
            undisturbed += [_go(matrix, begin, fault, way)[0]] if never else []
        seldom = [point for point in never if point not in in_common(undisturbed)]
        never = [point for point in never if point not in seldom]
        tended = matrix.go_on(*(cycle for _, cycle in driven))
        for point, cycle in driven:
            assert_same_end(matrix.shape(cycle), wanted, way.far, at=point)
        reached = [point for point in some if point not in {*never, *seldom}]
        note_kills(name, reached, missed=never, seldom=seldom, tended=len(tended), way=name)
        missed += never
    assert_few(missed, mine)
    assert_struck(struck, fault)
    matrix.assert_whole()


def _way(matrix: World, begin: Callable[[], Cycle], *, fault: str, name: str) -> Way:
    """Give where undisturbed workers all come by while replies are lost: the same for every share."""

    def drive() -> Way:
        with matrix.opening_large():
            large, far = _go(matrix, begin, fault)
        first, shape = _go(matrix, begin, fault)
        way = Way(first, shape, far)
        runs = [large, first, *(_go(matrix, begin, fault, way)[0] for _ in range(RUNS - 2))]
        points = in_common(runs)
        note_way(name, points, by_some={point for run in runs for point in run} - {*points})
        return Way(points, shape, far)

    return matrix.ways.once(name, drive)


def _go(
    matrix: World, begin: Callable[[], Cycle], fault: str, like: Way | None = None
) -> tuple[list[Point], dict[str, Any]]:
    """Let a worker go a way undisturbed; gives where it came by and what came of it: as of another, if one is given."""
    cycle = begin()
    with losing(matrix, fault) as struck:
        points = matrix.drive_undisturbed(cycle)
    assert_struck(struck, fault)
    found = matrix.shape(cycle)
    if like is not None:
        assert_same_end(found, like.shape, like.far, at="no place")
    return points, found


def _kill(
    matrix: World, points: Sequence[Point], begin: Callable[[], Cycle], fault: str, struck: Struck
) -> tuple[dict[Point, Cycle], list[Point]]:
    """Kill a worker at each place, with a cycle of its own; gives these, and the places that were not reached."""
    before = len(matrix.missed)
    killed = {point: begin() for point in points}
    with losing(matrix, fault) as lost:
        for point, cycle in killed.items():
            matrix.die(point, cycle)
    struck += lost
    return killed, matrix.missed[before:]
