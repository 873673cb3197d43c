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

    At each of its seams on one side, at a call that tells a venue something on all; the rest: `make crash-matrix`.
    """
    if not _passed:
        _passed.update(without_status(point.name for point in out_and_home(matrix).points))
    journey = JOURNEYS[name]
    undisturbed, points = go(matrix, journey)
    assert reached(point.name for point in points) >= journey.seams
    own = [point for point in points if _passed.isdisjoint(without_status([point.name]))]
    _passed.update(without_status(point.name for point in own))
    moving = [point for point in own if not only_asks(point)]
    sides = one_side_each(moving)
    chosen = [point for point in moving if point in sides or TELLS.search(point.name)]
    kill_on(matrix, journey, chosen, undisturbed)


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
