"""One "not found" is not the last word, and what a venue lists is never absent: read paths lag after an outage."""

from __future__ import annotations

import pytest

from cycles.domain.progress import Turn
from cycles.models import Cycle, ExchangeCall, SeenOrder
from cycles.services import reconciling
from cycles.services.moving import Lease
from tests.cycles.services.acts import accepted, age, give_back, outcomes
from tests.desk import TestDesk, eventually

WINDOW = 16  # seconds: Binance's 15 are over
SECOND_LOOK = 5
ORDER = "/api/v3/order"
LAGS = {"value": 60_000}  # milliseconds: longer than any window


@pytest.fixture
def row(desk: TestDesk) -> Cycle:
    return desk.open()


@pytest.fixture
def lease(desk: TestDesk, row: Cycle) -> Lease:
    """Place an order whose reply is lost; the venue has it."""
    desk.fault(fault="F4", venue="binance", method="POST", path_regex=f"{ORDER}$", when="once")
    held = desk.lease(row)
    desk.unit(held)
    assert outcomes(row) == ["UNKNOWN"]
    return held


def lag(desk: TestDesk, path: str) -> None:
    """Let reads of the venue show what was long ago."""
    desk.fault(fault="F15", venue="binance", method="GET", path_regex=path, args=LAGS)


def heal(desk: TestDesk) -> None:
    desk.control("/control/faults", method="DELETE")


def test_the_first_answer_of_a_venue_that_comes_back_does_not_make_an_order_absent(
    desk: TestDesk, row: Cycle, lease: Lease
) -> None:
    lag(desk, "Order|order")
    age(row, WINDOW)
    assert desk.unit(lease).turn is Turn.WAIT
    assert desk.unit(lease).turn is Turn.WAIT  # the same answer a moment later
    heal(desk)
    age(row, SECOND_LOOK)
    desk.unit(lease)
    assert outcomes(row) == ["DONE"]
    assert list(accepted(desk, "binance").values()) == [1]


def test_a_sweep_takes_two_answers_as_well(desk: TestDesk, row: Cycle, lease: Lease) -> None:
    give_back(lease)
    lag(desk, "Order|order")
    age(row, WINDOW)
    assert reconciling.reconcile_open_calls().still_unknown == 1
    assert ExchangeCall.objects.get(cycle=row).missed_at is not None
    heal(desk)
    age(row, SECOND_LOOK)
    assert reconciling.reconcile_open_calls().resolved == 1
    assert outcomes(row) == ["DONE"]


def listed(row: Cycle, desk: TestDesk, lease: Lease) -> None:
    """Let the venue list the order, and not find it when it is asked for alone."""
    lag(desk, f"{ORDER}$")
    age(row, 2)

    def is_listed() -> bool:
        assert desk.unit(lease).turn is Turn.WAIT
        return SeenOrder.objects.filter(is_shown=True).exists()

    eventually(is_listed)  # an order of the last second is not listed for all


def test_an_order_that_its_venue_lists_is_never_absent(
    desk: TestDesk, row: Cycle, lease: Lease
) -> None:
    listed(row, desk, lease)
    for seconds in (WINDOW, SECOND_LOOK, SECOND_LOOK):
        age(row, seconds)
        assert desk.unit(lease).turn is Turn.WAIT
    assert outcomes(row) == ["UNKNOWN"]
    heal(desk)
    desk.unit(lease)
    assert outcomes(row) == ["DONE"]
    assert list(accepted(desk, "binance").values()) == [1]


def test_an_order_that_stays_listed_and_not_found_goes_to_a_person(
    desk: TestDesk, row: Cycle, lease: Lease
) -> None:
    listed(row, desk, lease)
    age(row, WINDOW + 60)
    failed = desk.unit(lease)
    assert (failed.turn, failed.failure) == (Turn.FAIL, "UNKNOWN_ORDER")
    assert "lists" in failed.reason


def test_what_was_not_found_first_stays_written(row: Cycle, lease: Lease, desk: TestDesk) -> None:
    """Whoever takes over goes on from it, and nobody puts it off by asking again."""
    lag(desk, "Order|order")
    age(row, WINDOW)
    desk.unit(lease)
    first = ExchangeCall.objects.get(cycle=row).missed_at
    desk.unit(lease)
    assert first is not None
    assert ExchangeCall.objects.get(cycle=row).missed_at == first
