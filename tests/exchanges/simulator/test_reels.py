"""A recording is played as it was recorded: books, rates and wallets, again and again."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from exchanges.feeds.states import Lack, NoBook
from exchanges.recording.moments import Moment
from exchanges.recording.writer import Segment
from exchanges.simulator.candles import default_stretch, load_tape
from exchanges.simulator.core.reel import Reel
from exchanges.simulator.core.simulator import Simulator
from exchanges.simulator.reels import reel_of
from exchanges.simulator.state import StateFile
from exchanges.values import Book, Level, Market, NetworkRules, RateQuote
from tests.exchanges.simulator.speaking import BEGIN_MS, Speaker
from tests.exchanges.simulator.test_determinism import trade_and_send

BEGAN = datetime(2026, 11, 23, 9, 0, 0, 500_000, tzinfo=UTC)
SECONDS = 20
PRICES = {("upbit", "XRP"): 3000, ("binance", "XRP"): 2, ("upbit", "USDT"): 1400}


def book(venue: str, asset: str, second: int) -> Book:
    """Give a market's book at a second: its price rises by a step a second."""
    step = Decimal(1) if venue == "upbit" else Decimal("0.0001")
    top = PRICES[venue, asset] + second * step
    return Book(
        venue=venue,
        market=Market(asset, "KRW" if venue == "upbit" else "USDT"),
        bids=tuple(Level(top - n * step, Decimal(1000 + second + n)) for n in range(5)),
        asks=tuple(Level(top + (n + 1) * step, Decimal(2000 + second + n)) for n in range(5)),
        venue_at=None,
        received_at=BEGAN + timedelta(seconds=second),
    )


def wallet(second: int, *, is_open: bool, fee: str = "0.7") -> NetworkRules:
    return NetworkRules(
        venue="binance", asset="XRP", network="XRP", withdraw_is_open=is_open, deposit_is_open=True,
        withdraw_fee=Decimal(fee), withdraw_minimum=Decimal(3), withdraw_step=Decimal("0.000001"),
        memo_is_required=True, confirmations=None, fetched_at=BEGAN + timedelta(seconds=second),
    )  # fmt: skip


def moments(*, gap_at: int = -1) -> Iterator[Moment]:
    """Give twenty seconds: a rate, wallets that close at the tenth, three markets' books."""
    quote = RateQuote(
        source="frankfurter", krw_per_usd=Decimal("1390.5"), quoted_at=BEGAN - timedelta(hours=17),
        fetched_at=BEGAN,
    )  # fmt: skip
    yield Moment(BEGAN, quote)
    yield Moment(BEGAN, wallet(0, is_open=True))
    for second in range(SECONDS + 1):
        at = BEGAN + timedelta(seconds=second)
        if second == 10:
            yield Moment(at, wallet(10, is_open=False, fee="0.9"))
        for venue, asset in PRICES:
            if second == gap_at and venue == "upbit" and asset == "XRP":
                market = Market("XRP", "KRW")
                yield Moment(at, NoBook(venue=venue, market=market, lack=Lack.GAP, at=at))
                continue
            yield Moment(at, book(venue, asset, second))


def play(reel: Reel, *, seed: int = 1) -> Speaker:
    simulator = Simulator(
        seed=seed, tape=reel, make_random=random.Random, wall_ms=BEGIN_MS, scenario="unlimited"
    )
    return Speaker(simulator)


def shown(speaker: Speaker, venue: str = "upbit", asset: str = "XRP") -> tuple[object, object, str]:
    """Give both sides as the venue shows them, and where the book is said to be from."""
    world = speaker.simulator.world
    symbol = f"KRW-{asset}" if venue == "upbit" else f"{asset}USDT"
    found = world.book(world.markets[venue, symbol])
    bids, asks = ([(row.price, row.quantity) for row in side] for side in (found.bids, found.asks))
    return bids, asks, found.origin


def rows(one: Book) -> tuple[object, object, str]:
    bids, asks = ([(row.price, row.quantity) for row in side] for side in (one.bids, one.asks))
    return bids, asks, "recorded"


@pytest.fixture
def speaker() -> Speaker:
    return play(reel_of(moments()))


@pytest.mark.parametrize("second", [0, 1, 7, 19])
def test_each_second_shows_the_book_that_was_recorded_then(speaker: Speaker, second: int) -> None:
    speaker.wait(second)
    for venue, asset in PRICES:
        assert shown(speaker, venue, asset) == rows(book(venue, asset, second))


def test_after_its_end_it_starts_again(speaker: Speaker) -> None:
    speaker.wait(SECONDS - 1)
    first = shown(speaker)
    speaker.wait(1)
    assert shown(speaker) == rows(book("upbit", "XRP", 0)) != first


def test_a_book_says_where_it_is_from(speaker: Speaker) -> None:
    markets = {
        row["symbol"]: row["depth"]
        for row in speaker.control("GET", "/control/markets").body["markets"]
        if row["venue"] == "upbit"
    }
    assert (markets["KRW-XRP"]["origin"], markets["KRW-XRP"]["generated"]) == ("recorded", False)
    speaker.control("POST", "/control/book", venue="upbit", symbol="KRW-XRP", mid="3000")
    assert shown(speaker)[2] == "set"


def test_where_the_venue_had_no_book_one_is_generated_and_says_so() -> None:
    speaker = play(reel_of(moments(gap_at=5)))
    speaker.wait(5)
    assert shown(speaker)[2] == "generated"
    speaker.wait(1)
    assert shown(speaker) == rows(book("upbit", "XRP", 6))


def test_an_order_takes_what_was_recorded(speaker: Speaker) -> None:
    order = {"symbol": "XRPUSDT", "side": "BUY", "type": "MARKET", "quantity": "2500"}
    said = speaker.binance("POST", "/api/v3/order", **order, newClientOrderId="a")
    assert [(fill["price"], fill["qty"]) for fill in said.body["fills"]] == [
        ("2.00010000", "2000.00000000"),
        ("2.00020000", "500.00000000"),
    ]


def test_the_official_rate_is_the_recorded_one(speaker: Speaker) -> None:
    assert speaker.control("GET", "/fx/usdkrw").body["rate"] == "1390.5"


def test_wallets_open_and_close_when_they_did_and_again_when_it_is_played_again(
    speaker: Speaker,
) -> None:
    world = speaker.simulator.world
    terms = world.networks["XRP", "XRP"].wallets["binance"]
    states = []
    for _ in range(2 * SECONDS):
        states.append((terms.can_withdraw, terms.withdraw_fee))
        speaker.wait(1)
    once = [(True, Decimal("0.7"))] * 10 + [(False, Decimal("0.9"))] * 10
    assert states == once * 2


def test_the_same_recording_and_requests_give_a_byte_identical_journal() -> None:
    journals = []
    for _ in range(2):
        speaker = play(reel_of(moments()), seed=5)
        trade_and_send(speaker, 5)
        assert speaker.simulator.problems() == []
        journals.append(speaker.simulator.world.journal.lines())
    assert journals[0] == journals[1]


def write(folder: Path) -> None:
    segment = Segment(folder, BEGAN)
    for moment in moments():
        if isinstance(moment.what, Book | NoBook):
            segment.write(moment.what)
    segment.close()


def test_a_folder_with_a_recording_plays_it_unless_told_otherwise(tmp_path: Path) -> None:
    assert default_stretch(tmp_path) == "crash-2024-12-03"
    write(tmp_path)
    assert default_stretch(tmp_path) == "recording"
    with pytest.raises(LookupError, match="no official rate"):
        load_tape("recording", tmp_path)


def test_a_world_saved_with_one_recording_plays_no_other(tmp_path: Path) -> None:
    reel = reel_of(moments())
    simulator = play(reel).simulator
    StateFile(tmp_path / "state", simulator, lambda name: reel).close()
    asked = []

    def load(name: str) -> Reel:
        asked.append(name)
        return reel

    other = play(reel_of(list(moments())[:-6])).simulator
    assert other.world.recording.name != reel.name
    StateFile(tmp_path / "state", other, load).close()
    assert asked == [reel.name]


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        (lambda m: not isinstance(m.what, RateQuote), "no official rate"),
        (lambda m: not (isinstance(m.what, Book) and m.what.venue == "binance"), "no asset"),
        (lambda m: m.at <= BEGAN, "shorter than two seconds"),
    ],
)
def test_what_a_recording_lacks_is_named(kept: Callable[[Moment], bool], told: str) -> None:
    with pytest.raises(LookupError, match=told):
        reel_of(filter(kept, moments()))
