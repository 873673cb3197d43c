"""What an unwind leaves to be done is done: a cycle that waited for its way home waits on, one at its end ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest
from django.db.models.functions import Now

from cycles.domain import postings
from cycles.domain.states import DRIVEN_BY
from cycles.domain.words import (
    AccountOwner,
    CallOutcome,
    CycleStatus,
    FailureClass,
    Plan,
    PostingKind,
    WatchKind,
)
from cycles.models import Alert, Cycle, ExchangeCall, Intervention, Step, Transition
from cycles.selectors.awaited import awaited, awaited_orders
from cycles.services import (
    booking,
    dead_letters,
    intervening,
    looking,
    rebalancing,
    sighting,
    verifying,
)
from cycles.services.locking import in_transaction
from cycles.services.moving import move
from exchanges import registry
from exchanges.models import NetworkRule
from tests import builders
from tests.cycles.services.acts import balance, fail, give_back
from tests.cycles.services.test_rebalancing import at_policy_of, waiting
from tests.cycles.services.test_rest_in_korea import HOME, NEVER, left_by_xrp
from tests.desk import TestDesk, eventually, operator, why


def fee_falls() -> None:
    """Let what the desk knows of Upbit's fee for XRP be more than Upbit takes: it gives the difference back."""
    NetworkRule.objects.filter(venue="upbit", asset="XRP").update(withdraw_fee=12)


def dead_in_its_wait(desk: TestDesk) -> Cycle:
    """Give a cycle that died waiting for the way home of its rest, with coins that its first way has left in Korea."""
    row = left_by_xrp(desk, "0.5", NEVER)
    fee_falls()
    desk.drive_until(row, "AWAITING_REBALANCE", "COMPLETED", "DEAD_LETTER")
    assert row.status == CycleStatus.AWAITING_REBALANCE, why(row)
    desk.sample()
    assert balance("upbit", "XRP", "CYCLE", row) > 10
    return fail(row, FailureClass.POLICY_DENIED, "longest wait")


def resumed(desk: TestDesk, row: Cycle) -> Cycle:
    """Let a cycle go on until it has left its unwind."""
    desk.drive_until(row, "AWAITING_REBALANCE", "DEAD_LETTER", "FAILED", "COMPLETED")
    while row.plan == Plan.UNWIND and row.status == CycleStatus.AWAITING_REBALANCE:
        desk.step(row)
    return row


def test_a_cycle_that_is_unwound_in_its_wait_waits_on_with_its_won(desk: TestDesk) -> None:
    row = dead_in_its_wait(desk)
    krw, at_desk = rebalancing.krw_in_hand(row), balance("upbit", "KRW")
    since = rebalancing.waiting_since(row)
    assert dead_letters.process_dead_letters() == 1
    row.refresh_from_db()
    resumed(desk, row)
    assert (row.status, row.plan) == (CycleStatus.AWAITING_REBALANCE, Plan.RESUME)
    assert (
        rebalancing.waiting_since(row) == since
    )  # nobody let it go on: no longest wait begins anew
    assert rebalancing.krw_in_hand(row) > krw  # what the coins brought is with them
    assert balance("upbit", "KRW") == at_desk
    at_policy_of(row, allowed_assets=["XRP"], min_rebalance_edge_bps=HOME)
    desk.sample()
    desk.drive_until(row, "COMPLETED", "DEAD_LETTER")
    assert row.status == CycleStatus.COMPLETED
    assert verifying.verify_ledger().matches_venues


@pytest.mark.parametrize("verb", [intervening.redrive, intervening.unwind])
def test_a_wait_that_a_person_lets_go_on_begins_anew(
    verb: Callable[..., Intervention], desk: TestDesk
) -> None:
    row = dead_in_its_wait(desk)
    verb(row.pk, actor=operator(), reason="go on", seen_version=row.version)
    assert rebalancing.waiting_since(row) == Transition.objects.filter(cycle=row).latest("id").at


def coins_in_korea(desk: TestDesk, row: Cycle, quantity: int) -> Cycle:
    """Give a cycle XRP at Upbit, and Upbit as many."""
    lines = postings.moved(
        "upbit", "XRP", Decimal(quantity), origin=AccountOwner.CAPITAL, target=AccountOwner.CYCLE
    )
    booking.post(f"coins:{row.code}", PostingKind.FILL, lines, cycle=row)
    desk.control("/control/balances", {"venue": "upbit", "asset": "XRP", "credit": str(quantity)})
    return row


def test_a_cycle_that_is_unwound_before_its_wait_begins_comes_home_too(desk: TestDesk) -> None:
    row = desk.drive_until(desk.open(), "INITIAL_TRADE_COMPLETED")
    fail(coins_in_korea(desk, row, 40), FailureClass.BUG)
    assert row.resume_status == CycleStatus.INITIAL_TRADE_COMPLETED
    intervening.unwind(row.pk, actor=operator(), reason="sell", seen_version=row.version)
    desk.drive_until(row, "COMPLETED", "FAILED", "DEAD_LETTER")
    assert (row.status, row.plan) == (CycleStatus.COMPLETED, Plan.RESUME)
    assert balance("upbit", "XRP") == 0


def left_by_a_fallen_fee(desk: TestDesk) -> Cycle:
    """Give a round trip that comes home by XRP, for a network fee that has fallen."""
    row = waiting(desk, allowed_assets=["XRP"])
    at_policy_of(row, allowed_assets=["XRP"], min_rebalance_edge_bps=HOME)
    fee_falls()
    return row


def test_coins_that_a_fallen_fee_leaves_in_korea_are_sold_before_the_books_are_closed(
    desk: TestDesk,
) -> None:
    before = balance("upbit", "KRW")
    row = desk.drive_until(left_by_a_fallen_fee(desk), "COMPLETED", "DEAD_LETTER", "FAILED")
    assert row.status == CycleStatus.COMPLETED, row.failure_reason
    assert balance("upbit", "XRP") + balance("upbit", "XRP", "DUST") < 1
    assert balance("upbit", "KRW") > before + 20_000
    assert Alert.objects.filter(key=f"rest:{row.code}").exists()
    assert not Transition.objects.filter(cycle=row, to_status="DEAD_LETTER").exists()
    assert verifying.verify_ledger().matches_venues


def test_a_cycle_at_its_end_whose_sale_died_ends_completed_by_the_usual_verbs(
    desk: TestDesk,
) -> None:
    row = left_by_a_fallen_fee(desk)
    desk.drive_until(row, "REBALANCING_IN_PROGRESS")
    lease = desk.lease(row)
    planned = Step.objects.filter(cycle=row, passage="UNWIND")
    eventually(lambda: planned.exists() or not desk.unit(lease))
    give_back(lease)
    for verb in (intervening.redrive, intervening.unwind):
        fail(row, FailureClass.BUG, "the sale died")
        assert row.resume_status == CycleStatus.REBALANCE_TRADE_COMPLETED
        verb(row.pk, actor=operator(), reason="go on", seen_version=row.version)
        row.refresh_from_db()
    desk.drive_until(row, "COMPLETED", "DEAD_LETTER", "FAILED")
    assert row.status == CycleStatus.COMPLETED
    assert verifying.verify_ledger().matches_venues


def test_orders_are_looked_at_wherever_a_worker_drives_a_cycle(db: None) -> None:
    """Coins are sold also where a cycle waits, and at its end."""
    del db
    row = builders.cycle()
    a_minute_ago = Now() - timedelta(minutes=1)
    order = builders.order_call(row, CallOutcome.UNKNOWN, intended_at=a_minute_ago)
    for status in DRIVEN_BY:
        if status != row.status:
            facts = {"event": "told", "actor": "tester", "return_asset": "XRP"}
            in_transaction(partial(move, row, status, **facts))
        (key,) = awaited_orders(order.venue)
        assert key.client_order_id == order.client_order_id
        assert (order.venue, WatchKind.ORDERS) in awaited(), status


def seen(order: ExchangeCall, executed: int) -> sighting.Sighting:
    """Give what a look showed of an order."""
    row = {
        "client_order_id": order.client_order_id, "venue_order_id": "7", "market": "XRP/USDT", "quantity": 2000,
        "executed_quantity": executed, "status": "open", "detail": "", "created_at": registry.utc_now(),
    }  # fmt: skip
    return sighting.Sighting(rows=[row], since=None, asked=frozenset({order.client_order_id}))


def test_what_is_seen_of_an_order_wakes_its_cycle_wherever_a_worker_drives_it(db: None) -> None:
    del db
    row = builders.cycle()
    order = builders.order_call(row, CallOutcome.UNKNOWN)
    for executed, status in enumerate(DRIVEN_BY):
        if status != row.status:
            facts = {"event": "told", "actor": "tester", "return_asset": "XRP"}
            in_transaction(partial(move, row, status, **facts))
        Cycle.objects.update(wake_at=Now() + timedelta(hours=1))
        look = looking.begin(
            order.venue, WatchKind.ORDERS, apart=timedelta(0), since=registry.utc_now()
        )
        assert look is not None
        assert sighting.record(look, seen(order, executed)).woken == 1, status
