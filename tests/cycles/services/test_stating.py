"""What a person states of one request is no statement on another: nothing is sold twice on such a word."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now

from cycles.domain.words import CallOutcome, FailureClass, Operation, Verb
from cycles.errors import (
    NotAllowedNowError,
    UnresolvedCallError,
)
from cycles.models import Cycle, ExchangeCall, Intervention, SeenOrder, SeenWithdrawal, Step
from cycles.services import (
    intervening,
    previewing,
    resolving,
    verifying,
)
from cycles.services.resolving import Received, Resolution, ResolutionOutcome
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


def settle_by_hand(row: Cycle, *received: Received) -> Intervention:
    """State that a cycle was settled by hand, and what its holdings became."""
    completed = ResolutionOutcome.COMPLETED
    stated = Resolution(outcome=completed, evidence="ticket 8", received=received)
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


def seen_before_it_died(seen: SeenOrder | SeenWithdrawal) -> None:
    """Let a look have shown something when the cycle died."""
    ago = Now() - timedelta(minutes=30)
    type(seen).objects.filter(pk=seen.pk).update(first_seen_at=ago, changed_at=ago)


@pytest.fixture
def order(db: None) -> ExchangeCall:
    """Give the order of a dead letter, accepted an hour ago and not settled since."""
    del db
    return accepted_order(fail(holding_coins(), FailureClass.BUG))


def looked_for_in_vain(row: Cycle) -> None:
    """Let a cycle have died, just now, of an order that its venue was asked for and does not know."""
    accepted = ExchangeCall.objects.filter(cycle=row, operation=Operation.PLACE_ORDER)
    accepted.update(missed_at=Now())
    died = {"status_since": Now(), "failure_class": FailureClass.UNKNOWN_ORDER}
    Cycle.objects.filter(pk=row.pk).update(**died)
    row.refresh_from_db()


def told_before(order: ExchangeCall) -> str:
    """Give what a preview of a statement says."""
    return " ".join(previewing.preview(Verb.RESOLVE, order.cycle_id).effects)


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
    with pytest.raises(NotAllowedNowError, match="was seen resting at binance"):
        state_absent(order.cycle)  # a second statement, of the order
    looked_for_in_vain(order.cycle)
    state_absent(order.cycle)
    assert is_settled(order)


@pytest.mark.parametrize("outcome", [CallOutcome.DONE, CallOutcome.ABSENT])
def test_a_statement_of_a_cancel_does_not_slide_onto_its_order_while_the_form_lies_open(
    outcome: CallOutcome, order: ExchangeCall
) -> None:
    cancel = cancel_of(order)
    looked_for_in_vain(order.cycle)
    before = told_before(order)
    assert f"cancel order {cancel.client_order_id} at binance alone" in before
    report = RESTS if outcome == CallOutcome.DONE else None
    ExchangeCall.objects.filter(pk=cancel.pk).update(outcome=outcome, report=report, noted_at=Now())
    with pytest.raises(NotAllowedNowError, match=r"was seen resting at binance.* redrive"):
        state_absent(order.cycle)
    assert not is_settled(order)


def test_that_an_order_was_never_accepted_is_not_stated_of_one_that_is_accepted_meanwhile(
    order: ExchangeCall,
) -> None:
    ago = {"status_since": Now() - timedelta(hours=2)}
    Cycle.objects.filter(pk=order.cycle_id).update(**ago)
    order.cycle.refresh_from_db()
    with pytest.raises(NotAllowedNowError, match="was not asked since"):
        state_absent(order.cycle)
    assert not is_settled(order)


def test_what_was_seen_resting_is_stated_lost_only_where_a_worker_died_of_not_finding_it(
    order: ExchangeCall,
) -> None:
    cancel_of(order, outcome=CallOutcome.DONE, report=RESTS)
    with pytest.raises(NotAllowedNowError, match=r"was seen resting at binance.* redrive"):
        state_absent(order.cycle)
    assert not is_settled(order)


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
    shown(order, status, executed)
    with pytest.raises(NotAllowedNowError, match=r"binance has shown .*: redrive"):
        state_absent(order.cycle)
    assert not is_settled(order)


def test_of_an_order_that_a_look_showed_once_nobody_states_that_nothing_came_before_it_was_asked_for(
    order: ExchangeCall,
) -> None:
    """What a list leaves out is no word on it."""
    seen = shown(order, "open", 0)
    SeenOrder.objects.filter(pk=seen.pk).update(is_shown=False)
    with pytest.raises(NotAllowedNowError, match=r"was seen resting at binance.* redrive"):
        state_absent(order.cycle)
    looked_for_in_vain(order.cycle)
    assert "seen resting, and is not found any more" in told_before(order)
    state_absent(order.cycle)
    assert is_settled(order)


@pytest.mark.parametrize(("status", "executed"), [("open", 5), ("filled", 2000)])
def test_of_an_order_that_a_look_once_showed_executed_nobody_ever_states_that_nothing_came(
    order: ExchangeCall, status: str, executed: int
) -> None:
    seen = shown(order, status, executed)
    SeenOrder.objects.filter(pk=seen.pk).update(is_shown=False)
    looked_for_in_vain(order.cycle)
    with pytest.raises(NotAllowedNowError, match=r"binance has shown .*: redrive"):
        state_absent(order.cycle)
    assert not is_settled(order)


def test_of_an_order_that_was_found_for_its_cancel_nobody_states_that_nothing_came(
    order: ExchangeCall,
) -> None:
    """As the sweep finds it while the form lies open: the cancel is DONE by the order's own report."""
    cancel_of(order, outcome=CallOutcome.DONE, report=RESTS | {"executed_quantity": "2000"})
    with pytest.raises(NotAllowedNowError, match=r"binance has shown .*: redrive"):
        state_absent(order.cycle)
    assert not is_settled(order)


@pytest.mark.parametrize("report", [RESTS, None], ids=["found", "answered"])
def test_an_order_that_its_venue_lost_after_it_took_the_cancel_holds_no_cycle_for_ever(
    report: dict[str, str] | None, order: ExchangeCall
) -> None:
    """Of a cancel that its venue answered nothing of the order is told; of one found by a look, that order is."""
    cancel_of(order, outcome=CallOutcome.DONE, report=report)
    looked_for_in_vain(order.cycle)
    assert "seen resting, and is not found any more" in told_before(order)
    state_absent(order.cycle)
    assert is_settled(order)


@pytest.mark.parametrize("report", [RESTS, None], ids=["found", "answered"])
def test_a_redrive_opens_the_way_to_state_lost_what_its_venue_has_lost(
    report: dict[str, str] | None, desk: TestDesk
) -> None:
    order = accepted_order(fail(holding_coins(), FailureClass.BUG))
    cancel_of(order, outcome=CallOutcome.DONE, report=report)
    row = order.cycle
    intervening.redrive(row.pk, actor=operator(), reason="look", seen_version=row.version)
    desk.drive_until(row, "DEAD_LETTER")
    assert row.failure_class == FailureClass.UNKNOWN_ORDER
    state_absent(row)
    assert is_settled(order)


def test_a_statement_keeps_the_requests_that_it_was_about(order: ExchangeCall) -> None:
    cancel = cancel_of(order)
    named = [state_absent(order.cycle).payload["requests"]]
    looked_for_in_vain(order.cycle)
    named.append(state_absent(order.cycle).payload["requests"])
    assert named == [[cancel.client_order_id], [order.client_order_id]]


def test_a_preview_names_the_requests_that_a_statement_would_be_about(order: ExchangeCall) -> None:
    cancel = cancel_of(order)
    before = told_before(order)
    assert f"cancel order {cancel.client_order_id} at binance" in before
    assert f"nothing came of place order {order.client_order_id}" not in before
    state_absent(order.cycle)
    assert f"cannot be stated now: {order.client_order_id} was seen resting" in told_before(order)


def test_a_preview_says_of_an_order_without_a_cancel_that_it_was_never_shown(
    order: ExchangeCall,
) -> None:
    looked_for_in_vain(order.cycle)
    named = f"nothing came of place order {order.client_order_id} at binance"
    assert f"{named}, which was accepted and never shown" in told_before(order)


def test_a_preview_offers_no_statement_that_will_be_refused(order: ExchangeCall) -> None:
    shown(order, "filled", 2000)
    told = told_before(order)
    assert f"cannot be stated now: binance has shown {order.client_order_id}: redrive" in told
    assert "nothing came of" not in told


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
