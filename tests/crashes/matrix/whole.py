"""The crash matrix: every place, each time it is reached, under each fault that loses a reply.

Not part of `make test`: `make crash-matrix` runs it and prints what it found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
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
    is_of_money,
    kill_on,
    without_status,
)
from tests.crashes.matrix.losing import (
    FAULTS,
    ON_A_ROUND_TRIP,
    ON_THE_WAY_HOME,
    Kind,
    Struck,
    assert_moving,
    assert_struck,
    kinds,
    losing,
    moved_at,
)
from tests.crashes.matrix.test_acts import BEFORE_SENDING_COINS, dead
from tests.crashes.matrix.world import Point, Way, World, in_common

pytestmark = [pytest.mark.processes, pytest.mark.timeout(1800)]

# Where the coins lie that are sold back, how such a cycle ends, and what it moves until then.
UNWINDS = {
    "abroad": (BEFORE_SENDING_COINS, "FAILED", (("place_order",), ())),
    "in Korea": (
        Point("STARTED: calling.intend < trading._send | before the commit", 2),
        "FAILED",
        ((), ("place_order",)),
    ),
    "on the way home": (
        Point(
            "REBALANCING_IN_PROGRESS: calling.intend < transferring._request | before the commit"
        ),
        "COMPLETED",
        ON_THE_WAY_HOME,
    ),
}
SHARES = 4
CROSSED_SHARES = 2
AT_ONCE = 16  # cycles that die before another worker goes on with them
# On other ways than a round trip by Upbit, where money moves: a reply that says nothing, and one that is empty.
CROSSED = ("F4", "F9")
# It loses replies of its own; it sends nothing; it is unwound abroad; its first order is found, not noted; it is a person's
# before it sends anything.
NOT_CROSSED = {
    "replies are lost, of what was accepted and of what was not",
    "nothing was bought, and the edge is gone",
    "coins are sold where they lie",
    "fees were taken from what the books do not have",
    "coins are given back after they had left",
}


def _anywhere(_point: Point) -> bool:
    """Leave out no place."""
    return True


@dataclass(frozen=True, kw_only=True)
class Course:
    """One way whose places are shared out: how it begins and ends, what loses replies on it, and where to kill.

    `moves`: the kinds of request that it must send; of each a reply is lost, and at each somebody is killed.
    """

    begin: Callable[[], Cycle]
    moves: frozenset[Kind] = field(default_factory=partial(kinds, *ON_A_ROUND_TRIP))
    ends: str = "COMPLETED"
    fault: str = "none"
    name: str = ""
    shares: int = SHARES
    is_chosen: Callable[[Point], bool] = _anywhere


@pytest.mark.parametrize("number", range(SHARES))
@pytest.mark.parametrize("fault", FAULTS)
def test_a_worker_killed_anywhere_while_replies_are_lost_changes_nothing(
    matrix: World, fault: str, number: int
) -> None:
    _kill_everywhere(matrix, _round_trip(matrix, fault), number)


@pytest.mark.parametrize("korea", [["bithumb"]])
@pytest.mark.parametrize("number", range(SHARES))
@pytest.mark.parametrize("fault", ["none", "F9"])
def test_so_it_is_at_a_venue_that_accepts_orders_before_it_has_read_them(
    matrix: World, fault: str, number: int
) -> None:
    name = "Bithumb" if fault == "none" else f"Bithumb {fault}"
    _kill_everywhere(matrix, Course(begin=matrix.open, fault=fault, name=name), number)


@pytest.mark.parametrize("korea", [["bithumb"]])
@pytest.mark.parametrize("number", range(CROSSED_SHARES))
def test_so_it_is_there_where_money_moves_and_a_reply_says_nothing(
    matrix: World, number: int
) -> None:
    _kill_where_money_moves(matrix, Course(begin=matrix.open, name="Bithumb"), "F4", number)


def _home_only(matrix: World) -> Course:
    return Course(begin=matrix.open_home, moves=kinds(*ON_THE_WAY_HOME), name="home only")


def _unwinding(matrix: World, place: str, name: str = "") -> Course:
    """Let a dead letter of its own sell its coins back where they lie."""
    point, ends, moves = UNWINDS[place]

    def begin() -> Cycle:
        cycle = dead(matrix, point)
        intervening.unwind(
            cycle.pk, actor=matrix.actor, reason="a test", seen_version=cycle.version
        )
        return cycle

    return Course(begin=begin, moves=kinds(*moves), ends=ends, name=f"unwinding {name or place}")


OTHER_COURSES: dict[str, Callable[[World], Course]] = {
    "home only": _home_only,
    **{f"unwinding {place}": partial(_unwinding, place=place) for place in UNWINDS},
}


@pytest.mark.parametrize("name", OTHER_COURSES)
@pytest.mark.parametrize("number", range(SHARES))
def test_so_it_is_with_a_cycle_that_only_comes_home_or_unwinds(
    matrix: World, name: str, number: int
) -> None:
    _kill_everywhere(matrix, OTHER_COURSES[name](matrix), number)


@pytest.mark.parametrize("name", OTHER_COURSES)
@pytest.mark.parametrize("number", range(CROSSED_SHARES))
@pytest.mark.parametrize("fault", CROSSED)
def test_so_it_is_where_money_moves_on_these_ways_while_replies_are_lost(
    matrix: World, fault: str, number: int, name: str
) -> None:
    _kill_where_money_moves(matrix, OTHER_COURSES[name](matrix), fault, number)


def _kill_where_money_moves(matrix: World, course: Course, fault: str, number: int) -> None:
    """Kill a worker where money moves, while replies are lost: elsewhere a round trip has shown as much."""
    name = f"{course.name} {fault}"
    crossed = replace(course, fault=fault, name=name, shares=CROSSED_SHARES, is_chosen=is_of_money)
    _kill_everywhere(matrix, crossed, number)


@pytest.mark.parametrize("korea", [["bithumb"]])
@pytest.mark.parametrize("number", range(SHARES))
def test_so_it_is_while_a_cycle_unwinds_at_bithumb(matrix: World, number: int) -> None:
    _kill_everywhere(matrix, _unwinding(matrix, "in Korea", "at Bithumb"), number)


@pytest.mark.parametrize("korea", [["bithumb"]])
@pytest.mark.parametrize("number", range(CROSSED_SHARES))
@pytest.mark.parametrize("fault", CROSSED)
def test_so_it_is_while_one_unwinds_there_and_replies_are_lost(
    matrix: World, fault: str, number: int
) -> None:
    course = _unwinding(matrix, "in Korea", "at Bithumb")
    _kill_where_money_moves(matrix, course, fault, number)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        (name, fault)
        for fault in ("none", *CROSSED)
        for name in OTHERS
        if fault == "none" or name not in NOT_CROSSED
    ],
)
def test_so_it_is_where_only_a_cycle_that_meets_trouble_passes(
    matrix: World, name: str, fault: str
) -> None:
    """While replies are lost: where money moves, and a round trip that loses the same replies does not pass."""
    chosen = _anywhere if fault == "none" else is_of_money
    round_trips = [_way(matrix, _round_trip(matrix, one)) for one in dict.fromkeys(("none", fault))]
    shared = without_status(point.name for way in round_trips for point in way.points)
    undisturbed, points = go(matrix, JOURNEYS[name], fault=fault)
    own = [
        point
        for point in points
        if chosen(point) and shared.isdisjoint(without_status([point.name]))
    ]
    column, way = ("trouble", name) if fault == "none" else (f"trouble {fault}", f"{name} {fault}")
    note_way(way, own)
    missed = kill_on(matrix, JOURNEYS[name], own, undisturbed, fault=fault, moved=moved_at(points))
    killed = [point for point in own if point not in missed]
    note_kills(column, killed, missed=missed, way=way)


def test_a_call_that_trouble_does_not_come_by_is_counted_and_too_many_fail(matrix: World) -> None:
    journey, undisturbed = JOURNEYS[OUT_AND_HOME], matrix.open()
    matrix.drive(undisturbed)
    nowhere = [Point(f"STARTED: binance nothing | {side} the call") for side in ("before", "after")]
    assert kill_on(matrix, journey, nowhere[:1], undisturbed) == nowhere[:1]
    with pytest.raises(AssertionError, match="binance nothing"):
        kill_on(matrix, journey, nowhere, undisturbed)


def _round_trip(matrix: World, fault: str) -> Course:
    return Course(begin=matrix.open, fault=fault, name=fault)


def _kill_everywhere(matrix: World, course: Course, number: int) -> None:
    """Kill a worker at a share of the places that undisturbed ones reach; hold the ends against theirs.

    After tries in vain others go the way undisturbed: a place that not all of these come by is not missed, but seldom.
    """
    name, way = course.name, _way(matrix, course)
    wanted, mine = way.shape, way.share(number, course.shares)
    assert wanted["status"] == course.ends, wanted
    assert mine
    missed: list[Point] = []
    struck: Struck = Counter()
    for some in (mine[at : at + AT_ONCE] for at in range(0, len(mine), AT_ONCE)):
        driven: list[tuple[Point, Cycle]] = []
        never, undisturbed = list(some), [way.points]
        for _ in range(TRIES):
            killed, never = _kill(matrix, never, course, struck) if never else ({}, [])
            driven += killed.items()
            undisturbed += [_go(matrix, course, way)[0]] if never else []
        seldom = [point for point in never if point not in in_common(undisturbed)]
        never = [point for point in never if point not in seldom]
        tended = matrix.go_on(*(cycle for _, cycle in driven))
        for point, cycle in driven:
            assert_same_end(matrix.shape(cycle), wanted, way.far, at=point)
        reached = [point for point in some if point not in {*never, *seldom}]
        note_kills(name, reached, missed=never, seldom=seldom, tended=len(tended), way=name)
        missed += never
    assert_few(missed, mine)
    assert_struck(struck, course.fault, course.moves)
    matrix.assert_whole()


def _way(matrix: World, course: Course) -> Way:
    """Give where undisturbed workers all come by while replies are lost: the same for every share."""

    def drive() -> Way:
        with matrix.opening_large():
            large, far = _go(matrix, course)
        first, shape = _go(matrix, course)
        way = Way(first, shape, far)
        runs = [large, first, *(_go(matrix, course, way)[0] for _ in range(RUNS - 2))]
        points = [point for point in in_common(runs) if course.is_chosen(point)]
        by_some = {point for run in runs for point in run if course.is_chosen(point)} - {*points}
        assert_moving(points, course.moves)
        note_way(course.name, points, by_some=by_some)
        return Way(points, shape, far)

    return matrix.ways.once(course.name, drive)


def _go(
    matrix: World, course: Course, like: Way | None = None
) -> tuple[list[Point], dict[str, Any]]:
    """Let a worker go a way undisturbed; gives where it came by and what came of it: as of another, if one is given."""
    cycle = course.begin()
    with losing(matrix, course.fault) as struck:
        points = matrix.drive_undisturbed(cycle)
    assert_struck(struck, course.fault, course.moves)
    found = matrix.shape(cycle)
    if like is not None:
        assert_same_end(found, like.shape, like.far, at="no place")
    return points, found


def _kill(
    matrix: World, points: Sequence[Point], course: Course, struck: Struck
) -> tuple[dict[Point, Cycle], list[Point]]:
    """Kill a worker at each place, with a cycle of its own; gives these, and the places that were not reached."""
    before = len(matrix.missed)
    killed = {point: course.begin() for point in points}
    with losing(matrix, course.fault) as lost:
        for point, cycle in killed.items():
            matrix.die(point, cycle)
    struck += lost
    return killed, matrix.missed[before:]
