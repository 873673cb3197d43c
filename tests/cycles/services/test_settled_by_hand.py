"""What ends by a person's word though the ledger does not know it: by the newest form only, which says what is learnt."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models.functions import Now

from cycles.domain.words import CallOutcome, CycleStatus, FailureClass, Verb, WatchKind
from cycles.errors import LeaseLostError, NotAllowedNowError, StaleVersionError, UnresolvedCallError
from cycles.models import Alert, ExchangeCall, Intervention, SeenOrder
from cycles.services import calling, looking, previewing, reconciling, sighting, verifying
from cycles.services.calling import Noted
from cycles.services.desk import database_now
from cycles.services.resolving import Received
from exchanges.values import Market, OrderReport, OrderStatus, Side
from tests import builders
from tests.cycles.services.acts import balance, fail, give_back, holding_coins
from tests.cycles.services.test_resolving import write_off
from tests.cycles.services.test_stating import (
    RESTS,
    cancel_of,
    is_settled,
    order,
    seen_before_it_died,
    settle_by_hand,
    shown,
    state_absent,
    told_before,
)
from tests.desk import TestDesk

__all__ = ["order"]


@pytest.mark.parametrize("told_by", ["look", "cancel"])
def test_settled_by_hand_ends_also_what_no_look_can_settle(
    told_by: str, order: ExchangeCall
) -> None:
    """As where its venue is shut: a redrive would never come to what the order brought."""
    if told_by == "look":
        shown(order, "filled", 2000)
    else:
        executed = RESTS | {"executed_quantity": "2000"}
        cancel_of(order, outcome=CallOutcome.DONE, report=executed)
    row = order.cycle
    with pytest.raises(UnresolvedCallError, match="or state as settled by hand all"):
        settle_by_hand(row)
    assert f"nothing more is booked of place order {order.client_order_id}" in told_before(order)
    made = settle_by_hand(row, Received(venue="binance", asset="USDT", quantity=Decimal(990)))
    assert (row.status, is_settled(order)) == (CycleStatus.COMPLETED, True)
    assert made.payload["requests"] == [order.client_order_id]
    assert balance("binance", "USDT") == 990
    assert verifying.balance_problems() == ()


def filled(call: ExchangeCall) -> OrderReport:
    """Give an order that executed whole as its venue shows it."""
    return OrderReport(
        venue=call.venue, market=Market("XRP", "USDT"), side=Side.BUY, venue_order_id="7",
        client_order_id=call.client_order_id, status=OrderStatus.FILLED, quantity=Decimal(2000),
        executed_quantity=Decimal(2000), fills=(), created_at=None,
    )  # fmt: skip


def found_filled(call: ExchangeCall) -> None:
    """Let the sweep find, now, that a request whose outcome was unknown had executed whole."""
    reconciling.record(call, Noted(outcome=CallOutcome.DONE, report=filled(call)))


@pytest.fixture
def unknown(db: None) -> ExchangeCall:
    """Give the order of a dead letter of which nobody knows whether it was accepted, given up an hour ago."""
    del db
    return builders.order_call(fail(holding_coins(), FailureClass.BUG), CallOutcome.UNKNOWN)


LATE = "something was learnt only after the cycle died: a redrive settles what came of it"
LITTLE = Received(venue="binance", asset="XRP", quantity=Decimal(1))


def test_settled_by_hand_is_not_stated_of_what_is_found_while_the_form_lies_open(
    unknown: ExchangeCall,
) -> None:
    row = unknown.cycle
    found_filled(unknown)
    with pytest.raises(StaleVersionError):
        settle_by_hand(row, LITTLE)
    row.refresh_from_db()
    assert (row.status, is_settled(unknown)) == (CycleStatus.DEAD_LETTER, False)


def shown_once(call: ExchangeCall) -> None:
    """Let a look have shown an order resting when its cycle died, and a later one no more."""
    seen = shown(call, "open", 0)
    seen_before_it_died(seen)
    SeenOrder.objects.filter(pk=seen.pk).update(is_shown=False)


def looked(call: ExchangeCall, *reports: OrderReport) -> None:
    """Let a look that was under way when a cycle died show this of its order."""
    look = looking.begin(call.venue, WatchKind.ORDERS, apart=timedelta(0), since=database_now())
    assert look is not None
    sighting.record(look, sighting.of_orders(reports, [call.client_order_id]))


@pytest.mark.parametrize("by", ["settling", "giving up"])
def test_what_a_look_shows_again_while_the_form_lies_open_is_ended_by_nobodys_word(
    by: str, unknown: ExchangeCall
) -> None:
    """Its fill was told of only then: whoever filled in the form has named nothing of it."""
    shown_once(unknown)
    assert "By that nothing more is booked of" in told_before(unknown)
    looked(unknown, filled(unknown))
    with pytest.raises((UnresolvedCallError, NotAllowedNowError)):
        settle_by_hand(unknown.cycle, LITTLE) if by == "settling" else write_off(
            unknown.cycle, "the venue is bankrupt"
        )
    assert "Settled by hand: refused while" in told_before(unknown)
    assert (unknown.cycle.status, is_settled(unknown)) == (CycleStatus.DEAD_LETTER, False)


def test_what_looks_do_not_show_any_more_since_the_cycle_died_is_settled_by_hand(
    unknown: ExchangeCall,
) -> None:
    seen_before_it_died(shown(unknown, "open", 0))
    looked(unknown)
    assert not SeenOrder.objects.get().is_shown
    settle_by_hand(unknown.cycle, LITTLE)
    assert is_settled(unknown)


def test_who_looks_again_is_told_what_was_found_and_settles_it_by_hand(
    unknown: ExchangeCall,
) -> None:
    row = unknown.cycle
    found_filled(unknown)
    row.refresh_from_db()
    assert f"Of place order {unknown.client_order_id} at binance {LATE}" in told_before(unknown)
    settle_by_hand(row, LITTLE)
    assert (row.status, is_settled(unknown)) == (CycleStatus.COMPLETED, True)


def test_what_was_known_when_a_cycle_died_is_no_news(order: ExchangeCall) -> None:
    assert LATE not in told_before(order)
    assert LATE not in told_of_a_write_off(order)


def test_a_word_that_comes_late_from_its_own_worker_makes_a_form_stale_too(desk: TestDesk) -> None:
    row = desk.open()
    desk.fault(fault="F4", when="once", venue="binance", method="POST", path_regex="/order$")
    lease = desk.lease(row)
    desk.unit(lease)
    give_back(lease)
    fail(row, FailureClass.BUG)
    call = ExchangeCall.objects.get(cycle=row)
    refused = Noted(outcome=CallOutcome.REFUSED, refusal="OTHER", error="it was refused")
    with pytest.raises(LeaseLostError):
        calling.note(lease, call, refused)
    with pytest.raises(StaleVersionError):
        settle_by_hand(row, LITTLE)


def test_a_preview_says_that_nothing_is_settled_by_hand_over_an_open_request(
    unknown: ExchangeCall,
) -> None:
    named = f"Settled by hand: refused while place order {unknown.client_order_id} at binance"
    assert named in told_before(unknown)
    found_filled(unknown)
    assert "By that nothing more is booked of" in told_before(unknown)


def told_of_a_write_off(order: ExchangeCall) -> str:
    """Give what a preview of giving up says."""
    return " ".join(previewing.preview(Verb.WRITE_OFF, order.cycle_id).effects)


def test_what_is_filled_and_gone_with_its_venue_is_written_off_with_evidence(
    order: ExchangeCall,
) -> None:
    shown(order, "filled", 2000)
    row = order.cycle
    with pytest.raises(UnresolvedCallError, match="name the evidence that all of it is lost"):
        write_off(row)
    named = f"nothing more is booked of place order {order.client_order_id}"
    assert named in told_of_a_write_off(order)
    write_off(row, "the venue is bankrupt: file 7")
    assert (row.status, is_settled(order)) == (CycleStatus.FAILED, True)
    made = Intervention.objects.get(cycle=row, verb=Verb.WRITE_OFF)
    assert made.payload["requests"] == [order.client_order_id]
    assert verifying.balance_problems() == ()


def test_what_is_found_while_the_form_lies_open_is_not_written_off(unknown: ExchangeCall) -> None:
    row = unknown.cycle
    found_filled(unknown)
    with pytest.raises(StaleVersionError):
        write_off(row, "never arrived")
    assert not is_settled(unknown)
    assert f"Of place order {unknown.client_order_id} at binance {LATE}" in told_of_a_write_off(
        unknown
    )
    row.refresh_from_db()
    write_off(row, "the venue is bankrupt")
    assert is_settled(unknown)


def test_evidence_of_a_cancel_that_is_found_absent_meanwhile_writes_off_no_order(
    order: ExchangeCall,
) -> None:
    row = order.cycle
    reconciling.record(cancel_of(order), Noted(outcome=CallOutcome.ABSENT))
    with pytest.raises(StaleVersionError):
        write_off(row, "no cancel arrived")
    assert not is_settled(order)


@pytest.mark.parametrize("by", ["a person", "the sweep"])
def test_what_was_settled_by_hand_is_not_traded_again_though_its_cancel_was_learnt_of_late(
    by: str, order: ExchangeCall
) -> None:
    """A redrive would trade the same coins again, and must not be all that is left."""
    cancel, row = cancel_of(order), order.cycle
    if by == "a person":
        state_absent(row)
    else:
        reconciling.record(cancel, Noted(outcome=CallOutcome.ABSENT))
        row.refresh_from_db()
    assert (LATE in told_before(order)) == (by == "the sweep")  # a person's own word is no news
    settle_by_hand(row, Received(venue="binance", asset="USDT", quantity=Decimal(990)))
    assert (row.status, is_settled(order)) == (CycleStatus.COMPLETED, True)
    assert verifying.balance_problems() == ()


def test_what_a_look_finds_just_after_it_was_stated_absent_is_told(unknown: ExchangeCall) -> None:
    """The sweep had read it before, and asks its venue meanwhile."""
    as_read = ExchangeCall.objects.get(pk=unknown.pk)
    state_absent(unknown.cycle)
    found_filled(as_read)
    unknown.refresh_from_db()
    assert unknown.outcome == CallOutcome.ABSENT
    alert = Alert.objects.get(key=f"contradicted:{unknown.client_order_id}")
    assert (alert.severity, "after all" in alert.title) == ("CRITICAL", True)


def test_what_two_looks_find_alike_contradicts_nothing(unknown: ExchangeCall) -> None:
    as_read = ExchangeCall.objects.get(pk=unknown.pk)
    found_filled(unknown)
    found_filled(as_read)
    assert not Alert.objects.filter(key__startswith="contradicted:").exists()


def test_a_preview_of_giving_up_names_an_open_request_and_as_what_it_ends(
    unknown: ExchangeCall,
) -> None:
    named = f"With evidence place order {unknown.client_order_id} at binance, which is open"
    assert f"{named}, ends as never accepted" in told_of_a_write_off(unknown)
    ExchangeCall.objects.filter(pk=unknown.pk).update(noted_at=Now())
    told = told_of_a_write_off(unknown)
    assert "Cannot be written off now: binance may still accept" in told
    assert "ends as never accepted" not in told
