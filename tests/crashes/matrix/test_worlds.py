"""What undisturbed runs have in common is where somebody can be killed each time."""

from __future__ import annotations

import pytest

from tests.crashes.matrix.world import FIRST_LOOK, Point, World, in_common

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

LOOK = "STARTED: upbit withdrawals | sent, not answered"
INTENT = "STARTED: calling.intend | before the commit"
HAND_BACK = "REBALANCING_IN_PROGRESS: leasing._write_releases | before the commit"


def run(*names: str) -> list[Point]:
    return [Point(name, names[:at].count(name) + 1) for at, name in enumerate(names)]


def test_a_place_that_every_run_comes_by_is_kept_in_its_order_however_often_others_come() -> None:
    runs = [run(INTENT, LOOK, LOOK), run(LOOK, LOOK, LOOK, INTENT), run(INTENT, LOOK)]
    assert in_common(runs) == [Point(INTENT), Point(LOOK)]
    assert in_common(runs[:2]) == [Point(INTENT), Point(LOOK), Point(LOOK, 2)]
    assert in_common(runs[:1]) == runs[0]


def test_a_look_more_that_only_some_runs_take_is_not_in_common() -> None:
    assert in_common([run(INTENT), run(INTENT, LOOK)]) == [Point(INTENT)]


@pytest.mark.parametrize("turn", [1, -1])
def test_a_hand_back_that_a_halt_brings_about_is_kept_where_any_run_writes_one(turn: int) -> None:
    runs = [run(INTENT), run(INTENT, HAND_BACK, HAND_BACK)][::turn]
    assert in_common(runs) == [Point(INTENT), Point(HAND_BACK)]


def test_each_undisturbed_run_is_the_first_that_looks_at_the_venues(matrix: World) -> None:
    runs = [matrix.drive_undisturbed(matrix.open()) for _ in range(2)]
    looks = [{point.name for point in run if FIRST_LOOK in point.name} for run in runs]
    assert looks[0] == looks[1]
    assert {point.name for point in in_common(runs)} >= looks[0]
