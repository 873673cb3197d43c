"""At its own size a way out is judged by every way back that the quotes told of: what cannot be read is no consent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cycles.domain.progress import Turn
from cycles.domain.words import CycleStatus, PauseScope
from cycles.models import Cycle, PremiumSample
from cycles.services import desk as desk_services, quoting
from exchanges.models import NetworkRule
from tests.cycles.services.acts import set_policy
from tests.cycles.services.test_judged_late import of_nearly_all, silence
from tests.cycles.services.test_judging import (
    HOME,
    NEVER,
    bought,
    ended_flat,
    long_ago,
    next_units,
    opened,
)
from tests.cycles.services.test_rebalancing import at_policy_of
from tests.desk import TestDesk, operator


@pytest.fixture(autouse=True)
def _at_the_pace_of_life(venues: object, settings: Any) -> None:
    settings.KIMP_TIME_SCALE = "1"  # by which the silence is counted


def by_two_ways(desk: TestDesk, *, least: Decimal) -> Cycle:
    """Give a cycle of nearly all capital that goes out by XRP, at a minimum edge; XRP or SOL may come home."""
    row = of_nearly_all(desk)
    at_policy_of(row, allowed_assets=["XRP", "SOL"], min_open_edge_bps=least)
    desk.sample()
    return row


def only_sol_comes_home() -> None:
    key = "XRP:upbit>binance"
    desk_services.pause(PauseScope.ROUTE, key, actor=operator(), reason="a test")


def no_book_of_sol(desk: TestDesk) -> None:
    """Let nobody read SOL's book in Korea."""
    desk.fault(fault="F3", venue="upbit", method="GET", path_regex="/orderbook", query_regex="SOL")


def thin(desk: TestDesk, asset: str, *, is_out: bool = False) -> None:
    """Let Korea sell one of an asset and no more, or buy one."""
    seen = PremiumSample.objects.filter(asset=asset).latest("at")
    bid, ask = ("1", "1000000") if is_out else ("1000000", "1")
    best = {"bids": [[str(seen.korea_bid), bid]], "asks": [[str(seen.korea_ask), ask]]}
    desk.control("/control/book", {"venue": "upbit", "symbol": f"KRW-{asset}"} | best)


def waits(desk: TestDesk, row: Cycle) -> None:
    """Check that it waits for the way back by SOL, and has bought nothing."""
    progress = next_units(desk, row)
    assert (progress.turn, progress.reason) == (Turn.WAIT, "no fresh way back by SOL")
    assert (row.status, bought(row)) == (CycleStatus.STARTED, 0)


def test_nothing_is_bought_while_its_only_way_back_cannot_be_read(desk: TestDesk) -> None:
    row = by_two_ways(desk, least=NEVER)
    only_sol_comes_home()
    no_book_of_sol(desk)
    waits(desk, row)


def test_nothing_is_bought_while_the_book_of_its_only_way_back_is_doubted(desk: TestDesk) -> None:
    row = by_two_ways(desk, least=NEVER)
    only_sol_comes_home()
    far = {"bids": [["1", "1000000"]], "asks": [["2", "1000000"]]}
    desk.control("/control/book", {"venue": "upbit", "symbol": "KRW-SOL"} | far)
    waits(desk, row)


def test_no_way_back_that_is_too_thin_makes_up_for_one_that_cannot_be_read(desk: TestDesk) -> None:
    row = by_two_ways(desk, least=NEVER)
    thin(desk, "XRP")
    no_book_of_sol(desk)
    waits(desk, row)


def test_no_way_back_that_is_too_thin_makes_up_for_one_that_is_silent(desk: TestDesk) -> None:
    row = by_two_ways(desk, least=NEVER)
    thin(desk, "XRP")
    silence("SOL")
    waits(desk, row)


def test_an_edge_that_is_gone_does_not_wait_for_what_is_silent_for_longer(desk: TestDesk) -> None:
    row = by_two_ways(desk, least=NEVER)
    silence("SOL")
    next_units(desk, row)
    ended_flat(row, "is below 90000")


def test_a_way_out_that_is_too_thin_is_left_unjudged_whatever_cannot_be_read(
    desk: TestDesk,
) -> None:
    row = by_two_ways(desk, least=NEVER)
    thin(desk, "XRP", is_out=True)
    no_book_of_sol(desk)
    next_units(desk, row)
    assert bought(row) > 0


def test_the_edge_is_not_gone_while_the_cheapest_way_back_cannot_be_read(desk: TestDesk) -> None:
    row = by_two_ways(desk, least=Decimal(-1000))
    sample = PremiumSample.objects.filter(asset="XRP").latest("at")
    assert sample.global_ask
    dear = row.notional_usdt / sample.global_ask / 5  # so XRP comes home for a fifth
    NetworkRule.objects.filter(venue="upbit", asset="XRP").update(withdraw_fee=dear)
    no_book_of_sol(desk)
    waits(desk, row)
    desk.control("/control/faults", method="DELETE")
    next_units(desk, row)
    assert bought(row) > 0


def test_an_edge_that_is_there_without_the_way_that_cannot_be_read_is_bought_for(
    desk: TestDesk,
) -> None:
    row = by_two_ways(desk, least=HOME)
    no_book_of_sol(desk)
    next_units(desk, row)
    assert bought(row) > 0


def test_where_every_way_back_is_too_thin_the_edge_is_left_unjudged(desk: TestDesk) -> None:
    row = by_two_ways(desk, least=NEVER)
    thin(desk, "XRP")
    thin(desk, "SOL")
    next_units(desk, row)
    assert bought(row) > 0


def test_a_barred_way_ends_flat_whatever_cannot_be_read_for_its_edge(desk: TestDesk) -> None:
    row = by_two_ways(desk, least=NEVER)
    NetworkRule.objects.filter(venue="binance", asset="XRP").update(withdraw_is_open=False)
    no_book_of_sol(desk)
    next_units(desk, row)
    ended_flat(row, "a wallet or a market of XRP is closed")


def test_nothing_is_bought_where_nobody_bids_for_the_dollars_its_size_is_told_by(
    desk: TestDesk,
) -> None:
    row = by_two_ways(desk, least=NEVER)
    PremiumSample.objects.update(krw_per_usdt_bid=None)
    progress = next_units(desk, row)
    assert (progress.turn, bought(row)) == (Turn.WAIT, 0)


def test_nothing_is_bought_for_a_way_back_at_a_venue_that_is_paused(desk: TestDesk) -> None:
    row = opened(desk, allowed_assets=["XRP", "SOL"])
    desk.sample()
    long_ago(row, seconds=5)
    assert {one.asset for one in quoting.latest_quotes(row.policy, "upbit")} >= {"XRP", "SOL"}
    set_policy(allowed_assets=[row.outbound_asset])  # the cycle's own still allows both
    desk_services.pause(PauseScope.VENUE, "upbit", actor=operator(), reason="a test")
    progress = next_units(desk, row)
    assert (progress.turn, progress.reason) == (Turn.WAIT, "no fresh way back")
    assert bought(row) == 0
