"""Bounds that hold over a whole step, a whole ledger and a whole sweep."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cycles.domain import postings
from cycles.domain.words import (
    CallOutcome,
    FailureClass,
    Operation,
    PostingKind,
    StepKind,
    StepState,
)
from cycles.models import Cycle, ExchangeCall, Step
from cycles.services import booking, resolving, sweeping, verifying
from cycles.services.intervening import Actor
from exchanges.values import Balance
from tests import builders
from tests.cycles.services.acts import fail, make_due, with_coins
from tests.desk import TestDesk, eventually, operator

pytestmark = pytest.mark.django_db


def pin(desk: TestDesk, ask: str, quantity: str) -> None:
    """Let Binance offer this much XRP at one price, and nothing beyond."""
    desk.control(
        "/control/book",
        {
            "venue": "binance",
            "symbol": "XRPUSDT",
            "bids": [[str(Decimal(ask) - Decimal("0.01")), "100000"]],
            "asks": [[ask, quantity]],
        },
    )


def test_a_buy_follows_no_market_that_runs_away_between_its_orders(desk: TestDesk) -> None:
    row = desk.open("XRP", "2000")
    pin(desk, "2.0000", "300")
    lease = desk.lease(row)
    buy = Step.objects.get(cycle=row, kind=StepKind.BUY)
    while Step.objects.get(pk=buy.pk).quantity_out == 0:
        desk.unit(lease)
    pin(desk, "2.1000", "100000")
    desk.unit(lease)
    done = Step.objects.get(pk=buy.pk)
    assert done.state == StepState.DONE
    assert done.quantity_in == Decimal(600)
    assert ExchangeCall.objects.filter(step=buy).count() == 1
    assert booking.held_by_cycle(row, "binance", "USDT") == Decimal(1400)


def test_a_buy_goes_on_while_the_market_stays_within_its_limit(desk: TestDesk) -> None:
    row = desk.open("XRP", "2000")
    pin(desk, "2.0000", "300")
    lease = desk.lease(row)
    buy = Step.objects.get(cycle=row, kind=StepKind.BUY)
    while Step.objects.get(pk=buy.pk).quantity_out == 0:
        desk.unit(lease)
    pin(desk, "2.0010", "100000")
    while Step.objects.get(pk=buy.pk).state != StepState.DONE:
        desk.unit(lease)
    assert Step.objects.get(pk=buy.pk).quantity_in > Decimal(1990)


def written_off(desk: TestDesk, actor: Actor) -> Cycle:
    """Give up a dead letter whose USDT lies at Binance still."""
    row = desk.open("XRP", "2000")
    fail(row, FailureClass.BUG)
    resolving.write_off(row.pk, actor=actor, reason="lost its key", seen_version=row.version)
    return row


def test_what_was_written_off_but_lies_at_the_venue_is_no_riddle(desk: TestDesk) -> None:
    written_off(desk, operator())
    report = verifying.verify_ledger()
    assert report.problems == ()
    assert report.matches_venues


def test_more_than_was_written_off_is_one(desk: TestDesk) -> None:
    written_off(desk, operator())
    desk.control("/control/balances", {"venue": "binance", "asset": "USDT", "credit": "1"})
    assert not verifying.verify_ledger().matches_venues


@pytest.mark.parametrize(("arrived", "is_explained"), [("107", True), ("215", True), ("1", False)])
def test_a_credit_among_many_transfers_under_way_is_no_riddle(
    arrived: str, is_explained: bool
) -> None:
    for quantity in range(101, 121):
        lines = postings.sent_lines(
            "binance", "upbit", "XRP", quantity=Decimal(quantity), network_fee=Decimal(0)
        )
        holding = with_coins(builders.cycle(usdt=0), quantity)
        booking.post(f"sent:{quantity}", PostingKind.SENT, lines, cycle=holding)
    held = Balance(asset="XRP", free=Decimal(arrived), locked=Decimal(0))
    (line,) = verifying.venue_lines("upbit", {"XRP": held})
    assert line.is_explained == is_explained


def test_all_that_was_ever_written_off_may_lie_at_its_venue_still() -> None:
    for quantity in range(101, 121):
        row = fail(with_coins(builders.cycle(usdt=0), quantity), FailureClass.BUG)
        resolving.write_off(row.pk, actor=operator(), reason="r", seen_version=row.version)
    held = Balance(asset="XRP", free=Decimal(sum(range(101, 121))), locked=Decimal(0))
    (line,) = verifying.venue_lines("binance", {"XRP": held})
    assert line.is_explained


def test_a_cycle_with_a_bug_stops_no_other_of_its_sweep(desk: TestDesk) -> None:
    broken, well = desk.open("XRP", "2000"), desk.open("SOL", "2000")
    builders.withdrawal_call(broken)  # accepted, and its report lacks what settling needs
    for row in (broken, well):
        fail(row, FailureClass.TRANSIENT)
        make_due(row)
    sweeping.sweep_retries()
    broken.refresh_from_db()
    well.refresh_from_db()
    assert (broken.status, broken.failure_class) == ("DEAD_LETTER", "BUG")
    assert broken.failure_reason.startswith("KeyError")
    assert well.status not in {"DEAD_LETTER", "RETRY_PENDING"}


def test_a_withdrawal_that_waits_for_a_person_hides_no_other_difference(desk: TestDesk) -> None:
    desk.fault(fault="F25", venue="binance", action="rst", when="once")
    row = desk.open("XRP", "2000")
    eventually(lambda: _unknown_withdrawal(desk.step(row)))
    fail(row, FailureClass.UNKNOWN_WITHDRAWAL)
    assert verifying.verify_ledger().is_settled
    assert verifying.verify_ledger().matches_venues
    desk.control("/control/balances", {"venue": "binance", "asset": "USDT", "credit": "1"})
    report = verifying.verify_ledger()
    assert report.is_settled
    assert not report.matches_venues


def _unknown_withdrawal(row: Cycle) -> bool:
    return ExchangeCall.objects.filter(
        cycle=row, operation=Operation.WITHDRAW, outcome=CallOutcome.UNKNOWN
    ).exists()
