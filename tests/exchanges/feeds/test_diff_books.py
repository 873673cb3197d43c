"""Binance's frames: applied by the venue's documented rule, or there is no book."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest

from exchanges.feeds import ladder
from exchanges.feeds.binance import BinanceBooks
from exchanges.feeds.ladder import KEPT, Ladder
from exchanges.feeds.states import Lack, NoBook, Notice, NoticeKind, State
from exchanges.values import Book, Level, Market
from tests.exchanges.feeds.speaking import (
    DOLLAR,
    NOW,
    NOW_MS,
    OLDEST,
    Rows,
    diff_frame,
    levels,
    read_book,
    sides,
)

BIDS: Rows = [("2.00", "10"), ("1.99", "20"), ("1.98", "30")]
ASKS: Rows = [("2.01", "10"), ("2.02", "20"), ("2.03", "30")]


@pytest.fixture
def books() -> BinanceBooks:
    """Give the books of one market, in step at number 100, known to their ends."""
    books = BinanceBooks([DOLLAR], depth=30, oldest=OLDEST)
    books.adopt(read_book(BIDS, ASKS, update_id=100), asked=500)
    return books


def take(books: BinanceBooks, frame: bytes) -> State:
    heard = books.take(frame, NOW)
    assert not isinstance(heard, Notice), heard
    return heard


def wants(books: BinanceBooks) -> bool:
    """Say whether a whole book must be read."""
    return books.keepers[DOLLAR].wants_snapshot


def lack(state: State) -> Lack:
    assert isinstance(state, NoBook), state
    return state.lack


def test_changes_are_set_and_zero_removes(books: BinanceBooks) -> None:
    frame = diff_frame(101, 105, [("2.00", "0.00"), ("1.985", "7")], [("2.01", "11")])
    bids, asks = sides(take(books, frame))
    assert bids == levels([("1.99", "20"), ("1.985", "7"), ("1.98", "30")])
    assert asks == levels([("2.01", "11"), ("2.02", "20"), ("2.03", "30")])


def test_the_number_and_the_stamp_of_the_last_change_are_the_books(books: BinanceBooks) -> None:
    state = take(books, diff_frame(101, 105, stamp=NOW_MS - 250))
    assert isinstance(state, Book)
    assert (state.update_id, state.venue_at) == (105, NOW - timedelta(milliseconds=250))


def test_one_price_spelled_in_two_ways_is_one_level(books: BinanceBooks) -> None:
    bids, _ = sides(take(books, diff_frame(101, 101, [("2.00000000", "3")])))
    assert bids[0] == Level(Decimal("2.00"), Decimal(3))
    assert len(bids) == 3


def test_removing_what_is_not_there_is_normal(books: BinanceBooks) -> None:
    assert sides(take(books, diff_frame(101, 101, [("1.50", "0")])))[0] == levels(BIDS)


def test_a_hole_ends_the_book_until_a_whole_one_is_read(books: BinanceBooks) -> None:
    assert lack(take(books, diff_frame(102, 103))) is Lack.GAP
    assert lack(take(books, diff_frame(104, 104, [("1.97", "9")]))) is Lack.GAP
    assert wants(books)
    books.adopt(read_book(BIDS, ASKS, update_id=103), asked=500)
    bids, _ = sides(books.keepers[DOLLAR].state)
    assert bids[-1] == levels([("1.97", "9")])[0]
    assert not wants(books)


def test_a_whole_book_from_before_the_hole_does_not_help(books: BinanceBooks) -> None:
    take(books, diff_frame(110, 111))
    books.adopt(read_book(BIDS, ASKS, update_id=108), asked=500)
    assert lack(books.keepers[DOLLAR].state) is Lack.GAP
    books.adopt(read_book(BIDS, ASKS, update_id=109), asked=500)
    sides(books.keepers[DOLLAR].state)


def test_known_changes_are_left_out_and_one_that_reaches_beyond_is_used(
    books: BinanceBooks,
) -> None:
    before = books.keepers[DOLLAR].state
    assert take(books, diff_frame(99, 100, [("2.00", "0")])) is before
    state = take(books, diff_frame(99, 101, [("2.00", "5")]))
    assert sides(state)[0][0] == levels([("2.00", "5")])[0]


def test_a_crossed_book_is_out_of_step(books: BinanceBooks) -> None:
    assert lack(take(books, diff_frame(101, 101, [("2.02", "1")]))) is Lack.CROSSED
    assert wants(books)


def test_an_empty_side_is_no_book_but_still_in_step(books: BinanceBooks) -> None:
    gone = [(price, "0") for price, _ in ASKS]
    assert lack(take(books, diff_frame(101, 101, [], gone))) is Lack.EMPTY
    _, asks = sides(take(books, diff_frame(102, 102, [], [("2.05", "1")])))
    assert asks == levels([("2.05", "1")])


def test_a_hole_at_the_top_is_no_book(books: BinanceBooks) -> None:
    gone = [(price, "0") for price, _ in ASKS]
    assert lack(take(books, diff_frame(101, 101, [], [*gone, ("2000", "1")]))) is Lack.WIDE
    sides(take(books, diff_frame(102, 102, [], [("2.01", "1")])))


@pytest.mark.parametrize(
    "row",
    [("1.97", "-1"), ("1.97", "NaN"), ("1.97", "1e40"), ("1.97", "x"), ("-1", "1"), ("NaN", "1")],
)
def test_a_level_that_cannot_be_is_out_of_step(books: BinanceBooks, row: tuple[str, str]) -> None:
    assert lack(take(books, diff_frame(101, 101, [row]))) is Lack.UNUSABLE
    assert wants(books)


@pytest.mark.parametrize("seconds", [-16, 16])
def test_a_stamp_far_from_our_clock_is_no_book_but_still_in_step(
    books: BinanceBooks, seconds: int
) -> None:
    stamp = NOW_MS + seconds * 1000
    assert lack(take(books, diff_frame(101, 101, [("1.97", "1")], stamp=stamp))) is Lack.STAMP
    bids, _ = sides(take(books, diff_frame(102, 102)))
    assert bids[-1] == levels([("1.97", "1")])[0]


def test_a_snapshot_shows_no_deeper_than_what_is_known() -> None:
    books = BinanceBooks([DOLLAR], depth=30, oldest=OLDEST)
    books.adopt(read_book(BIDS, ASKS, update_id=100), asked=3)
    bids, _ = sides(take(books, diff_frame(101, 101, [("1.90", "5"), ("1.985", "5")])))
    assert [level.price for level in bids] == [
        Decimal(t) for t in ("2.00", "1.99", "1.985", "1.98")
    ]


def test_a_known_range_that_runs_thin_asks_for_more_and_still_shows() -> None:
    books = BinanceBooks([DOLLAR], depth=30, oldest=OLDEST)
    books.adopt(read_book(BIDS, ASKS, update_id=100), asked=3)
    assert wants(books)
    books.keepers[DOLLAR].begin_snapshot()
    take(books, diff_frame(101, 102, [("1.96", "4")]))
    deep = [*BIDS, ("1.97", "1")]
    books.adopt(read_book(deep, ASKS, update_id=101), asked=500)
    assert not wants(books)
    assert sides(books.keepers[DOLLAR].state)[0][-2:] == levels([("1.97", "1"), ("1.96", "4")])


def test_a_known_range_that_runs_empty_is_out_of_step() -> None:
    books = BinanceBooks([DOLLAR], depth=30, oldest=OLDEST)
    books.adopt(read_book(BIDS, ASKS, update_id=100), asked=3)
    gone = [(price, "0") for price, _ in BIDS]
    assert lack(take(books, diff_frame(101, 101, [*gone, ("1.5", "1")]))) is Lack.EMPTY
    assert wants(books)


def test_a_whole_book_read_ahead_of_the_stream_is_taken_and_said(books: BinanceBooks) -> None:
    ahead = read_book([("1.99", "1")], ASKS, update_id=120)
    assert not books.adopt(ahead, asked=500)
    before = books.keepers[DOLLAR].state
    assert sides(before)[0] == levels([("1.99", "1")])
    assert take(books, diff_frame(101, 120, [("1.99", "0")])) is before
    sides(take(books, diff_frame(121, 121)))


def test_a_whole_book_at_the_same_number_confirms(books: BinanceBooks) -> None:
    later = NOW + timedelta(seconds=9)
    assert books.adopt(read_book(BIDS, ASKS, update_id=100, at=later), asked=500)
    state = books.keepers[DOLLAR].state
    assert isinstance(state, Book)
    assert state.received_at == later


def test_a_whole_book_that_cannot_be_is_not_taken() -> None:
    books = BinanceBooks([DOLLAR], depth=30, oldest=OLDEST)
    books.adopt(read_book([("2.05", "1")], ASKS, update_id=100), asked=500)
    assert lack(books.keepers[DOLLAR].state) is Lack.CROSSED
    assert wants(books)


def test_a_whole_book_without_a_number_is_not_taken() -> None:
    books = BinanceBooks([DOLLAR], depth=30, oldest=OLDEST)
    assert books.adopt(read_book(BIDS, ASKS), asked=500)
    assert isinstance(books.keepers[DOLLAR].state, NoBook)


def test_a_broken_connection_ends_the_book(books: BinanceBooks) -> None:
    (state,) = books.lose([DOLLAR], Lack.DISCONNECTED, NOW)
    assert lack(state) is Lack.DISCONNECTED
    assert lack(take(books, diff_frame(101, 101))) is Lack.SYNCING


def test_a_side_that_grows_without_end_is_cut_and_says_where() -> None:
    side = Ladder(is_bids=False)
    side.reset(levels([("1", "1")]), is_whole=True)
    side.change([(str(price), "1") for price in range(2, 2 * KEPT + 2)])
    assert len(side) == KEPT
    assert side.edge == KEPT
    side.change([(str(KEPT + 1), "1")])
    assert len(side) == KEPT


def test_remembered_prices_do_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder, "PRICES_REMEMBERED", 3)
    side = Ladder(is_bids=True)
    side.change([(f"1.{n}", "1") for n in range(9)])
    assert len(side) == 9
    assert len(ladder._prices) <= 3


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (b'{"result":null,"id":1}', NoticeKind.ACCEPTED),
        (b'{"error":{"code":2,"msg":"Invalid request"},"id":1}', NoticeKind.REFUSED),
        (b'{"code":3,"msg":"Invalid JSON"}', NoticeKind.REFUSED),
        (b'{"e":"serverShutdown","E":1770123456789}', NoticeKind.ENDING),
        (b'{"e":"24hrTicker","s":"XRPUSDT"}', NoticeKind.UNKNOWN),
        (diff_frame(1, 2, symbol="DOGEUSDT"), NoticeKind.UNKNOWN),
        (diff_frame(1, 2)[:-9], NoticeKind.UNREADABLE),
        (b"", NoticeKind.UNREADABLE),
        (b"null", NoticeKind.UNREADABLE),
    ],
)
def test_a_frame_without_changes_is_told_as_what_it_is(
    books: BinanceBooks, frame: bytes, kind: NoticeKind
) -> None:
    before = books.keepers[DOLLAR].state
    heard = books.take(frame, NOW)
    assert isinstance(heard, Notice)
    assert heard.kind is kind
    assert books.keepers[DOLLAR].state is before


def test_subscriptions_go_out_in_messages_of_the_size_the_venue_takes() -> None:
    markets = [Market(f"A{n}", "USDT") for n in range(450)]
    messages = [
        json.loads(text) for text in BinanceBooks(markets, depth=5, oldest=OLDEST).requests(markets)
    ]
    assert [len(message["params"]) for message in messages] == [200, 200, 50]
    assert [message["id"] for message in messages] == [1, 2, 3]
    assert messages[0]["params"][0] == "a0usdt@depth@100ms"
