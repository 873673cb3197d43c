"""A fault that strikes nothing, or leaves a venue out, is no proof: it fails."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.crashes.matrix.losing import (
    MOVING,
    ON_A_ROUND_TRIP,
    Struck,
    assert_moving,
    assert_struck,
    kinds,
    losing,
    losing_reads,
    moved_at,
)
from tests.crashes.matrix.test_acts import ACTS
from tests.crashes.matrix.world import Point, World
from tests.desk import FRESH_SECONDS
from tests.meta import test_architecture

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

WHOLE = [(venue, what) for venue in ("binance", "upbit") for what in ON_A_ROUND_TRIP[0]]


def test_a_fault_has_struck_where_it_lost_a_reply_of_each_kind_at_each_venue() -> None:
    assert_struck(Counter(WHOLE), "F9", kinds(*ON_A_ROUND_TRIP))


@pytest.mark.parametrize("spared", WHOLE)
def test_a_fault_that_spared_a_kind_of_request_at_a_venue_fails(spared: tuple[str, str]) -> None:
    struck: Struck = Counter(one for one in WHOLE if one != spared)
    with pytest.raises(AssertionError, match="struck"):
        assert_struck(struck, "F9", kinds(*ON_A_ROUND_TRIP))


def test_every_call_that_moves_money_loses_its_reply() -> None:
    assert MOVING.keys() == test_architecture.MOVING


def test_a_fault_that_spared_a_cancel_where_one_is_sent_fails() -> None:
    cancels = moved_at([Point("STARTED: binance cancel_order | after the call")])
    assert_struck(Counter(cancels), "F9", cancels)
    with pytest.raises(AssertionError, match="struck"):
        assert_struck(Counter(WHOLE), "F9", cancels)


def test_a_way_on_which_nothing_moves_is_no_proof_that_a_fault_struck() -> None:
    with pytest.raises(AssertionError, match="nothing"):
        assert_struck(
            Counter(WHOLE), "F9", moved_at([Point("STARTED: upbit book | after the call")])
        )


def test_places_that_leave_out_where_money_moves_are_no_way_to_be_killed_on() -> None:
    """Places are chosen by their names: a choice that takes too few of them is told."""
    points = [Point(f"STARTED: {venue} {what} | after the call") for venue, what in WHOLE]
    assert_moving(points, kinds(*ON_A_ROUND_TRIP))
    for some in (points[1:], []):
        with pytest.raises(AssertionError, match="binance place_order"):
            assert_moving(some, kinds(*ON_A_ROUND_TRIP))
    with pytest.raises(AssertionError, match="nothing"):
        assert_moving(points, kinds((), ()))


def test_a_round_trip_loses_each_kind_of_reply_at_each_venue(matrix: World) -> None:
    with losing(matrix, "F9") as struck:
        matrix.drive(matrix.open())
    assert set(struck) == set(WHOLE)
    with losing(matrix, "F9") as idle:
        pass
    assert idle.total() == 0


def test_what_the_test_itself_reads_meanwhile_loses_no_reply(matrix: World) -> None:
    with losing_reads(matrix, "F4") as struck:
        matrix.desk.sampled_at -= FRESH_SECONDS  # the act takes long
        matrix.act("tests.crashes.matrix.deeds.sync_schedules")
    assert struck.total() == 0


def test_an_act_that_asks_venues_loses_every_other_reply(matrix: World) -> None:
    with losing_reads(matrix, "F4") as struck:
        matrix.act(f"{ACTS}.on_desk", verb="catch_up")
    assert struck.total() > 1
