"""The feeder with streams: the same samples, no request per sample, and a lookout that calls early."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from threading import Event

import pytest
from django.db.models import F
from django.db.models.functions import Now

from cycles.models import Cycle, ExchangeCall, PremiumSample
from cycles.services import desk as desk_services, feeding, lookout as lookout_module, trading
from cycles.services.feeding import Feeder
from cycles.services.lookout import Lookout
from cycles.services.rating import refresh_rates
from exchanges import naming, registry, streams
from exchanges.feeds.states import Lack, NoBook
from exchanges.models import AssetIdentity
from exchanges.port import Venue
from exchanges.values import Book, Market
from tests import builders
from tests.cycles.services.acts import set_policy
from tests.cycles.services.test_rebalancing import waiting
from tests.desk import TestDesk, eventually

ASSETS = {"BTC", "ETH", "SOL", "USDT", "XRP"}


@pytest.fixture
def early() -> Event:
    """Give what the lookout sets when a look should not wait."""
    return Event()


@pytest.fixture
def feeder(desk: TestDesk, early: Event) -> Iterator[Feeder]:
    """Give a feeder whose streams have begun."""
    lookout = Lookout(early.set)
    feeds = streams.start(lookout.heard, lookout.settled)
    feeder = Feeder(streams=feeds, lookout=lookout)
    refresh_rates(feeder.rates, registry.utc_now())
    feeder.read()
    eventually(lambda: feeder.has_books)
    yield feeder
    streams.stop(feeds)


@pytest.fixture
def book_reads(desk: TestDesk, monkeypatch: pytest.MonkeyPatch) -> list[Market]:
    """Collect the books that this thread reads by request; the feeds read in threads of their own."""
    read: list[Market] = []
    for code in registry.desk_venues():
        venue = registry.venue(code)

        def book(market: Market, *, depth: int = 15, venue: Venue = venue) -> Book:
            read.append(market)
            return type(venue).book(venue, market, depth=depth)

        monkeypatch.setattr(venue, "book", book)
    return read


def test_all_assets_are_sampled_from_streamed_books(
    feeder: Feeder, book_reads: list[Market]
) -> None:
    assert feeder.turn() == 5
    assert book_reads == []
    rows = PremiumSample.objects.all()
    assert {row.asset for row in rows} == ASSETS
    assert all(row.outbound_traded_bps is not None for row in rows)
    assert all(row.book_age_ms is not None for row in rows)


def test_samples_of_streamed_books_are_those_of_read_ones(desk: TestDesk, feeder: Feeder) -> None:
    desk.control("/control/clock", {"freeze": True})
    market = Market("XRP", "KRW")
    eventually(
        lambda: _streamed(feeder, market) == _sides(registry.venue("upbit").book(market, depth=30))
    )
    eventually(lambda: feeder.turn() == 5)
    streamed = PremiumSample.objects.filter(asset="XRP").latest("at")
    assert Feeder().turn() == 5
    read = PremiumSample.objects.filter(asset="XRP").latest("at")
    assert (streamed.korea_bid, streamed.korea_ask) == (read.korea_bid, read.korea_ask)


def _sides(book: Book) -> tuple[object, object]:
    return tuple(book.bids), tuple(book.asks)


def _streamed(feeder: Feeder, market: Market) -> tuple[object, object] | None:
    assert feeder.streams is not None
    state = feeder.streams.state("upbit", market)
    return _sides(state) if isinstance(state, Book) else None


def test_an_asset_without_a_book_is_left_out(desk: TestDesk, feeder: Feeder) -> None:
    crossed = {"bids": [["5000", "9"]], "asks": [["4000", "9"]]}
    desk.control("/control/book", {"venue": "upbit", "symbol": "KRW-XRP"} | crossed)
    eventually(lambda: _streamed(feeder, Market("XRP", "KRW")) is None)
    assert feeder.turn() == 4
    assert {row.asset for row in PremiumSample.objects.all()} == ASSETS - {"XRP"}


def test_a_policy_that_allows_another_asset_streams_it(desk: TestDesk, feeder: Feeder) -> None:
    set_policy(allowed_assets=["XRP"])
    feeder.read()
    eventually(lambda: feeder.has_books)
    assert feeder.turn() == 2
    assert {row.asset for row in PremiumSample.objects.all()} == {"XRP", "USDT"}


def test_a_new_policy_is_streamed_although_the_clock_was_set_back(
    desk: TestDesk, feeder: Feeder, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_policy(allowed_assets=["XRP"])
    monkeypatch.setattr(feeding, "OUTLOOK_LASTS", timedelta(0))
    before = registry.utc_now() - timedelta(hours=6)
    monkeypatch.setattr(registry, "utc_now", lambda: before)
    feeder.turn()
    assert feeder.streams is not None
    states = feeder.streams.states
    eventually(lambda: {state.market.base for state in states()} == {"XRP", "USDT"})


def test_only_markets_that_the_venues_are_known_to_have_are_streamed(desk: TestDesk) -> None:
    policy = builders.policy(
        allowed_assets=["XRP", "NONESUCH"]
    )  # as one that was written before it was delisted
    markets = feeding.watched(policy)
    assert markets["binance"] == [Market("XRP", "USDT")]
    assert markets["upbit"] == [Market("USDT", "KRW"), Market("XRP", "KRW")]


def test_a_market_that_its_venue_calls_otherwise_is_read_by_its_new_name_and_not_streamed(
    desk: TestDesk, feeder: Feeder, book_reads: list[Market]
) -> None:
    """Under the old ticker there may be another coin now; the simulated venue has none of the new name."""
    old_name = AssetIdentity.objects.filter(venue="upbit", asset="XRP")
    old_name.update(state="UNPROVEN", decided_by="a test", version=F("version") + 1)
    builders.proven("upbit", "XRPN", "XRP", asset="XRP", network="XRP")
    naming.forget()
    market = Market("XRP", "KRW")
    assert feeder.turn() == 4  # by streams that still know the old name only
    assert book_reads == [market]
    assert not PremiumSample.objects.filter(asset="XRP").exists()
    watched = feeding.watched(desk_services.current_policy())
    assert market not in watched["upbit"]
    assert Market("XRP", "USDT") in watched["binance"]


def test_the_lookout_calls_when_the_policy_would_open(
    desk: TestDesk, feeder: Feeder, early: Event
) -> None:
    set_policy(min_open_edge_bps=Decimal(5000))
    feeder.turn()
    feeder.read()
    _settle(feeder, early)
    dear = {"bids": [["9000000", "9999"]], "asks": [["9000001", "9999"]]}
    desk.control("/control/book", {"venue": "upbit", "symbol": "KRW-ETH"} | dear)
    assert early.wait(5)


def test_the_lookout_calls_when_a_way_back_has_become_cheaper(
    desk: TestDesk, feeder: Feeder, early: Event
) -> None:
    set_policy(min_open_edge_bps=Decimal(50_000))
    feeder.turn()
    feeder.read()
    _settle(feeder, early)
    cheap = {"bids": [["1000", "999999"]], "asks": [["1001", "999999"]]}
    desk.control("/control/book", {"venue": "upbit", "symbol": "KRW-USDT"} | cheap)
    assert early.wait(5)


def _settle(feeder: Feeder, early: Event) -> None:
    """Let the lookout judge by what was just read, and forget what it has called for so far."""
    assert feeder.streams is not None
    done = Event()
    feeder.streams.call(done.set)
    assert done.wait(5)
    early.clear()


def test_a_cheaper_way_back_wakes_the_cycles_it_clears_for(desk: TestDesk, feeder: Feeder) -> None:
    row = waiting(desk)
    set_policy(min_rebalance_edge_bps=Decimal(-5000))
    Cycle.objects.filter(pk=row.pk).update(
        policy=desk_services.current_policy(), wake_at=Now() + timedelta(hours=1)
    )
    feeder.turn()
    assert Cycle.objects.filter(pk=row.pk, wake_at__lte=Now()).exists()


def test_a_way_back_by_a_paused_asset_wakes_nobody(desk: TestDesk, feeder: Feeder) -> None:
    row = waiting(desk)
    set_policy(min_rebalance_edge_bps=Decimal(-5000), allowed_networks=["nowhere"])
    Cycle.objects.filter(pk=row.pk).update(
        policy=desk_services.current_policy(), wake_at=Now() + timedelta(hours=1)
    )
    feeder.read()
    feeder.turn()
    assert not Cycle.objects.filter(pk=row.pk, wake_at__lte=Now()).exists()


@pytest.mark.parametrize(("fresh", "reads"), [(timedelta(minutes=1), 0), (timedelta(0), 1)])
def test_an_order_is_based_on_a_streamed_book_that_is_young_enough_without_a_read(
    desk: TestDesk,
    feeder: Feeder,
    book_reads: list[Market],
    monkeypatch: pytest.MonkeyPatch,
    fresh: timedelta,
    reads: int,
) -> None:
    monkeypatch.setattr(trading, "FRESH", fresh)
    row = desk.open()
    book_reads.clear()
    desk.step(row)
    assert ExchangeCall.objects.filter(cycle=row, operation="PLACE_ORDER").count() == 1
    assert len(book_reads) == reads


def test_a_lookout_without_an_outlook_waits(early: Event) -> None:
    lookout = lookout_module.Lookout(early.set)
    market = Market("XRP", "KRW")
    lookout.heard(NoBook(venue="upbit", market=market, lack=Lack.GAP, at=registry.utc_now()))
    lookout.settled()
    assert not early.is_set()
