"""An accepted order counts as lost only where its venue was asked for it, and knew of none."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from cycles.domain.postings import moved
from cycles.domain.progress import Progress, Turn, waiting
from cycles.domain.words import AccountOwner, CallOutcome, CycleStatus, FailureClass, PostingKind
from cycles.errors import NotAllowedNowError, StaleVersionError, UncoveredError
from cycles.models import Cycle, ExchangeCall, SeenOrder
from cycles.selectors.awaited import awaited_orders
from cycles.services import booking, intervening, replaying, retracing, trading, verifying
from cycles.services.moving import Lease
from cycles.services.recalling import History, Trace
from cycles.services.retraced import Retraced
from exchanges import registry
from exchanges.values import Market, OrderReport, OrderStatus, Side
from tests import builders
from tests.cycles.services.acts import age, balance, fail, give_back, holding_coins
from tests.cycles.services.test_stating import (
    cancel_of,
    is_settled,
    looked_for_in_vain,
    order,
    shown,
    state_absent,
    told_before,
)
from tests.desk import TestDesk, eventually, operator, why

__all__ = ["order"]

ORDER = {"venue": "binance", "path_regex": "/api/v3/order$"}
LISTED = {"venue": "binance", "method": "GET", "path_regex": "/api/v3/allOrders"}
NOTHING = {"status": 200, "json": []}
UNKNOWN_THERE = {"status": 400, "json": {"code": -2013, "msg": "Order does not exist."}}


@pytest.fixture
def row(desk: TestDesk) -> Cycle:
    return desk.open()


@pytest.fixture
def lease(desk: TestDesk, row: Cycle) -> Lease:
    """Place an order that rests; the venue's lists leave it out, as one that is older than they reach."""
    desk.fault(phase="before", action="status", args=NOTHING, **LISTED)
    rests = {"fault": "F13", "action": "rests", "args": {"value": "0"}, "when": "once"}
    desk.fault(method="POST", **rests, **ORDER)
    held = desk.lease(row)
    desk.unit(held)
    return held


def died_of(row: Cycle, last: Progress) -> None:
    """Let a cycle fail for good."""
    Cycle.objects.filter(pk=row.pk).update(retry_count=100)
    fail(row, last.failure, last.reason)


def dead(desk: TestDesk, row: Cycle, lease: Lease) -> Cycle:
    """Let its worker ask until it gives up, for good."""
    last = waiting(timedelta(0))
    for _ in range(8):
        age(row, 60)
        last = desk.unit(lease)
        if last.turn is Turn.FAIL:
            break
    give_back(lease)
    died_of(row, last)
    assert (row.status, row.failure_class) == (CycleStatus.DEAD_LETTER, "UNKNOWN_ORDER"), why(row)
    longer = {
        "noted_at": F("noted_at") - timedelta(hours=1),
        "missed_at": F("missed_at") - timedelta(hours=1),
    }
    ExchangeCall.objects.filter(cycle=row).update(**longer)
    return row


def is_watched(seen: SeenOrder) -> None:
    """Let looks ask for an order that one has shown: a young one is its worker's own to read."""
    eventually(lambda: bool(awaited_orders(seen.venue)))


def placed(row: Cycle) -> ExchangeCall:
    """Give the first order of a cycle."""
    return ExchangeCall.objects.filter(cycle=row, operation="PLACE_ORDER").order_by("pk")[0]


def test_of_an_order_that_is_found_resting_nobody_states_that_nothing_came(
    desk: TestDesk, row: Cycle, lease: Lease
) -> None:
    """Its cancel's reply is lost, so that it rests on; its lists do not show it."""
    desk.fault(method="DELETE", phase="before", action="fin", **ORDER)
    dead(desk, row, lease)
    assert "shows it open still" in row.failure_reason
    assert "is not found any more" not in told_before(placed(row))
    with pytest.raises(NotAllowedNowError, match=r"was asked to cancel it: redrive"):
        state_absent(row)
    desk.control("/control/faults", method="DELETE")
    by_hand = {"client_order_id": placed(row).client_order_id}
    registry.venue("binance").cancel_order(Market("XRP", "USDT"), **by_hand)
    intervening.redrive(row.pk, actor=operator(), reason="go on", seen_version=row.version)
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED", "DEAD_LETTER")
    assert verifying.verify_ledger().matches_venues


def test_an_order_that_its_venue_no_longer_knows_is_stated_lost_once_it_was_asked_for(
    desk: TestDesk, row: Cycle, lease: Lease
) -> None:
    age(row, 11)
    desk.unit(lease)  # it rests, and is cancelled; its venue answers that
    desk.fault(method="GET", phase="before", action="status", args=UNKNOWN_THERE, **ORDER)
    dead(desk, row, lease)
    assert "is not found any more" in told_before(placed(row))
    state_absent(row)
    assert is_settled(placed(row))


def test_what_is_found_after_it_was_not_is_asked_for_anew(
    desk: TestDesk, row: Cycle, lease: Lease
) -> None:
    ExchangeCall.objects.filter(cycle=row).update(missed_at=Now())
    desk.unit(lease)
    assert placed(row).missed_at is None


def resting(call: ExchangeCall) -> Trace:
    """Give an order that rests as its venue shows it to whoever catches up."""
    report = OrderReport(
        venue=call.venue, market=Market("XRP", "USDT"), side=Side.BUY, venue_order_id="7",
        client_order_id=call.client_order_id, status=OrderStatus.OPEN, quantity=Decimal(2000),
        executed_quantity=Decimal(0), fills=(), created_at=None,
    )  # fmt: skip
    return Trace(venue=call.venue, report=report, name=None)


def caught_up_with(call: ExchangeCall) -> None:
    """Let whoever catches up find an order resting."""
    history = History(since=call.intended_at)
    with transaction.atomic():
        replaying.place(call.cycle, resting(call), history, actor="root")


def test_what_catching_up_finds_resting_is_asked_for_anew(order: ExchangeCall) -> None:
    looked_for_in_vain(order.cycle)
    caught_up_with(ExchangeCall.objects.get(pk=order.pk))
    order.cycle.refresh_from_db()
    with pytest.raises(NotAllowedNowError, match="redrive"):
        state_absent(order.cycle)
    assert not is_settled(order)


def test_what_catching_up_finds_of_an_unknown_request_makes_a_form_stale(db: None) -> None:
    del db
    call = builders.order_call(fail(holding_coins(), FailureClass.BUG), CallOutcome.UNKNOWN)
    as_the_form_has_it = Cycle.objects.get(pk=call.cycle_id)
    caught_up_with(call)
    with pytest.raises(StaleVersionError):
        state_absent(as_the_form_has_it)
    assert not is_settled(call)


def test_what_is_found_and_cannot_be_booked_is_asked_for_anew(desk: TestDesk, row: Cycle) -> None:
    rests = {"fault": "F13", "action": "rests", "args": {"value": "0.5"}, "when": "once"}
    desk.fault(method="POST", **rests, **ORDER)
    lease = desk.lease(row)
    desk.unit(lease)
    by_hand = {"client_order_id": placed(row).client_order_id}
    registry.venue("binance").cancel_order(Market("XRP", "USDT"), **by_hand)
    call = placed(row)
    ExchangeCall.objects.filter(pk=call.pk).update(missed_at=Now())
    for owner, cycle in ((AccountOwner.CYCLE, row), (AccountOwner.DESK, None)):
        there = balance("binance", "USDT", owner, cycle)
        lines = moved("binance", "USDT", there, origin=owner, target=AccountOwner.CAPITAL)
        booking.post(f"gone:{owner}", PostingKind.CAPITAL, lines, cycle=cycle)
    with pytest.raises(UncoveredError):
        trading.settle_open_order(lease, placed(row))
    assert (placed(row).missed_at, is_settled(call)) == (None, False)


def test_only_who_holds_a_cycle_writes_that_its_order_was_not_found(
    desk: TestDesk, row: Cycle, lease: Lease
) -> None:
    desk.fault(method="GET", phase="before", action="status", args=UNKNOWN_THERE, **ORDER)
    age(row, 180)
    Cycle.objects.filter(pk=row.pk).update(fence=F("fence") + 1)
    assert trading.settle_open_order(lease, placed(row)).turn is Turn.FAIL
    assert placed(row).missed_at is None


def test_what_nobody_has_asked_for_is_asked_for_before_anything_is_stated_of_it(
    order: ExchangeCall,
) -> None:
    assert "was not asked since what became of it" in told_before(order)
    with pytest.raises(NotAllowedNowError, match=r"accepted .* was not asked since .*: redrive"):
        state_absent(order.cycle)
    assert not is_settled(order)


def test_what_a_restore_leaves_to_a_person_was_not_asked_for(order: ExchangeCall) -> None:
    """It may be that very order which was found, and does not fit."""
    cancel_of(order)
    state_absent(order.cycle)
    looked_for_in_vain(order.cycle)
    administrator = operator("root", "administrator")
    with transaction.atomic():
        retracing.park(
            Retraced(to_park={order.cycle.pk: (FailureClass.UNKNOWN_ORDER, "it fits no step")}),
            administrator,
        )
    order.cycle.refresh_from_db()
    with pytest.raises(NotAllowedNowError, match="redrive"):
        state_absent(order.cycle)
    assert not is_settled(order)


def test_one_redrive_is_enough_where_its_own_look_finds_an_order_listed_no_more(
    desk: TestDesk, row: Cycle, lease: Lease
) -> None:
    """It is asked for after that look, and so after all that was learnt of it."""
    is_watched(shown(placed(row), "open", 0))
    desk.fault(method="GET", phase="before", action="status", args=UNKNOWN_THERE, **ORDER)
    age(row, 180)
    last = desk.unit(lease)
    assert not SeenOrder.objects.get(client_order_id=placed(row).client_order_id).is_shown
    give_back(lease)
    died_of(row, last)
    state_absent(row)
    assert is_settled(placed(row))
