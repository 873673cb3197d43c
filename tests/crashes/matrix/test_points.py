"""Every place where a worker can die: it is killed there, another goes on, and the end is the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crashes.matrix.world import Point, World, share

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

SHARES = 6


def first_of_each(points: Iterator[Point]) -> list[Point]:
    return [point for point in points if point.nth == 1]


@pytest.mark.parametrize("number", range(SHARES))
def test_a_worker_killed_at_any_place_changes_nothing_of_how_its_cycle_ends(
    matrix: World, number: int
) -> None:
    undisturbed = matrix.open()
    points = first_of_each(matrix.drive(undisturbed).points())
    dead = {point: matrix.die(point) for point in share(points, number, SHARES)}
    matrix.go_on(*dead.values())
    expected = matrix.shape(undisturbed)
    for point, cycle in dead.items():
        found = matrix.shape(cycle)
        assert (found["status"], found["accepted"]) == ("COMPLETED", expected["accepted"]), (
            point, found,
        )  # fmt: skip
        assert found["done"] == expected["done"], (point, found)
    matrix.assert_whole()
