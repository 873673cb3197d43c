"""A worker is killed at every place that it reaches while it carries a cycle out and home; the end is the same.

At each once: `make crash-matrix` kills it each time that a place is reached, under each fault that loses a reply.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cycles.models import Cycle
from tests.crashes.matrix.world import World, share

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

SHARES = 3
FEWEST = 100  # places of a whole cycle: fewer would say that somebody looks away
FEWEST_HOME = 50


@pytest.mark.parametrize("number", range(SHARES))
def test_a_worker_killed_at_any_place_changes_nothing_of_how_its_cycle_ends(
    matrix: World, number: int
) -> None:
    _kill_once_at_each(matrix, matrix.open, number, fewest=FEWEST)


@pytest.mark.parametrize("number", range(SHARES))
def test_so_it_is_with_a_cycle_that_only_comes_home(matrix: World, number: int) -> None:
    _kill_once_at_each(matrix, matrix.open_home, number, fewest=FEWEST_HOME)


def _kill_once_at_each(
    matrix: World, begin: Callable[[], Cycle], number: int, *, fewest: int
) -> None:
    """Kill a worker once at each of a share of the places; hold the ends against an undisturbed one's."""
    undisturbed = begin()
    points = [point for point in matrix.drive(undisturbed).points() if point.nth == 1]
    assert len(points) >= fewest
    dead = {point: matrix.die(point, begin()) for point in share(points, number, SHARES)}
    matrix.go_on(*dead.values())
    wanted = matrix.shape(undisturbed)
    assert wanted["status"] == "COMPLETED"
    for point, cycle in dead.items():
        found = matrix.shape(cycle)
        assert (found["status"], found["accepted"]) == (wanted["status"], wanted["accepted"]), (
            point, found,
        )  # fmt: skip
        assert found["done"] == wanted["done"], (point, found)
    matrix.assert_whole()
