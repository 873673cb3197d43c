"""Live books: one simulator takes its books from another's public feeds; the rest is its own."""

from __future__ import annotations

import json
import random
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.error import HTTPError

import pytest
from django.core.management import CommandError, call_command

from exchanges import registry, streams
from exchanges.adapters.binance.client import BinanceVenue
from exchanges.feeds import venue_feed
from exchanges.simulator.core.simulator import Input
from exchanges.simulator.server import RunningSimulator, start_in_thread
from exchanges.transport.wire import Keys
from exchanges.values import Book, Market, OrderRequest, Side
from tests.exchanges.feeds.conftest import eventually
from tests.exchanges.simulator.speaking import BEGIN_MS, Speaker, new_simulator

XRP = Market("XRP", "USDT")


@dataclass
class Chain:
    """The simulator that plays the real venues, and the one that listens to it."""

    real: RunningSimulator
    paper: RunningSimulator

    def book(self, running: RunningSimulator, code: str, market: Market) -> Book:
        url = {"binance": running.binance_url, "upbit": running.upbit_url}[code]
        venue = registry.public_venue(code, url)
        try:
            return venue.book(market, depth=30)
        finally:
            venue.close()

    def follows(self, code: str, market: Market) -> bool:
        """Say whether the paper venue shows the very book of the real one, which stands still."""
        real, paper = (self.book(one, code, market) for one in (self.real, self.paper))
        return (real.bids, real.asks) == (paper.bids, paper.asks)


def control(running: RunningSimulator, path: str, payload: Any = None, method: str = "") -> Any:
    body = None if payload is None else json.dumps(payload).encode()
    request = urllib.request.Request(
        running.control_url + path, data=body, method=method or ("POST" if body else "GET")
    )
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.loads(reply.read())


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    """Chain two simulators over sockets."""
    with start_in_thread(seed=3, speed=60, scenario="unlimited") as real:
        places = {"upbit": real.upbit_url, "binance": real.binance_url}
        sources = streams.public_sources(places)
        with start_in_thread(seed=4, scenario="unlimited", live=sources) as paper:
            yield Chain(real, paper)


def test_the_books_are_those_of_the_venues_that_are_listened_to(chain: Chain) -> None:
    control(chain.real, "/control/clock", {"freeze": True})
    eventually(lambda: chain.follows("binance", XRP))
    eventually(lambda: chain.follows("upbit", Market("USDT", "KRW")))
    control(chain.real, "/control/clock", {"freeze": False})
    shown = control(chain.paper, "/control/markets")["markets"]
    assert {row["depth"]["origin"] for row in shown if row["venue"] != "bithumb"} == {"live"}


def test_a_market_that_nobody_is_heard_of_has_no_book(chain: Chain) -> None:
    rows = control(chain.paper, "/control/markets")["markets"]
    tops = [row["depth"] for row in rows if row["venue"] == "bithumb"]
    assert tops
    assert all(top["best_bid"] is None and top["best_ask"] is None for top in tops)


def test_an_order_is_filled_on_paper_and_never_reaches_the_venues(chain: Chain) -> None:
    eventually(lambda: chain.book(chain.paper, "binance", XRP).asks)
    account = control(chain.paper, "/control/accounts")["accounts"]["binance"]
    venue = BinanceVenue(
        base_url=chain.paper.binance_url,
        keys=Keys(access=account["access_key"], secret=account["secret_key"]),
        clock=registry.utc_now,
    )
    price = chain.book(chain.real, "binance", XRP).asks[0].price * Decimal("1.01")
    order = OrderRequest(
        market=XRP, side=Side.BUY, quantity=Decimal(100), limit_price=price.quantize(Decimal("0.0001")),
        client_order_id="kpaper1",
    )  # fmt: skip
    report = venue.place_order(order)
    venue.close()
    assert report.executed_quantity == 100
    posts = [row for row in control(chain.real, "/control/requests") if row["method"] == "POST"]
    assert posts == []


def test_a_feed_that_is_silent_takes_the_book_away_and_gives_it_back(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venue_feed, "GRACE_SECONDS", 0.3)
    eventually(lambda: chain.book(chain.paper, "binance", XRP).asks)
    control(chain.real, "/control/faults", {"fault": "F35", "action": "disconnect", "venue": "binance", "args": {"seconds": 0}})  # fmt: skip
    control(chain.real, "/control/faults", {"fault": "F3", "venue": "binance", "method": "GET"})
    eventually(lambda: not chain.book(chain.paper, "binance", XRP).asks)
    control(chain.real, "/control/faults", method="DELETE")
    eventually(lambda: chain.book(chain.paper, "binance", XRP).asks)


def test_no_recorded_rate_is_shown_beside_live_books(chain: Chain) -> None:
    with pytest.raises(HTTPError) as caught:
        control(chain.paper, "/fx/usdkrw")
    assert caught.value.code == 503
    assert b"KIMP_FX" in caught.value.read()


def test_a_world_that_is_reset_goes_on_with_live_books(chain: Chain) -> None:
    control(chain.paper, "/control/reset", {"seed": 9, "scenario": "unlimited"})
    rows = control(chain.paper, "/control/markets")["markets"]
    assert {row["depth"]["origin"] for row in rows} == {"live"}, "not even for a moment"
    eventually(lambda: chain.book(chain.paper, "binance", XRP).asks)


def live(speaker: Speaker, venue: str, symbol: str, top: str, step: str) -> None:
    """Bring a book of ten levels a side around a price."""
    price, gap = Decimal(top), Decimal(step)
    bids = [[str(price - gap * n), "500"] for n in range(10)]
    asks = [[str(price + gap * (n + 1)), "500"] for n in range(10)]
    speaker.control("POST", "/control/live", venue=venue, symbol=symbol, bids=bids, asks=asks)


def paper_trade(speaker: Speaker) -> None:
    """Do a reproducible mixture of live books and orders."""
    choice = random.Random(7)
    speaker.control("POST", "/control/live", on=True)
    for number in range(40):
        speaker.wait(choice.uniform(0.05, 0.6))
        top = f"2.{choice.randrange(4000, 4200)}"
        live(speaker, "binance", "XRPUSDT", top, "0.0001")
        order = {"symbol": "XRPUSDT", "side": choice.choice(["BUY", "SELL"]), "type": "LIMIT"}
        price = {
            "timeInForce": "GTC",
            "quantity": "50",
            "price": f"2.{choice.randrange(4000, 4200)}",
        }
        speaker.binance("POST", "/api/v3/order", **order, **price, newClientOrderId=f"p{number}")


def test_the_same_live_books_and_requests_give_a_byte_identical_journal() -> None:
    journals = []
    for _ in range(2):
        speaker = Speaker(new_simulator(seed=5, speed=1))
        paper_trade(speaker)
        assert speaker.simulator.problems() == []
        journals.append(speaker.simulator.world.journal.lines())
    assert journals[0] == journals[1]
    assert b"book_live" in journals[0]


def test_the_log_of_inputs_gives_a_paper_desk_again() -> None:
    speaker = Speaker(new_simulator(seed=5, speed=1))
    inputs: list[Input] = []
    speaker.simulator.recorder = inputs.append
    paper_trade(speaker)
    again = new_simulator(seed=5, speed=1)
    for one in inputs:
        again.replay(one)
    again.advance_to(speaker.simulator.world.wall_ms)
    assert again.world.journal.lines() == speaker.simulator.world.journal.lines()
    assert again.world.vault.cells == speaker.simulator.world.vault.cells


def test_without_live_books_a_kept_world_goes_back_to_its_stretch() -> None:
    speaker = Speaker(new_simulator(seed=5, speed=1))
    speaker.control("POST", "/control/live", on=True)
    assert not speaker.control("POST", "/control/live", on=False).body["live"]
    origins = {
        row["depth"]["origin"] for row in speaker.control("GET", "/control/markets").body["markets"]
    }
    assert origins == {"generated"}
    assert speaker.control("GET", "/fx/usdkrw").status == 200


def test_prices_step_by_the_venues_table_of_today() -> None:
    speaker = Speaker(new_simulator(seed=5, speed=1))
    market = speaker.simulator.world.markets["upbit", "KRW-ETH"]
    price = Decimal(4_000_000)
    assert speaker.simulator.world.price_step(market, price) == 1000
    then = Decimal(700_000)
    assert speaker.simulator.world.price_step(market, then) == 100  # in December 2024
    speaker.control("POST", "/control/live", on=True)
    assert speaker.simulator.world.price_step(market, then) == 500
    assert speaker.wall_ms >= BEGIN_MS


@pytest.mark.parametrize(
    "options",
    [
        ["--live-books", "--speed=60"],
        ["--live-books", "kraken=http://x"],
        ["--live-books", "upbit=x"],
    ],
)
def test_what_makes_no_sense_beside_live_books_is_refused(options: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("simulator", *options)
