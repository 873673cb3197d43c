"""A desk at Upbit, at Bithumb, or at both: where it opens, where it comes home from, what it proves."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cycles.domain import postings
from cycles.domain.words import CycleStatus, PauseScope, PostingKind
from cycles.errors import InvalidInputError
from cycles.models import Account, Cycle, PremiumSample, Step
from cycles.services import (
    booking,
    desk as desk_services,
    opening,
    quoting,
    seeding,
    valuing,
    verifying,
)
from exchanges.models import TransferRoute
from tests.cycles.services.acts import balance, holding_coins, set_policy
from tests.desk import TestDesk, operator

BITHUMB, BOTH = ["bithumb"], ["upbit", "bithumb"]
at_bithumb = pytest.mark.parametrize("korea", [BITHUMB], ids=["bithumb"])
at_both = pytest.mark.parametrize("korea", [BOTH], ids=["both"])
at_each = pytest.mark.parametrize("korea", [BITHUMB, BOTH], ids=["bithumb", "both"])


def make_dearer(desk: TestDesk, venue: str, asset: str = "XRP", factor: str = "1.3") -> None:
    """Move one book of a Korean venue; the default outdoes every other way out."""
    (market,) = [
        row
        for row in desk.control("/control/markets")["markets"]
        if (row["venue"], row["base"]) == (venue, asset)
    ]
    mid = (Decimal(market["price"]) * Decimal(factor)).quantize(Decimal(1))
    pinned = {"venue": venue, "symbol": market["symbol"], "mid": str(mid)}
    desk.control("/control/book", pinned | {"quantity": "1000000"})


def asked(desk: TestDesk, venue: str) -> int:
    """Count what reached a venue."""
    return sum(1 for row in desk.control("/control/requests") if row["venue"] == venue)


@at_both
def test_every_asset_is_sampled_at_each_korean_venue_against_that_venues_own_rate(
    desk: TestDesk,
) -> None:
    make_dearer(desk, "bithumb", "USDT", "1.01")
    desk.sample()
    rows = PremiumSample.objects.all()
    pairs = {(row.asset, row.korea_venue) for row in rows}
    assets = {"BTC", "ETH", "SOL", "USDT", "XRP"}
    assert pairs == {(asset, venue) for asset in assets for venue in BOTH}
    bids = {venue: {r.krw_per_usdt_bid for r in rows if r.korea_venue == venue} for venue in BOTH}
    assert [len(told) for told in bids.values()] == [1, 1]
    assert max(bids["upbit"]) < max(bids["bithumb"])


@at_both
def test_one_korean_venue_that_does_not_answer_costs_its_own_samples_only(desk: TestDesk) -> None:
    desk.fault(fault="F3", venue="bithumb", method="GET", path_regex="/orderbook")
    desk.sample()
    assert {row.korea_venue for row in PremiumSample.objects.all()} == {"upbit"}
    assert opening.decide().korea_venue == "upbit"


@at_bithumb
def test_a_desk_at_bithumb_alone_goes_round_without_upbit(desk: TestDesk) -> None:
    desk.sample()
    row = opening.open_if_decided(actor="initiator:1")
    assert row is not None
    desk.drive_until(row, "COMPLETED")
    assert row.korea_venue == "bithumb"
    assert asked(desk, "upbit") == 0
    assert desk.posts("bithumb", "/v2/orders") >= 2
    assert desk.posts("bithumb", "/v1/withdraws/coin") == 1
    assert set(Account.objects.values_list("venue", flat=True)) == {"binance", "bithumb"}
    report = verifying.verify_ledger()
    assert report.matches_venues, report.problems
    assert {line.venue for line in report.lines} == {"binance", "bithumb"}


@at_both
@pytest.mark.parametrize("dear", BOTH)
def test_a_cycle_opens_where_the_edge_is_best(desk: TestDesk, dear: str) -> None:
    make_dearer(desk, dear)
    desk.sample()
    row = opening.open_if_decided(actor="initiator:1")
    assert row is not None
    assert row.korea_venue == dear
    route = TransferRoute.objects.get(asset=row.outbound_asset, from_venue="binance", to_venue=dear)
    ways = Step.objects.filter(cycle=row, kind="WITHDRAW")
    assert [(way.to_venue, way.network) for way in ways] == [(dear, route.network)]


@at_both
def test_a_cycle_comes_home_from_where_its_krw_is_though_another_way_is_cheaper(
    desk: TestDesk,
) -> None:
    row = opened_at(desk, "bithumb")
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    assert balance("bithumb", "KRW", "CYCLE", row) > 0
    make_dearer(desk, "upbit", "USDT", "0.7")  # the cheapest way home of all, were it there
    desk.sample()
    desk.drive_until(row, "COMPLETED")
    home = Step.objects.filter(cycle=row, passage="RETURN")
    assert {step.venue for step in home.filter(kind="BUY")} == {"bithumb"}
    own, elsewhere = (cheapest_back(row, venue) for venue in ("bithumb", "upbit"))
    assert row.return_asset == own[1]
    assert elsewhere[0] < own[0]
    assert desk.posts("upbit", "/") == 0
    assert verifying.verify_ledger().matches_venues


def cheapest_back(row: Cycle, venue: str) -> tuple[Decimal, str]:
    """Give the cheapest way home from a venue: KRW per USDT, and by what."""
    quotes = quoting.latest_quotes(row.policy, venue)
    return min((quote.back_rate, quote.asset) for quote in quotes if quote.back_rate)


def opened_at(desk: TestDesk, venue: str, asset: str = "XRP") -> Cycle:
    """Open by hand at a venue that is named."""
    desk.sample()
    return opening.open_by_hand(
        asset=asset,
        notional_usdt=Decimal(2000),
        korea_venue=venue,
        actor=operator(),
        reason="a test",
    )


@at_both
def test_cycles_at_both_venues_go_round_beside_each_other(desk: TestDesk) -> None:
    rows = [opened_at(desk, venue) for venue in BOTH]
    for row in rows:
        desk.drive_until(row, "COMPLETED")
    assert [row.korea_venue for row in rows] == BOTH
    assert all(row.realised_pnl_usdt is not None for row in rows)
    report = verifying.verify_ledger()
    assert report.matches_venues, report.problems
    assert {line.venue for line in report.lines} == {"binance", *BOTH}


@at_both
def test_by_hand_without_a_venue_the_better_one_is_taken(desk: TestDesk) -> None:
    make_dearer(desk, "bithumb")
    row = desk.open()
    assert row.korea_venue == "bithumb"
    shown = opening.preview_by_hand(asset="XRP", notional_usdt=Decimal(2000))
    named = opening.preview_by_hand(asset="XRP", notional_usdt=Decimal(2000), korea_venue="upbit")
    assert (shown.korea_venue, named.korea_venue) == ("bithumb", "upbit")
    assert shown.edge_bps is not None
    assert named.edge_bps is not None
    assert shown.edge_bps > named.edge_bps


@pytest.mark.parametrize("venue", ["bithumb", "kraken", "binance"])
def test_by_hand_a_venue_that_is_not_the_desks_is_refused(desk: TestDesk, venue: str) -> None:
    with pytest.raises(InvalidInputError, match="name one of the desk's Korean venues: upbit"):
        opened_at(desk, venue)
    assert not Cycle.objects.exists()


@at_both
def test_krw_goes_home_from_the_venue_that_is_named_and_from_none_if_none_is(
    desk: TestDesk,
) -> None:
    desk.sample()
    facts: dict[str, Any] = {
        "notional_krw": Decimal(3_000_000),
        "actor": operator(),
        "reason": "bring it home",
    }
    with pytest.raises(InvalidInputError, match="upbit, bithumb"):
        opening.open_return_only(**facts)
    before = balance("bithumb", "KRW")
    row = opening.open_return_only(**facts, korea_venue="bithumb")
    assert (row.korea_venue, balance("bithumb", "KRW")) == ("bithumb", before - 3_000_000)


@at_both
def test_a_paused_venue_leaves_the_other_one_open(desk: TestDesk) -> None:
    make_dearer(desk, "bithumb")
    desk.sample()
    desk_services.pause(PauseScope.VENUE, "bithumb", actor=operator(), reason="r")
    assert opening.decide().korea_venue == "upbit"
    desk_services.pause(PauseScope.VENUE, "upbit", actor=operator(), reason="r")
    held = opening.decide()
    assert not held.opens
    assert held.reasons == ("no fresh way back",)


@at_both
def test_a_paused_route_pauses_an_asset_to_that_venue_only(desk: TestDesk) -> None:
    set_policy(allowed_assets=["XRP", "USDT"])
    make_dearer(desk, "bithumb")
    desk.sample()
    assert (opening.decide().asset, opening.decide().korea_venue) == ("XRP", "bithumb")
    desk_services.pause(PauseScope.ROUTE, "XRP:binance>bithumb", actor=operator(), reason="r")
    decided = opening.decide()
    assert (decided.asset, decided.korea_venue) != ("XRP", "bithumb")
    shown = opening.preview_by_hand(asset="XRP", notional_usdt=Decimal(2000), korea_venue="bithumb")
    assert "XRP is paused, or its network is not allowed" in shown.objections


@at_both
def test_the_limits_of_the_policy_count_both_venues_together(desk: TestDesk) -> None:
    set_policy(max_open_cycles_per_asset=1)
    opened_at(desk, "bithumb")
    shown = opening.preview_by_hand(asset="XRP", notional_usdt=Decimal(2000), korea_venue="upbit")
    assert "open cycles of XRP: 1, the policy allows 1" in shown.objections


@at_both
def test_holdings_are_valued_at_the_prices_of_the_cycles_own_venue(desk: TestDesk) -> None:
    make_dearer(desk, "bithumb")
    row = opened_at(desk, "bithumb")
    there, elsewhere = (
        valuing.newest_prices("binance", venue).korea["XRP"] for venue in ("bithumb", "upbit")
    )
    assert there > elsewhere
    assert valuing.prices_for(row).korea["XRP"] == there


@at_both
def test_a_cycle_at_a_venue_that_the_desk_has_left_ends_there_and_stays_proven(
    desk: TestDesk, settings: Any
) -> None:
    row = opened_at(desk, "bithumb")
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    settings.KIMP_KOREA_VENUES = ["upbit"]
    assert {line.venue for line in verifying.verify_ledger().lines} == {"binance", *BOTH}
    settings.KIMP_KOREA_VENUES = BOTH
    desk.drive_until(row, "COMPLETED")
    settings.KIMP_KOREA_VENUES = ["upbit"]
    report = verifying.verify_ledger()
    assert report.matches_venues, report.problems


def test_a_venue_taken_up_later_opens_its_books_once_and_the_others_stay(
    desk: TestDesk, settings: Any
) -> None:
    before = {(a.venue, a.asset): a.balance for a in Account.objects.filter(owner="DESK")}
    settings.KIMP_KOREA_VENUES = BOTH
    assert seeding.open_books()
    assert seeding.open_books() == []
    after = {(a.venue, a.asset): a.balance for a in Account.objects.filter(owner="DESK")}
    assert {place: after[place] for place in before} == before
    assert {venue for venue, _ in after.keys() - before.keys()} == {"bithumb"}
    report = verifying.verify_ledger()
    assert report.matches_venues, report.problems


def test_a_venue_on_the_way_to_which_something_is_has_opened(desk: TestDesk, settings: Any) -> None:
    """What arrives there is the cycle's: posted as capital besides, it would be there twice."""
    row = holding_coins()
    quantities = {"quantity": Decimal(100), "network_fee": Decimal(1)}
    lines = postings.sent_lines("binance", "bithumb", "XRP", **quantities)
    booking.post("sent", PostingKind.SENT, lines, cycle=row)
    settings.KIMP_KOREA_VENUES = BOTH
    assert seeding.open_books() == []


@at_each
def test_f16_an_order_that_is_not_ready_is_waited_for_and_sent_once(desk: TestDesk) -> None:
    """Four times: once more than one look-up asks."""
    desk.fault(fault="F16", venue="bithumb", times=4)
    row = opened_at(desk, "bithumb")
    desk.drive_until(row, "COMPLETED")
    struck = [row for row in desk.control("/control/journal") if row["kind"] == "fault"]
    assert len(struck) == 4
    assert desk.posts("bithumb", "/v2/orders") == len(
        Step.objects.filter(cycle=row, venue="bithumb", kind__in=["BUY", "SELL"])
    )
    ids = [r["client_order_id"] for r in desk.control("/control/orders") if r["venue"] == "bithumb"]
    assert len(ids) == len(set(ids)) >= 2
    assert row.retry_count == 0
    assert Cycle.objects.get(pk=row.pk).status == CycleStatus.COMPLETED
    assert verifying.verify_ledger().matches_venues
