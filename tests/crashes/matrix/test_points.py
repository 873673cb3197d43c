"""A worker is killed at every place where money is about to move, moves, or has moved; the end is the same.

`make crash-matrix` kills it at all the other places too, and each time that they are reached.
"""

from __future__ import annotations

import pytest

from tests.crashes.matrix.world import Point, World, share

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

SHARES = 2
# Of the places that a worker reaches, those at which a request of ours is intended, under way or noted.
MOVING = ("calling.", " place_order |", " withdraw |")


def moves_money(point: Point) -> bool:
    return point.nth == 1 and any(part in point.name for part in MOVING)


@pytest.mark.parametrize("number", range(SHARES))
def test_a_worker_killed_where_money_moves_changes_nothing_of_how_its_cycle_ends(
    matrix: World, number: int
) -> None:
    undisturbed = matrix.open()
    points = [point for point in matrix.drive(undisturbed).points() if moves_money(point)]
    assert len(points) >= 20
    dead = {point: matrix.die(point) for point in share(points, number, SHARES)}
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
