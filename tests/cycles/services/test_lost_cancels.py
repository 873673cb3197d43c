"""A cancel whose reply was lost: its order tells what became of it, at each venue, and it is never sent again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cycles.domain.words import CallOutcome, Operation, StepKind
from cycles.models import Cycle, ExchangeCall
from cycles.services import trading, verifying
from cycles.services.moving import Lease
from tests.cycles.services.acts import age, each_was_sent_once, give_back, units_until
from tests.desk import TestDesk, why

CANCEL_AFTER = 11  # seconds; then an order that rests is cancelled
VENUES = [("binance", ["upbit"]), ("upbit", ["upbit"]), ("bithumb", ["bithumb"])]
AT_EACH = pytest.mark.parametrize(("venue", "korea"), VENUES, ids=[venue for venue, _ in VENUES])
LOST = [{"action": "fin"}, {"action": "status", "args": {"status": 502}}]


def resting(desk: TestDesk, venue: str) -> tuple[Cycle, Lease]:
    """Let a cycle's next order at a venue rest with a third of it filled, long enough to be cancelled."""
    row = desk.open()
    if venue != "binance":
        give_back(units_until(desk, row, StepKind.DEPOSIT, venue))
    desk.fault(fault="F13", action="rests", args={"value": "0.3"}, when="once", venue=venue)
    lease = desk.lease(row)
    while not calls(row, Operation.PLACE_ORDER, venue=venue).filter(outcome="DONE").exists():
        desk.unit(lease)
    age(row, CANCEL_AFTER)
    return row, lease


def calls(row: Cycle, operation: Operation, **facts: Any) -> Any:
    return ExchangeCall.objects.filter(cycle=row, operation=operation, **facts).order_by("pk")


def outcomes(row: Cycle) -> list[str]:
    """Give what became of a cycle's cancels."""
    return [call.outcome for call in calls(row, Operation.CANCEL_ORDER)]


def arrived(desk: TestDesk) -> int:
    """Count the cancels that reached a venue."""
    return sum(1 for row in desk.control("/control/requests") if row["method"] == "DELETE")


def until_known(desk: TestDesk, row: Cycle, lease: Lease) -> None:
    """Let the worker look until it knows what became of the cancel."""
    for _ in range(9):
        desk.unit(lease)
        if outcomes(row) and outcomes(row)[-1] != CallOutcome.UNKNOWN:
            return
        age(row, 1)
    raise AssertionError(why(row))


@AT_EACH
@pytest.mark.parametrize("how", LOST, ids=["closed", "502"])
def test_a_cancel_that_was_accepted_and_whose_reply_was_lost_is_done_once_its_order_is_found(
    desk: TestDesk, venue: str, how: dict[str, Any]
) -> None:
    row, lease = resting(desk, venue)
    desk.fault(phase="after_accept", venue=venue, method="DELETE", when="once", **how)
    desk.unit(lease)
    assert outcomes(row) == ["UNKNOWN"]
    until_known(desk, row, lease)
    assert outcomes(row) == ["DONE"]
    give_back(lease)
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    assert arrived(desk) == 1
    each_was_sent_once(desk)
    assert verifying.verify_ledger().matches_venues


@AT_EACH
@pytest.mark.parametrize("how", LOST, ids=["closed", "502"])
def test_an_order_that_rests_on_because_its_cancel_was_lost_is_cancelled_by_another_request(
    desk: TestDesk, venue: str, how: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    row, lease = resting(desk, venue)
    desk.fault(phase="before", venue=venue, method="DELETE", when="once", **how)
    desk.unit(lease)
    assert outcomes(row) == ["UNKNOWN"]
    until_known(desk, row, lease)
    desk.unit(lease)
    assert (outcomes(row), arrived(desk)) == (
        ["DONE"],
        1,
    )  # found, and so not asked for at once again
    monkeypatch.setattr(trading, "CANCEL_AFTER", timedelta(0))  # as if that were long ago
    give_back(lease)
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    assert (outcomes(row), arrived(desk)) == (["DONE", "DONE"], 2)
    each_was_sent_once(desk)
    assert verifying.verify_ledger().matches_venues
