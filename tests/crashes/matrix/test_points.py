"""A worker is killed at every place that it reaches while it carries a cycle out and home; the end is the same.

At each once: `make crash-matrix` kills it each time that a place is reached, under each fault that loses a reply.
"""

from __future__ import annotations

import pytest

from tests.crashes.matrix.world import World, share

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

SHARES = 3
FEWEST = 100  # places of a whole cycle: fewer would say that somebody looks away


@pytest.mark.parametrize("number", range(SHARES))
def test_a_worker_killed_at_any_place_changes_nothing_of_how_its_cycle_ends(
    matrix: World, number: int
) -> None:
    undisturbed = matrix.open()
    points = [point for point in matrix.drive(undisturbed).points() if point.nth == 1]
    assert len(points) >= FEWEST
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
