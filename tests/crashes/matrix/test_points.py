"""A worker is killed at every place that it reaches while it carries a cycle out and home; the end is the same.

At each once: `make crash-matrix` kills it each time that a place is reached, under each fault that loses a reply.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pytest

from cycles.models import Cycle
from tests.crashes.matrix.amounts import SAME, assert_same_end
from tests.crashes.matrix.counting import assert_few
from tests.crashes.matrix.journeys import (
    JOURNEYS,
    OTHERS,
    OUT_AND_HOME,
    go,
    kill_on,
    only_asks,
    without_status,
)
from tests.crashes.matrix.losing import TELLING
from tests.crashes.matrix.sites import reached
from tests.crashes.matrix.world import Point, Way, World, halve, one_side_each

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

SHARES = 3
TELLS = re.compile(rf" ({'|'.join(TELLING)}) \| ")
FEWEST = 100  # places of a whole cycle: fewer would say that somebody looks away
BEFORE_BUYING = Point("STARTED: calling.intend < trading._send | before the commit")
# Where a round trip passes, and where this process has killed on another way; whatever the status was.
_passed: set[str] = set()


@pytest.mark.parametrize("number", range(SHARES))
def test_a_worker_killed_at_any_place_changes_nothing_of_how_its_cycle_ends(
    matrix: World, number: int
) -> None:
    way = out_and_home(matrix)
    assert len(way.points) >= FEWEST
    assert reached(point.name for point in way.points) >= JOURNEYS[OUT_AND_HOME].seams
    _kill_at_each(matrix, way.share(number, SHARES), matrix.open, way)


def test_an_order_resumed_with_half_of_what_was_there_is_told(matrix: World) -> None:
    """The half goes back to the desk behind the worker's back: nothing but the amounts tells."""
    way = out_and_home(matrix)
    cycle = matrix.die(BEFORE_BUYING)
    halve(cycle, "USDT")
    matrix.go_on(cycle)
    found = matrix.shape(cycle)
    assert {key: found[key] for key in SAME} == {key: way.shape[key] for key in SAME}
    matrix.assert_whole()
    with pytest.raises(AssertionError, match=r"binance XRPUSDT buy: 3\d(\.\d)?, not [67]\d"):
        assert_same_end(found, way.shape, way.far, at=BEFORE_BUYING)


def test_so_it_is_where_only_a_cycle_that_comes_home_alone_passes(matrix: World) -> None:
    """The rest of its way is that of a round trip."""
    shared = {point.name for point in out_and_home(matrix).points}
    way = _way(matrix, matrix.open_home)
    own = [point for point in way.points if point.name not in shared]
    assert own
    _kill_at_each(matrix, own, matrix.open_home, way)


@pytest.mark.parametrize("name", OTHERS)
def test_so_it_is_where_only_a_cycle_that_meets_trouble_passes(matrix: World, name: str) -> None:
    """Trouble comes once, before the death or after it. A place that another way passes is killed there.

    At each of its commits before it, and its successor behind it; at each of its calls on one side, or on all if it
    tells a venue something; the rest: `make crash-matrix`.
    """
    if not _passed:
        _passed.update(without_status(point.name for point in out_and_home(matrix).points))
    journey = JOURNEYS[name]
    undisturbed, points = go(matrix, journey)
    assert reached(point.name for point in points) >= journey.seams
    own = [point for point in points if _passed.isdisjoint(without_status([point.name]))]
    _passed.update(without_status(point.name for point in own))
    moving = [point for point in own if not only_asks(point)]
    chosen, then = _chosen(moving)
    kill_on(matrix, journey, chosen, undisturbed, then=then)


def test_in_trouble_both_sides_of_each_commit_are_chosen_and_of_a_call_one() -> None:
    commit, call, tells = (
        [Point(f"{stands} | {side}") for side in sides]
        for stands, sides in (
            ("STARTED: calling.intend:3", ("before the commit", "after the commit")),
            ("STARTED: upbit withdraw", ("before the call", "after the call")),
            ("STARTED: upbit verify_deposit", ("before the call", "after the call")),
        )
    )
    alone = Point("STARTED: calling.note:9 | after the commit")  # before it, another way was killed
    chosen, then = _chosen([*commit, *call, *tells, alone])
    assert then == {commit[0]: commit[1]}
    assert chosen == [commit[0], call[0], *tells, alone]


def _chosen(points: Sequence[Point]) -> tuple[list[Point], dict[Point, Point]]:
    """Choose where to die, and where the successor of one that died before a commit does: behind it.

    Of a call one side, by turns, or all where it tells a venue something.
    """
    behind = {
        point: Point(point.name.replace("before the commit", "after the commit"))
        for point in points
        if point.name.endswith("before the commit")
    }
    then = {before: after for before, after in behind.items() if after in points}
    commits = [point for point in points if point.name.endswith("the commit")]
    sides = one_side_each(point for point in points if point not in commits)
    alone = [point for point in commits if point not in then.values()]
    wanted = {*sides, *alone}
    return [point for point in points if point in wanted or TELLS.search(point.name)], then


def out_and_home(matrix: World) -> Way:
    """Give where a round trip comes by, the same for all that ask: each place is killed by one of them."""
    return matrix.ways.once(OUT_AND_HOME, lambda: _way(matrix, matrix.open))


def _way(matrix: World, begin: Callable[[], Cycle]) -> Way:
    """Drive a cycle whole; give each place that it reaches, once."""
    cycle = begin()
    points = [point for point in matrix.drive(cycle).points() if point.nth == 1]
    with matrix.opening_large():
        large = begin()
    matrix.drive(large)
    return Way(points, matrix.shape(cycle), matrix.shape(large))


def _kill_at_each(
    matrix: World, points: Sequence[Point], begin: Callable[[], Cycle], way: Way
) -> None:
    """Kill a worker at each of these places; hold the ends against an undisturbed one's."""
    dead = {point: matrix.die(point, begin()) for point in points}
    matrix.go_on(*dead.values())
    wanted = way.shape
    assert wanted["status"] == "COMPLETED"
    for point, cycle in dead.items():
        found = matrix.shape(cycle)
        assert_same_end(found, wanted, way.far, at=point)
        assert found["done"] == wanted["done"], (point, found)
    assert_few(matrix.missed, points)
    matrix.assert_whole()
