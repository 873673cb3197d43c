"""What a person states of one request is no statement on another: nothing is sold twice on such a word."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now

from cycles.domain.words import CallOutcome, FailureClass, Operation, Verb
from cycles.errors import NotAllowedNowError, UnresolvedCallError
from cycles.models import Cycle, ExchangeCall, Intervention, SeenOrder, Step
from cycles.services import intervening, previewing, resolving, verifying
from cycles.services.resolving import Resolution, ResolutionOutcome
from tests.cycles.services.acts import fail, give_back, holding_coins, units_until
from tests.cycles.services.test_resolving import accepted_order, write_off
from tests.desk import TestDesk, operator

RESTS = {"status": "open", "executed_quantity": "0"}


def state_absent(row: Cycle) -> Intervention:
    """State that a request was never accepted."""
    stated = Resolution(outcome=ResolutionOutcome.CALL_ABSENT, evidence="ticket 7")
    made = resolving.resolve(
        row.pk, actor=operator(), reason="r", seen_version=row.version, resolution=stated
    )
    row.refresh_from_db()
    return made


def cancel_of(order: ExchangeCall, **facts: object) -> ExchangeCall:
    """Write that an order was to be cancelled an hour ago, and that nobody knows what became of that."""
    columns = {
        "operation": Operation.CANCEL_ORDER,
        "client_order_id": order.client_order_id[:-2] + "99",
        "outcome": CallOutcome.UNKNOWN,
        "request": {"market": order.request["market"], "cancels": order.client_order_id},
        "attempt": 2,
        "intended_at": Now(),
        "noted_at": Now() - timedelta(hours=1),
    }
    for name in ("cycle", "step", "venue", "fence", "fingerprint"):
        columns[name] = getattr(order, name)
    Step.objects.filter(pk=order.step_id).update(attempt=2)
    return ExchangeCall.objects.create(**(columns | facts))


def shown(order: ExchangeCall, status: str, executed: int) -> SeenOrder:
    """Write that a look has shown an order."""
    return SeenOrder.objects.create(
        venue=order.venue, client_order_id=order.client_order_id, venue_order_id="7", status=status,
        market="XRP/USDT", quantity=2000, executed_quantity=executed, look=1, first_seen_at=Now(),
        changed_at=Now(),
    )  # fmt: skip


@pytest.fixture
def order(db: None) -> ExchangeCall:
    """Give the order of a dead letter, accepted an hour ago and not settled since."""
    del db
    return accepted_order(fail(holding_coins(), FailureClass.BUG))


def is_settled(order: ExchangeCall) -> bool:
    """Say whether nothing is to come of an order any more."""
    order.refresh_from_db()
    return order.is_settled


def test_that_a_cancel_never_arrived_says_nothing_of_its_order(order: ExchangeCall) -> None:
    cancel = cancel_of(order)
    state_absent(order.cycle)
    cancel.refresh_from_db()
    assert cancel.outcome == CallOutcome.ABSENT
    assert not is_settled(order)
    state_absent(order.cycle)  # a second statement, of the order
    assert is_settled(order)


def test_what_is_written_off_with_a_cancel_keeps_its_order_from_being_given_up(
    order: ExchangeCall,
) -> None:
    cancel = cancel_of(order)
    with pytest.raises(UnresolvedCallError, match="redrive it"):
        write_off(order.cycle, "no cancel arrived")
    cancel.refresh_from_db()
    assert (cancel.outcome, is_settled(order)) == (CallOutcome.UNKNOWN, False)


@pytest.mark.parametrize(("status", "executed"), [("open", 0), ("open", 5), ("filled", 2000)])
def test_of_an_order_that_a_look_shows_nobody_states_that_nothing_came(
    order: ExchangeCall, status: str, executed: int
) -> None:
    seen = shown(order, status, executed)
    with pytest.raises(NotAllowedNowError, match=r"binance has shown .*: redrive"):
        state_absent(order.cycle)
    assert not is_settled(order)
    SeenOrder.objects.filter(pk=seen.pk).update(is_shown=False)  # the newest look has it no more
    state_absent(order.cycle)
    assert is_settled(order)


def test_of_an_order_that_was_found_for_its_cancel_nobody_states_that_nothing_came(
    order: ExchangeCall,
) -> None:
    """As the sweep finds it while the form lies open: the cancel is DONE by the order's own report."""
    cancel_of(order, outcome=CallOutcome.DONE, report=RESTS | {"executed_quantity": "2000"})
    with pytest.raises(NotAllowedNowError, match=r"binance has shown .*: redrive"):
        state_absent(order.cycle)
    assert not is_settled(order)


def test_an_order_that_its_venue_lost_after_it_took_the_cancel_holds_no_cycle_for_ever(
    order: ExchangeCall,
) -> None:
    cancel_of(order, outcome=CallOutcome.DONE, report=RESTS)
    state_absent(order.cycle)
    assert is_settled(order)


def test_a_statement_keeps_the_requests_that_it_was_about(order: ExchangeCall) -> None:
    cancel = cancel_of(order)
    named = [
        state_absent(order.cycle).payload["requests"],
        state_absent(order.cycle).payload["requests"],
    ]
    assert named == [[cancel.client_order_id], [order.client_order_id]]


def test_a_preview_names_the_requests_that_a_statement_would_be_about(order: ExchangeCall) -> None:
    cancel = cancel_of(order)
    before = " ".join(previewing.preview(Verb.RESOLVE, order.cycle_id).effects)
    assert f"cancel order {cancel.client_order_id} at binance" in before
    assert order.client_order_id not in before
    state_absent(order.cycle)
    after = " ".join(previewing.preview(Verb.RESOLVE, order.cycle_id).effects)
    assert f"nothing came of place order {order.client_order_id} at binance" in after


def test_coins_are_not_sold_again_once_their_orders_cancel_is_stated_absent(desk: TestDesk) -> None:
    row = desk.open()
    lease = units_until(desk, row, "DEPOSIT", "upbit")
    desk.unit(lease)  # the SELL is sent; Upbit's reply shows no fill yet
    give_back(lease)
    order = ExchangeCall.objects.get(cycle=row, venue="upbit", operation=Operation.PLACE_ORDER)
    assert not order.is_settled
    cancel_of(order)
    ExchangeCall.objects.filter(cycle=row).update(noted_at=F("noted_at") - timedelta(hours=1))
    fail(row, FailureClass.BUG, "its reads fail")
    state_absent(row)
    desk.control("/control/balances", {"venue": "upbit", "asset": "XRP", "credit": "5000"})
    intervening.redrive(row.pk, actor=operator(), reason="go on", seen_version=row.version)
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED", "DEAD_LETTER")
    sold = [one for one in desk.control("/control/orders") if one["venue"] == "upbit"]
    assert [one["client_order_id"] for one in sold] == [order.client_order_id]
    desk.control("/control/balances", {"venue": "upbit", "asset": "XRP", "credit": "-5000"})
    assert verifying.verify_ledger().matches_venues
