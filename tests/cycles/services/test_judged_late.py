"""A passage that has bought nothing does not wait for ever, uses no numbers up, and is judged at its own size."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import F

from cycles.domain.progress import Turn
from cycles.domain.words import CycleStatus, FailureClass, Mode
from cycles.models import Cycle, ExchangeCall, PremiumSample, Step, Transition
from cycles.services import desk as desk_services, venue_health
from exchanges.models import NetworkRule
from exchanges.transport import clock as clocks
from tests.cycles.services.test_judging import (
    HOME,
    NEVER,
    bought,
    bought_home,
    long_ago,
    next_units,
    on_the_way_back,
    opened,
)
from tests.cycles.services.test_rebalancing import at_policy_of, waiting
from tests.desk import TestDesk, operator


def test_numbers_of_steps_that_asked_for_nothing_are_used_again(desk: TestDesk) -> None:
    row = on_the_way_back(desk)
    home = Step.objects.filter(cycle=row, passage="RETURN")
    first, rows = home.earliest("position").position, set(home.values_list("pk", flat=True))
    for _ in range(30):
        at_policy_of(row, min_rebalance_edge_bps=NEVER)
        desk.sample()
        next_units(desk, row, units=1)
        assert row.status == "AWAITING_REBALANCE"
        at_policy_of(row, min_rebalance_edge_bps=HOME)
        next_units(desk, row, units=1)
        assert row.status == "REBALANCING_IN_PROGRESS"
        long_ago(row)
    desk.drive_until(row, "COMPLETED")
    positions = home.values_list("position", flat=True)
    assert min(positions) == first
    assert max(positions) < first + 4
    # Nothing is deleted: what refers to steps has no index to be looked through.
    assert rows <= set(home.values_list("pk", flat=True))


def test_the_number_of_a_step_that_has_asked_is_never_used_again(desk: TestDesk) -> None:
    row = on_the_way_back(desk)
    desk.sample()
    desk.fault(fault="F14", venue="upbit", when="once")
    next_units(desk, row, units=1)
    (asked,) = ExchangeCall.objects.filter(cycle=row, step__passage="RETURN")
    at_policy_of(row, min_rebalance_edge_bps=NEVER)
    desk.sample()
    next_units(desk, row, units=5)
    assert row.status == "AWAITING_REBALANCE"
    at_policy_of(row, min_rebalance_edge_bps=HOME)
    desk.drive_until(row, "COMPLETED")
    asked.step.refresh_from_db()
    assert asked.step.state == "ABANDONED"
    ids = ExchangeCall.objects.filter(cycle=row).values_list("client_order_id", flat=True)
    assert len(set(ids)) == len(ids)


def test_no_way_home_sets_out_while_its_first_order_would_be_kept_back(
    desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = waiting(desk)
    at_policy_of(row, min_rebalance_edge_bps=HOME)
    for name in ("FRESH_SECONDS", "STOPPED_SECONDS", "REMEASURE_SECONDS"):
        monkeypatch.setattr(clocks, name, 0.0)
    monkeypatch.setattr(venue_health, "_written", {})
    desk.control("/control/skew", {"venue": "upbit", "ms": -60_000})
    try:
        progress = next_units(desk, row, units=1)
    finally:
        desk.control("/control/skew", {"venue": "upbit", "ms": 0})
    assert (progress.turn, row.status) == (Turn.WAIT, CycleStatus.AWAITING_REBALANCE)
    assert "nothing is sent to upbit" in progress.reason
    next_units(desk, row, units=1)
    assert row.status == CycleStatus.REBALANCING_IN_PROGRESS


def silence(*assets: str) -> None:
    """Let the feeder have found nothing of these assets, or of any, for an hour."""
    told = PremiumSample.objects.filter(asset__in=assets) if assets else PremiumSample.objects
    told.update(at=F("at") - timedelta(hours=1))


def test_a_way_home_whose_asset_falls_silent_is_left_for_another(desk: TestDesk) -> None:
    row = on_the_way_back(desk)
    desk.sample()
    silent = row.return_asset
    silence(silent)
    assert next_units(desk, row).turn is Turn.WAIT
    assert (row.status, bought_home(row)) == ("AWAITING_REBALANCE", 0)
    said = Transition.objects.get(cycle=row, event="no_longer_clears").reason
    assert said == f"there is no fresh quote of {silent}"


def test_a_way_home_whose_market_has_no_rate_any_more_is_waited_for_again(desk: TestDesk) -> None:
    """Too thin for a rate of the size that the feeder measures for; the storm of `make chaos` had one."""
    row = on_the_way_back(desk)
    desk.sample()
    PremiumSample.objects.filter(asset=row.return_asset).update(return_krw_per_usdt=None)
    assert next_units(desk, row).turn is Turn.WAIT
    assert (row.status, bought_home(row)) == ("AWAITING_REBALANCE", 0)
    assert "does not clear any more" in Transition.objects.get(event="no_longer_clears").reason


def test_a_way_home_waits_while_every_asset_is_silent(desk: TestDesk) -> None:
    row = on_the_way_back(desk)
    silence()
    assert next_units(desk, row).turn is Turn.WAIT
    assert (row.status, bought_home(row)) == ("REBALANCING_IN_PROGRESS", 0)


def test_a_way_home_that_hears_of_no_asset_fails_after_the_longest_wait(desk: TestDesk) -> None:
    row = on_the_way_back(desk)
    at_policy_of(row, longest_wait_seconds=0)
    silence()
    progress = next_units(desk, row)
    assert (progress.turn, progress.failure) == (Turn.FAIL, FailureClass.POLICY_DENIED)
    assert "longest wait" in progress.reason


def test_a_way_home_does_not_tire_of_waiting_for_a_halted_desk(desk: TestDesk) -> None:
    row = on_the_way_back(desk)
    at_policy_of(row, longest_wait_seconds=0)
    silence()
    desk_services.set_mode(Mode.HALT, actor=operator(), reason="wait")
    assert next_units(desk, row).turn is Turn.WAIT
    assert row.status == "REBALANCING_IN_PROGRESS"


def of_nearly_all(desk: TestDesk) -> Cycle:
    """Give a cycle that took nine tenths of the desk's capital, where a withdrawal costs a fiftieth of that."""
    sizes: dict[str, Any] = {
        "sizing": "PERCENTAGE",
        "percentage": Decimal(90),
        "max_exposure_usdt": Decimal(10**6),
        "max_exposure_per_asset_usdt": Decimal(10**6),
    }
    row = opened(desk, allowed_assets=["XRP"], **sizes)
    sample = PremiumSample.objects.filter(asset="XRP").latest("at")
    assert sample.global_ask
    fee = row.notional_usdt / sample.global_ask / 50
    NetworkRule.objects.filter(venue="binance", asset="XRP").update(withdraw_fee=fee)
    at_policy_of(row, min_open_edge_bps=Decimal(-1000), **sizes)
    desk.sample()
    assert PremiumSample.objects.latest("at").size_usdt < row.notional_usdt / 5
    long_ago(row, seconds=5)
    return row


def test_a_cycle_that_took_most_of_the_capital_is_judged_at_its_own_size(desk: TestDesk) -> None:
    row = of_nearly_all(desk)
    next_units(desk, row)
    assert row.status == CycleStatus.STARTED
    assert bought(row) > 0


def test_at_its_own_size_too_an_edge_that_is_gone_is_not_bought_for(desk: TestDesk) -> None:
    row = of_nearly_all(desk)
    at_policy_of(row, min_open_edge_bps=NEVER)
    next_units(desk, row)
    assert (row.status, bought(row)) == (CycleStatus.FAILED, 0)


def test_where_no_book_tells_of_its_own_size_the_edge_is_left_unjudged(
    desk: TestDesk,
) -> None:
    row = of_nearly_all(desk)
    at_policy_of(row, min_open_edge_bps=NEVER)
    seen = PremiumSample.objects.filter(asset="XRP").latest("at")
    best = {"bids": [[str(seen.korea_bid), "1"]], "asks": [[str(seen.korea_ask), "1000000"]]}
    desk.control("/control/book", {"venue": "upbit", "symbol": "KRW-XRP"} | best)
    next_units(desk, row)
    assert row.status == CycleStatus.STARTED
    assert bought(row) > 0


def test_where_a_book_cannot_be_read_at_its_own_size_nothing_is_bought(
    desk: TestDesk, settings: Any
) -> None:
    settings.KIMP_TIME_SCALE = "1"  # by which the silence is counted
    row = of_nearly_all(desk)
    at_policy_of(row, min_open_edge_bps=NEVER)
    desk.fault(fault="F3", venue="upbit", method="GET", path_regex="/orderbook")
    assert next_units(desk, row).turn is Turn.WAIT
    assert (row.status, bought(row)) == (CycleStatus.STARTED, 0)


def halted_while_it_is_judged() -> Any:
    """Let somebody halt the desk between what a judgement reads of it first and what it reads then."""
    halts = iter([True])

    def execute(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "exchanges_ratewindow" in sql and "held_until" in sql and next(halts, False):
            desk_services.set_mode(Mode.HALT, actor=operator(), reason="wait")
        return execute(sql, params, many, context)

    return connection.execute_wrapper(execute)


def test_a_halt_in_the_middle_of_a_judgement_ends_no_way_out(desk: TestDesk) -> None:
    row = opened(desk)
    long_ago(row)
    with halted_while_it_is_judged():
        progress = next_units(desk, row)
    assert desk_services.current().mode == Mode.HALT
    assert progress.turn is Turn.WAIT
    assert (row.status, bought(row)) == (CycleStatus.STARTED, 0)
