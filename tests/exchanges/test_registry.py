"""Which adapter a caller gets: simulated unless database and environment both say LIVE."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from exchanges import registry
from exchanges.errors import ModeError, NotSentError, VenueError
from exchanges.simulator.server import RunningSimulator, start_in_thread
from exchanges.values import Book, Market
from tests import builders

pytestmark = pytest.mark.django_db  # names are translated by the registry of assets


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSimulator]:
    with start_in_thread(seed=3) as started:
        yield started


@pytest.fixture(autouse=True)
def _fresh_registry(settings: Settings, running: RunningSimulator) -> Iterator[None]:
    settings.KIMP_LIVE = False
    settings.KIMP_SIMULATOR_URL = running.control_url
    settings.KIMP_FX_FRANKFURTER_URL = f"{running.control_url}/fx/usdkrw"
    settings.KIMP_FX_ERAPI_URL = f"{running.control_url}/fx/v6/latest/USD"
    registry.configure(database_is_live=False)
    yield
    registry.configure(database_is_live=False)


def go_live(settings: Settings) -> None:
    settings.KIMP_LIVE = True
    settings.KIMP_UPBIT_BASE_URL = "https://upbit.invalid"
    settings.KIMP_UPBIT_ACCESS_KEY = settings.KIMP_UPBIT_SECRET_KEY = "live-dummy"
    settings.KIMP_BITHUMB_BASE_URL = "https://bithumb.invalid"
    settings.KIMP_BITHUMB_ACCESS_KEY = settings.KIMP_BITHUMB_SECRET_KEY = "live-dummy"
    settings.KIMP_BINANCE_BASE_URL = "https://binance.invalid"
    settings.KIMP_BINANCE_API_KEY = settings.KIMP_BINANCE_SECRET_KEY = "live-dummy"


@pytest.mark.parametrize("code", registry.VENUES)
def test_the_simulators_accounts_are_found_by_its_control_address(code: str) -> None:
    venue = registry.venue(code)
    assert venue.code == code
    assert venue.balances() != {}


def test_a_desk_trades_at_the_korean_venues_of_its_settings(settings: Settings) -> None:
    assert registry.desk_venues() == ("binance", "upbit")
    settings.KIMP_KOREA_VENUES = ["bithumb", "upbit"]
    assert registry.korea_venues() == ("bithumb", "upbit")
    assert registry.desk_venues() == ("binance", "bithumb", "upbit")


def test_the_environments_switch_alone_does_not_make_it_live(settings: Settings) -> None:
    go_live(settings)
    registry.configure(database_is_live=False)
    assert not registry.is_live()
    assert registry.venue("upbit").balances() != {}  # the simulator's keys, not the live ones


def test_a_live_database_alone_calls_nothing(settings: Settings) -> None:
    """The origin traded for real by default."""
    registry.configure(database_is_live=True)
    with pytest.raises(ModeError):
        registry.venue("upbit")


@pytest.mark.parametrize("code", registry.VENUES)
def test_live_needs_both_and_uses_the_configured_keys(settings: Settings, code: str) -> None:
    go_live(settings)
    settings.KIMP_SIMULATOR_URL = "http://127.0.0.1:1"  # never asked
    registry.configure(database_is_live=True)
    assert registry.is_live()
    with pytest.raises(NotSentError):
        registry.venue(code).server_time()


def test_a_venue_is_kept_per_thread() -> None:
    mine = registry.venue("upbit")
    theirs: list[Any] = []
    thread = threading.Thread(target=lambda: theirs.append(registry.venue("upbit")))
    thread.start()
    thread.join()
    assert registry.venue("upbit") is mine
    assert theirs[0] is not mine


def test_forgetting_makes_adapters_anew() -> None:
    before = registry.venue("upbit")
    registry.forget()
    assert registry.venue("upbit") is not before


def test_a_missing_simulator_is_said_in_one_sentence(settings: Settings) -> None:
    settings.KIMP_SIMULATOR_URL = "http://127.0.0.1:1"
    registry.forget()
    with pytest.raises(NotSentError, match=r"does not answer at http://127\.0\.0\.1:1"):
        registry.venue("upbit")


class Streams:
    """Streamed books by the venue's own names: here Upbit calls USDT `TETHER`, and another coin `USDT`."""

    def __init__(self) -> None:
        self.asked: list[Market] = []

    def book(self, venue: str, market: Market, *, since: datetime) -> Book | None:
        self.asked.append(market)
        return registry.adapter(venue).book(market)


def test_a_market_that_the_venue_calls_otherwise_is_never_taken_from_its_streams() -> None:
    usdt, xrp = Market("USDT", "KRW"), Market("XRP", "KRW")
    streams = Streams()
    registry.use_streams(streams)
    try:
        registry.book("upbit", usdt, newest=timedelta(days=1))
        assert streams.asked == [usdt]
        builders.proven("upbit", "TETHER", "TRX", asset="USDT")
        registry.forget()
        registry.book("upbit", xrp, newest=timedelta(days=1))
        with pytest.raises(VenueError):  # read by request, under its name: this Upbit lists none
            registry.book("upbit", usdt, newest=timedelta(days=1))
        assert streams.asked == [usdt, xrp]
    finally:
        registry.use_streams(None)


def test_an_unknown_venue_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="no such venue: 'kraken'"):
        registry.venue("kraken")


def test_the_simulator_serves_two_shapes_of_the_official_rate() -> None:
    first, second = [source.usd_krw() for source in registry.rate_sources()]
    assert (first.source, second.source) == ("frankfurter", "open-er-api")
    assert first.krw_per_usd == second.krw_per_usd
    assert first.krw_per_usd > 1000
    assert first.quoted_at <= first.fetched_at
    assert registry.rate_sources() is registry.rate_sources()
