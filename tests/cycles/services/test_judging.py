"""What was decided and has bought nothing yet is judged again: nothing is bought for an edge that is gone."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from cycles.domain.progress import Progress, Turn
from cycles.domain.words import CycleStatus, FailureClass, Mode, PauseScope
from cycles.models import Alert, Cycle, ExchangeCall, PremiumSample, Step, Transition
from cycles.services import (
    desk as desk_services,
    homing,
    intervening,
    judging,
    opening,
    rebalancing,
    standing,
)
from exchanges import recent
from exchanges.models import NetworkRule, RateWindow
from tests.cycles.services.acts import balance, fail, give_back, retire, set_policy, with_coins
from tests.cycles.services.test_barring import SAID, ban
from tests.cycles.services.test_rebalancing import at_policy_of, waiting
from tests.desk import TestDesk, operator

HOME = Decimal(-5000)  # any way back clears
NEVER = Decimal(90_000)


def opened(desk: TestDesk, rule: str = "LOCKED_EDGE", **policy: object) -> Cycle:
    """Let the initiator open a cycle by a rule of the policy."""
    floors = {"min_open_edge_bps": HOME, "band_open_premium_bps": HOME}
    set_policy(opening_rule=rule, **floors | policy)
    desk.sample()
    row = opening.open_if_decided(actor="initiator:1")
    assert row is not None
    return row


def long_ago(row: Cycle, *, seconds: int = 3600) -> None:
    """Let what a cycle does have been decided an hour ago, or so many seconds."""
    before = timedelta(seconds=seconds)
    Cycle.objects.filter(pk=row.pk).update(
        started_at=F("started_at") - before, status_since=F("status_since") - before
    )
    row.refresh_from_db()


def next_units(desk: TestDesk, row: Cycle, units: int = 2) -> Progress:
    """Do the next units of a cycle, on the samples that there are."""
    lease = desk.lease(row)
    progress: Progress = desk.unit(lease)
    for _ in range(units - 1):
        if progress.turn is Turn.GO_ON:
            progress = desk.unit(lease)
    give_back(lease)
    row.refresh_from_db()
    return progress


def bought(row: Cycle) -> int:
    """Count the orders that were written."""
    return ExchangeCall.objects.filter(cycle=row, operation="PLACE_ORDER").count()


def ended_flat(row: Cycle, reason: str) -> None:
    """Check that it bought nothing, gave its capital back, and says why."""
    assert (row.status, bought(row)) == (CycleStatus.FAILED, 0)
    assert row.realised_pnl_usdt == 0
    assert balance("binance", "USDT", "CYCLE", row) == 0
    assert reason in Transition.objects.get(cycle=row, event="not_bought").reason
    assert {step.state for step in Step.objects.filter(cycle=row)} == {"ABANDONED"}


@pytest.mark.parametrize(
    ("rule", "floor"),
    [("LOCKED_EDGE", "min_open_edge_bps"), ("PREMIUM_BAND", "band_open_premium_bps")],
)
def test_a_cycle_whose_edge_is_gone_before_it_bought_ends_flat(
    desk: TestDesk, rule: str, floor: str
) -> None:
    before = balance("binance", "USDT")
    row = opened(desk, rule)
    fail(row, FailureClass.SLIPPAGE_LIMIT)
    long_ago(row)
    at_policy_of(row, opening_rule=rule, **{floor: NEVER})
    desk.sample()
    next_units(desk, row)
    ended_flat(row, "is below 90000")
    assert balance("binance", "USDT") == before


@pytest.mark.parametrize("rule", ["LOCKED_EDGE", "PREMIUM_BAND"])
def test_a_cycle_whose_edge_is_still_there_buys(desk: TestDesk, rule: str) -> None:
    row = opened(desk, rule)
    fail(row, FailureClass.SLIPPAGE_LIMIT)
    long_ago(row)
    desk.sample()
    next_units(desk, row)
    assert bought(row) == 1


def test_one_that_was_opened_by_hand_buys_whatever_its_edge(desk: TestDesk) -> None:
    row = desk.open()
    long_ago(row)
    at_policy_of(row, min_open_edge_bps=NEVER, band_open_premium_bps=NEVER)
    next_units(desk, row)
    assert bought(row) == 1


def test_what_has_just_been_decided_is_not_judged_twice(
    desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cycles.services.judging.JUST_DECIDED", timedelta(hours=2))
    row = opened(desk)
    at_policy_of(row, min_open_edge_bps=NEVER)
    next_units(desk, row)
    assert bought(row) == 1


def test_nothing_is_bought_on_old_quotes(desk: TestDesk, settings: Any) -> None:
    settings.KIMP_TIME_SCALE = "1"
    row = opened(desk)
    long_ago(row, seconds=600)
    PremiumSample.objects.update(at=F("at") - timedelta(minutes=1))
    for _ in range(5):
        progress = next_units(desk, row)
        assert (progress.turn, progress.reason) == (
            Turn.WAIT, f"there is no fresh quote of {row.outbound_asset}",
        )  # fmt: skip
    assert (row.status, row.retry_count, bought(row)) == (CycleStatus.STARTED, 0, 0)
    desk.sample()
    next_units(desk, row)
    assert bought(row) == 1


def test_a_cycle_that_gets_no_fresh_quote_for_a_quarter_of_an_hour_gives_its_capital_back(
    desk: TestDesk,
) -> None:
    row = opened(desk)
    long_ago(row)
    PremiumSample.objects.update(at=F("at") - timedelta(minutes=1))
    next_units(desk, row)
    ended_flat(row, f"there is no fresh quote of {row.outbound_asset}, and was none for long")


def test_a_retry_waits_for_a_fresh_quote_anew(desk: TestDesk, settings: Any) -> None:
    settings.KIMP_TIME_SCALE = "1"
    row = opened(desk)
    long_ago(row)
    fail(row, FailureClass.TRANSIENT)
    PremiumSample.objects.update(at=F("at") - timedelta(minutes=1))
    assert next_units(desk, row).turn is Turn.WAIT
    assert (row.status, bought(row)) == (CycleStatus.STARTED, 0)


def test_an_asset_that_the_desk_no_longer_allows_is_not_waited_for(desk: TestDesk) -> None:
    row = desk.open()
    fail(row, FailureClass.TRANSIENT)
    long_ago(row)
    set_policy(allowed_assets=["SOL"])
    next_units(desk, row)
    ended_flat(row, "the desk's policy no longer allows XRP")


def test_coins_are_not_bought_where_a_wallet_has_closed_meanwhile(desk: TestDesk) -> None:
    row = desk.open()
    fail(row, FailureClass.TRANSIENT)
    long_ago(row)
    NetworkRule.objects.filter(venue="binance", asset="XRP").update(withdraw_is_open=False)
    next_units(desk, row)
    ended_flat(row, "a wallet or a market of XRP is closed")


def test_coins_are_not_bought_for_an_address_that_was_retired_meanwhile(desk: TestDesk) -> None:
    row = desk.open()
    long_ago(row)
    retire(venue="upbit", asset="XRP", network="XRP")
    next_units(desk, row)
    ended_flat(row, "no confirmed address for XRP")


def test_nothing_is_bought_while_the_venue_it_would_arrive_at_has_banned_us(desk: TestDesk) -> None:
    row = desk.open()
    long_ago(row)
    ban("upbit")
    progress = next_units(desk, row)
    assert (progress.turn, row.status, bought(row)) == (Turn.WAIT, CycleStatus.STARTED, 0)
    assert SAID in progress.reason
    RateWindow.objects.all().delete()
    next_units(desk, row)
    assert bought(row) == 1


def test_usdt_that_goes_out_without_a_purchase_is_judged_before_it_is_sent(desk: TestDesk) -> None:
    row = opened(desk, allowed_assets=["USDT"])
    assert row.outbound_asset == "USDT"
    long_ago(row)
    at_policy_of(row, min_open_edge_bps=NEVER)
    desk.sample()
    next_units(desk, row)
    ended_flat(row, "is below 90000")


def test_a_desk_that_only_finalizes_buys_nothing_to_carry_out(desk: TestDesk) -> None:
    row = desk.open()
    long_ago(row)
    desk_services.set_mode(Mode.FINALIZE_ONLY, actor=operator(), reason="enough")
    next_units(desk, row)
    ended_flat(row, "the desk's mode is FINALIZE_ONLY")


def test_a_halted_desk_judges_nothing(desk: TestDesk) -> None:
    row = opened(desk)
    long_ago(row)
    at_policy_of(row, min_open_edge_bps=NEVER)
    desk_services.set_mode(Mode.HALT, actor=operator(), reason="wait")
    assert next_units(desk, row).turn is Turn.WAIT
    assert row.status == CycleStatus.STARTED


def test_a_busy_worker_judges_many_by_one_reading(desk: TestDesk) -> None:
    first = opened(desk, max_open_cycles=9, max_open_cycles_per_asset=9)
    second = opening.open_if_decided(actor="initiator:1")
    assert second is not None
    recent.remember(60)
    try:
        counts = [statements_of_judging(desk, row) for row in (first, second)]
    finally:
        recent.remember(0)
    assert counts[0] > counts[1] == 0


def statements_of_judging(desk: TestDesk, row: Cycle) -> int:
    """Judge a cycle that holds; gives how many statements that took."""
    long_ago(row)
    lease = desk.lease(row)
    seen = standing.read(row.pk)
    assert seen.step is not None
    with CaptureQueriesContext(connection) as made:
        assert judging.second_thoughts(lease, seen.cycle, seen.step) is None
    return len(made)


def test_coins_that_are_bought_already_go_on_whatever_has_changed(desk: TestDesk) -> None:
    row = opened(desk)
    next_units(desk, row, units=1)
    assert bought(row) == 1
    long_ago(row)
    at_policy_of(row, min_open_edge_bps=NEVER)
    desk.sample()
    desk.drive_until(row, "AWAITING_REBALANCE", "COMPLETED")


def test_an_operator_who_redrives_is_told_why_nothing_was_bought(desk: TestDesk) -> None:
    row = opened(desk)
    fail(row, FailureClass.BUG)
    assert row.status == CycleStatus.DEAD_LETTER
    intervening.redrive(row.pk, actor=operator(), reason="again", seen_version=row.version)
    at_policy_of(row, min_open_edge_bps=NEVER)
    desk.sample()
    long_ago(row)
    next_units(desk, row)
    ended_flat(row, "is below 90000")
    told = Alert.objects.get(cycle=row, key__startswith="not_bought")
    assert "is below 90000" in told.body
    assert operator().name in told.body


def on_the_way_back(desk: TestDesk, **policy: object) -> Cycle:
    """Give a cycle that was to buy its way back an hour ago, and did not."""
    row = waiting(desk, **policy)
    at_policy_of(row, min_rebalance_edge_bps=HOME)
    lease = desk.lease(row)
    desk.unit(lease)
    give_back(lease)
    long_ago(row)
    assert (row.status, bought_home(row)) == (CycleStatus.REBALANCING_IN_PROGRESS, 0)
    return row


def bought_home(row: Cycle) -> int:
    """Count the orders on the way back."""
    return ExchangeCall.objects.filter(cycle=row, step__passage="RETURN").count()


def test_a_way_back_that_no_longer_clears_is_waited_for_again(desk: TestDesk) -> None:
    row = on_the_way_back(desk)
    krw = rebalancing.krw_in_hand(row)
    at_policy_of(row, min_rebalance_edge_bps=NEVER)
    desk.sample()
    assert next_units(desk, row).turn is Turn.WAIT
    assert (row.status, row.return_asset, bought_home(row)) == ("AWAITING_REBALANCE", "", 0)
    assert "does not clear any more" in Transition.objects.get(event="no_longer_clears").reason
    assert balance("upbit", "KRW", "CYCLE", row) == krw
    at_policy_of(row, min_rebalance_edge_bps=HOME)
    desk.drive_until(row, "COMPLETED")


def test_dust_of_the_way_out_is_no_reason_to_buy_a_way_back_unjudged(desk: TestDesk) -> None:
    row = with_coins(on_the_way_back(desk), 1)
    at_policy_of(row, min_rebalance_edge_bps=NEVER)
    desk.sample()
    next_units(desk, row)
    assert (row.status, bought_home(row)) == ("AWAITING_REBALANCE", 0)


def test_a_way_back_that_was_paused_meanwhile_is_not_bought(desk: TestDesk) -> None:
    row = on_the_way_back(desk)
    desk_services.pause(PauseScope.ASSET, row.return_asset, actor=operator(), reason="a test")
    next_units(desk, row)
    assert (row.status, bought_home(row)) == ("AWAITING_REBALANCE", 0)


def test_a_restored_desk_ends_no_cycle_by_what_it_does_not_know(
    desk: TestDesk,
) -> None:
    row = opened(desk)
    long_ago(row)
    at_policy_of(row, min_open_edge_bps=NEVER)
    desk.sample()
    homing.leave()
    next_units(desk, row)
    assert (row.status, bought(row)) == (CycleStatus.STARTED, 0)
    assert desk_services.current().mode == Mode.HALT


def test_a_retry_of_a_way_back_is_judged_however_soon(desk: TestDesk) -> None:
    row = on_the_way_back(desk)
    fail(row, FailureClass.SLIPPAGE_LIMIT)
    at_policy_of(row, min_rebalance_edge_bps=NEVER)
    desk.sample()
    next_units(desk, row)
    assert (row.status, bought_home(row)) == ("AWAITING_REBALANCE", 0)


def test_another_asset_carries_home_what_a_closed_wallet_would_keep(desk: TestDesk) -> None:
    row = on_the_way_back(desk)
    shut = row.return_asset
    NetworkRule.objects.filter(venue="upbit", asset=shut).update(withdraw_is_open=False)
    desk.drive_until(row, "COMPLETED")
    assert row.return_asset != shut
    assert "is closed" in Transition.objects.get(event="no_longer_clears").reason


def test_going_back_to_the_wait_does_not_begin_the_longest_wait_anew(desk: TestDesk) -> None:
    row = on_the_way_back(desk)
    at_policy_of(row, min_rebalance_edge_bps=NEVER, longest_wait_seconds=3600)

    desk.sample()
    next_units(desk, row)
    assert row.status == "AWAITING_REBALANCE"
    first = Transition.objects.filter(cycle=row, to_status="AWAITING_REBALANCE").earliest("id")
    assert rebalancing.waiting_since(row) == first.at


def test_won_of_the_desk_comes_home_at_any_price_but_not_by_a_closed_way(desk: TestDesk) -> None:
    set_policy(allowed_assets=["XRP"])
    desk.sample()
    row = opening.open_return_only(
        notional_krw=Decimal(2_000_000), actor=operator(), reason="bring it home"
    )
    lease = desk.lease(row)
    while row.status != CycleStatus.REBALANCING_IN_PROGRESS:
        desk.unit(lease)
        row.refresh_from_db()
    give_back(lease)
    long_ago(row)
    NetworkRule.objects.filter(venue="upbit", asset="XRP").update(withdraw_is_open=False)
    next_units(desk, row)
    assert (row.status, bought_home(row)) == ("AWAITING_REBALANCE", 0)
    NetworkRule.objects.filter(venue="upbit", asset="XRP").update(withdraw_is_open=True)
    at_policy_of(row, min_rebalance_edge_bps=NEVER)
    desk.drive_until(row, "COMPLETED")


def test_no_passage_home_begins_on_a_halted_desk(desk: TestDesk) -> None:
    row = waiting(desk)
    at_policy_of(row, min_rebalance_edge_bps=HOME)
    desk_services.set_mode(Mode.HALT, actor=operator(), reason="wait")
    progress = next_units(desk, row, units=1)
    assert progress.turn is Turn.WAIT
    assert "the desk is halted" in progress.reason
    assert row.status == CycleStatus.AWAITING_REBALANCE
