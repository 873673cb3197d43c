"""A worker is killed at every place that it reaches while it carries a cycle out and home; the end is the same.

At each once: `make crash-matrix` kills it each time that a place is reached, under each fault that loses a reply.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from cycles.models import Cycle
from tests.crashes.matrix.world import Point, World, share

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

SHARES = 3
FEWEST = 100  # places of a whole cycle: fewer would say that somebody looks away


@pytest.mark.parametrize("number", range(SHARES))
def test_a_worker_killed_at_any_place_changes_nothing_of_how_its_cycle_ends(
    matrix: World, number: int
) -> None:
    undisturbed = matrix.open()
    points = _places(matrix, undisturbed)
    assert len(points) >= FEWEST
    _kill_at_each(matrix, share(points, number, SHARES), matrix.open, undisturbed)


def test_so_it_is_where_only_a_cycle_that_comes_home_alone_passes(matrix: World) -> None:
    """The rest of its way is that of a round trip."""
    shared = {point.name for point in matrix.drive(matrix.open()).points()}
    undisturbed = matrix.open_home()
    own = [point for point in _places(matrix, undisturbed) if point.name not in shared]
    assert own
    _kill_at_each(matrix, own, matrix.open_home, undisturbed)


def _places(matrix: World, undisturbed: Cycle) -> list[Point]:
    """Drive a cycle whole, and give each place that it reaches once."""
    return [point for point in matrix.drive(undisturbed).points() if point.nth == 1]


def _kill_at_each(
    matrix: World, points: Sequence[Point], begin: Callable[[], Cycle], undisturbed: Cycle
) -> None:
    """Kill a worker at each of these places; hold the ends against an undisturbed one's."""
    dead = {point: matrix.die(point, begin()) for point in points}
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
