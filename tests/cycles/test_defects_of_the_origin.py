"""What was wrong in the system this one replaces: one test named after each defect."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django_q.models import Schedule

from cycles import conf, tasks
from cycles.domain.plan import buy_order, sell_order, sendable_quantity
from cycles.domain.premium import Route, edge_bps, way_back, way_out
from cycles.domain.states import TRANSITIONS
from cycles.domain.words import Channel, CycleStatus, FailureClass, Mode, Role, StepState
from cycles.errors import HaltedError, IllegalTransitionError, PermissionDeniedError
from cycles.models import Alert, Cycle, Desk, ExchangeCall, Step
from cycles.selectors.desk import desk_summary
from cycles.services import (
    alerting,
    booking,
    desk as desk_services,
    intervening,
    leasing,
    moving,
    quoting,
    valuing,
)
from exchanges import registry
from exchanges.conf import deadline_seconds
from exchanges.errors import ModeError
from exchanges.models import NetworkRule
from kimp.environment import load
from kimp.schedules import sync
from tests import builders
from tests.concurrency.orders import intend
from tests.cycles.domain.books import Rows, book, market_rules, network_rules
from tests.cycles.services.acts import (
    accepted,
    claimed,
    fail,
    give_back,
    make_due,
    set_policy,
    units_until,
    withdrawals,
)
from tests.desk import TestDesk, operator


def route(*, krw: str) -> Route:
    """Give a route whose Korean book stands around a price."""
    korea: Rows = ((krw, "99999"),)
    return Route(
        asset="XRP",
        global_book=book("XRP", "USDT", bids=(("2", "99999"),), asks=(("2", "99999"),)),
        korea_book=book("XRP", "KRW", bids=korea, asks=korea),
        global_taker_fee=Decimal(0),
        korea_taker_fee=Decimal(0),
        global_withdraw_fee=Decimal(0),
        korea_withdraw_fee=Decimal(0),
    )


def test_krw_compared_with_usdt_without_fx() -> None:
    for krw, size in (("2800", Decimal(2_800_000)), ("28", Decimal(28_000))):
        out, back = way_out(route(krw=krw), Decimal(2000)), way_back(route(krw=krw), size)
        assert out is not None
        assert back is not None
        # Both are KRW per USDT: whatever the won is worth, a market without a gap has no edge.
        assert edge_bps(out.krw_per_usdt, back.krw_per_usdt) == 0


@pytest.mark.django_db
def test_a_constant_fx_rate_in_the_profit_check() -> None:
    held = booking.holdings(builders.cycle(usdt=100))
    assert valuing.newest_prices("binance", "upbit").krw(held[0]) is None  # no rate, no value
    for rate in (Decimal(900), Decimal(1500)):
        builders.sample("XRP", at=desk_services.database_now(), krw_per_usdt_bid=rate)
        assert valuing.newest_prices("binance", "upbit").krw(held[0]) == 100 * rate


def test_buy_amount_from_krw_divided_by_a_usdt_price() -> None:
    order = buy_order(
        book("XRP", "USDT", asks=(("2.50", "99999"),)),
        market_rules(),
        spend=Decimal(5000),
        max_slippage_bps=Decimal(50),
        order_id="k",
    )
    assert order is not None
    assert order.quantity == Decimal("1992.0")  # 5000 USDT / 2.51 USDT, nothing in KRW


def test_slippage_never_computed(desk: TestDesk) -> None:
    row = desk.open()
    thin = {"bids": [["1.9", "9"]], "asks": [["2", "1"], ["9", "99999"]]}
    desk.control("/control/book", {"venue": "binance", "symbol": "XRPUSDT"} | thin)
    progress = desk.unit(desk.lease(row))
    assert progress.failure == FailureClass.SLIPPAGE_LIMIT
    assert "bps" in progress.reason


def test_a_cycle_saved_as_done_before_its_legs_ran(desk: TestDesk) -> None:
    row = desk.open()
    with pytest.raises(IllegalTransitionError), transaction.atomic():
        moving.move(
            moving.lock_for_operator(row.pk, seen_version=row.version),
            CycleStatus.COMPLETED, event="e", actor="a",
        )  # fmt: skip
    lease, running = desk.lease(row), True
    while Cycle.objects.get(pk=row.pk).status == CycleStatus.STARTED:
        running = Step.objects.filter(cycle=row).exclude(state=StepState.DONE).exists()
        lease = desk.lease(row) if desk.unit(lease).is_handed_back else lease
    assert not running  # it moved on after its last step was done, not before


@pytest.mark.parametrize("asset", ["XRP", "SOL", "ETH", "USDT"])
def test_a_finalizer_with_one_coin_hard_coded(desk: TestDesk, asset: str) -> None:
    set_policy(allowed_assets=[asset])
    row = desk.drive_until(desk.open(asset), "INITIAL_TRADE_COMPLETED")
    units_until(desk, row, "BUY", "upbit")
    assert row.return_asset == asset
    assert {step.asset for step in Step.objects.filter(cycle=row)} == {asset}


def test_a_cycle_kept_locked_when_no_rebalance_was_profitable(desk: TestDesk) -> None:
    set_policy(min_rebalance_edge_bps=Decimal(90_000))
    row = desk.drive_until(desk.open(), "INITIAL_TRADE_COMPLETED")
    desk.drive_until(row, "AWAITING_REBALANCE")
    assert (row.lease_owner, row.lease_expires_at) == ("", None)
    make_due(row)
    (lease,) = leasing.claim(Role.FINALIZER, "another", limit=5)
    assert lease.cycle_id == row.pk


def test_an_error_path_resetting_to_started(desk: TestDesk) -> None:
    row = desk.drive_until(desk.open(), "INITIAL_TRADE_COMPLETED")
    give_back(units_until(desk, row, "BUY", "upbit"))
    fail(row, FailureClass.TRANSIENT)
    assert row.resume_status == CycleStatus.REBALANCING_IN_PROGRESS
    bought = desk.posts("upbit", "/v1/orders")
    desk.step(row)
    assert row.status != CycleStatus.STARTED
    assert desk.posts("upbit", "/v1/orders") == bought


@pytest.mark.django_db
def test_retry_and_dead_letter_jobs_never_wired_in(desk: TestDesk) -> None:
    sync()
    wired = set(Schedule.objects.values_list("func", flat=True))
    assert {"cycles.tasks.sweep_retries", "cycles.tasks.process_dead_letters"} <= wired
    row = fail(desk.open(), FailureClass.TRANSIENT)
    make_due(row)
    assert tasks.sweep_retries() == 1
    dead = fail(row, FailureClass.BUG)
    tasks.process_dead_letters()
    assert Alert.objects.filter(cycle=dead).exists()


@pytest.mark.django_db
def test_no_way_out_of_the_dead_letter_state() -> None:
    assert TRANSITIONS[CycleStatus.DEAD_LETTER]
    row = builders.dead_letter()
    intervening.redrive(row.pk, actor=operator(), reason="r", seen_version=row.version)
    row.refresh_from_db()
    assert row.status == CycleStatus.RETRY_PENDING


@pytest.mark.django_db
def test_locks_without_an_owner() -> None:
    row = builders.cycle()
    lease = claimed(row)
    row.refresh_from_db()
    assert (row.lease_owner, row.fence) == ("tester", lease.fence)
    assert not leasing.release(replace(lease, owner="somebody else"), wake_in=None)
    assert not leasing.release(replace(lease, fence=lease.fence - 1), wake_in=None)
    assert leasing.release(lease, wake_in=None)


@pytest.mark.django_db
def test_locks_shorter_than_the_work_they_guard() -> None:
    assert conf.lease_seconds() > 2 * deadline_seconds()  # the longest call, and settling
    row = builders.cycle()
    claimed(row)
    Cycle.objects.filter(pk=row.pk).update(lease_expires_at=Now() + timedelta(seconds=1))
    assert leasing.renew("tester", [row.pk]) == {row.pk}
    row.refresh_from_db()
    assert row.lease_expires_at is not None
    left = row.lease_expires_at - desk_services.database_now()
    assert left > timedelta(seconds=conf.lease_seconds() - 5)


def test_lock_time_out_requeuing_without_looking_at_orders_already_placed(desk: TestDesk) -> None:
    row = desk.open()
    desk.fault(fault="F4", venue="binance", method="POST", path_regex="/order$", when="once")
    desk.unit(desk.lease(row))
    placed = set(accepted(desk, "binance"))
    Cycle.objects.filter(pk=row.pk).update(lease_expires_at=Now() - timedelta(seconds=1))
    desk.unit(desk.lease(row, owner="another"))
    assert desk.posts("binance", "/api/v3/order") == 1
    assert set(accepted(desk, "binance")) == placed
    assert ExchangeCall.objects.get(cycle=row).outcome == "DONE"


def test_memo_and_network_swapped_in_a_withdrawal_call(desk: TestDesk) -> None:
    row = desk.open()
    units_until(desk, row, "WITHDRAW")
    (there,) = withdrawals(desk, "binance")
    (address,) = [
        one
        for one in desk.control("/control/accounts")["accounts"]["upbit"]["deposit_addresses"]
        if one["asset"] == "XRP"
    ]
    assert (there["network"], there["tag"]) == (address["network"], address["tag"])
    assert there["tag"] not in {"", "XRP"}


def test_quantities_rounded_up_above_the_balance() -> None:
    held = Decimal("10.09999999")
    bids = book("XRP", "USDT", bids=(("2", "999"),))
    order = sell_order(
        bids, market_rules(), quantity=held, max_slippage_bps=Decimal(50), order_id="k"
    )
    assert order is not None
    assert order.quantity == Decimal("10.0")
    assert sendable_quantity(held, network_rules(fee="0", step="0.1")) == Decimal("10.0")


def test_no_client_order_ids(desk: TestDesk) -> None:
    row = desk.drive_until(desk.open(), "INITIAL_TRADE_COMPLETED")
    orders = ExchangeCall.objects.filter(cycle=row, operation="PLACE_ORDER")
    ours = set(orders.values_list("client_order_id", flat=True))
    assert {len(one) for one in ours} == {32}
    assert set(accepted(desk, "binance")) | set(accepted(desk, "upbit")) == ours


def test_wallet_status_merged_over_networks(desk: TestDesk) -> None:
    row = desk.open()
    give_back(units_until(desk, row, "BUY"))
    rule = NetworkRule.objects.get(venue="binance", asset="XRP", network="XRP")
    rule.pk, rule.network, rule.withdraw_is_open = None, "BEP20", False
    rule.save()  # another network of the same asset is shut: ours is not
    lease = desk.lease(row)
    NetworkRule.objects.filter(venue="binance", network="XRP").update(withdraw_is_open=False)
    NetworkRule.objects.filter(venue="binance", network="BEP20").update(withdraw_is_open=True)
    assert desk.unit(lease).failure == FailureClass.WALLET_CLOSED
    NetworkRule.objects.filter(venue="binance", network="XRP").update(withdraw_is_open=True)
    NetworkRule.objects.filter(venue="binance", network="BEP20").update(withdraw_is_open=False)
    desk.unit(lease)
    assert len(withdrawals(desk, "binance")) == 1


@pytest.mark.django_db
def test_total_pnl_not_cumulative() -> None:
    for earned in (12, -5, 30):
        builders.finished(pnl_usdt=earned)
    assert desk_summary().realised_pnl_usdt == Decimal(37)


@pytest.mark.django_db
def test_end_time_rewritten_by_each_save() -> None:
    row = builders.finished()
    ended = row.ended_at
    row.save()
    row.session_id = "another"
    row.save()
    row.refresh_from_db()
    assert row.ended_at == ended
    assert ended is not None


def addresses(patterns: list[Any], prefix: str = "") -> list[str]:
    """List every address of the web role."""
    found: list[str] = []
    for one in patterns:
        path = prefix + str(one.pattern)
        if isinstance(one, URLResolver):
            found += addresses(one.url_patterns, path)
        elif isinstance(one, URLPattern):
            found.append(path)
    return found


@pytest.mark.django_db
def test_chat_commands_without_an_identity_check() -> None:
    """Chat is a way out only, and who acts through any door is a user with a permission."""
    assert not [one for one in addresses(get_resolver().url_patterns) if "telegram" in one]
    assert not hasattr(alerting, "receive")
    row = builders.dead_letter()
    nobody = intervening.Actor(user=None, channel=Channel.API)
    with pytest.raises(PermissionDeniedError):
        intervening.redrive(row.pk, actor=nobody, reason="r", seen_version=row.version)


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post"])
def test_an_api_without_login(client: Client, method: str) -> None:
    found = [one for one in addresses(get_resolver().url_patterns) if one.startswith("api/v1/")]
    assert len(found) > 8
    for one in found:
        path = one.replace("<str:code>", "CYC-1").replace("<str:verb>", "redrive")
        reply = getattr(client, method)("/" + path.replace("<str:asset>", "XRP"))
        assert reply.status_code in {401, 405}, path
        assert reply.status_code == 401 or method == "post", path


@pytest.mark.django_db
def test_real_trading_as_the_default_mode(settings: Any, tmp_path: Path) -> None:
    assert settings.KIMP_LIVE is False
    assert load(tmp_path, {}).flag("KIMP_LIVE") is False
    registry.configure(database_is_live=True)
    try:
        with pytest.raises(ModeError):
            registry.is_live()
    finally:
        registry.configure(database_is_live=False)
    assert not registry.is_live()


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_a_cache_that_is_stale_in_other_processes() -> None:
    """What decisions rest on is read from the database each time: another's change is seen at once."""
    builders.right_clocks()
    builders.desk()
    builders.policy(notional_usdt=Decimal(1000))
    for _ in range(2):
        builders.cycle()
    goes_on, is_stopped = leasing.claim(Role.INITIATOR, "w", limit=2)
    intend(goes_on)
    assert quoting.sample_size_usdt(desk_services.current_policy()) == 1000
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("UPDATE cycles_desk SET mode = %s", [Mode.HALT])
            cursor.execute(
                "INSERT INTO cycles_policyversion SELECT (jsonb_populate_record(p, "
                """jsonb_build_object('id', p.id + 1, 'number', p.number + 1, 'notional_usdt', 70)))"""
                ".* FROM cycles_policyversion p"
            )
    finally:
        other.close()
    assert quoting.sample_size_usdt(desk_services.current_policy()) == 70
    with pytest.raises(HaltedError):
        intend(is_stopped)
    assert Desk.objects.get().mode == Mode.HALT
