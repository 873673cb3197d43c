"""Whatever is lost, doubled or swapped on the way: what Binance's keeper shows was true, or it shows none."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings, strategies as st

from exchanges.feeds.binance import BinanceBooks
from exchanges.feeds.states import Lack, NoBook
from exchanges.values import Book
from tests.exchanges.feeds.speaking import DEPTH, DOLLAR, NOW, OLDEST, TrueBook, levels

read_depths = st.sampled_from([2, 4, 7, 50])

changes = st.lists(
    st.tuples(st.booleans(), st.integers(90, 110), st.sampled_from(["0", "0.0", "1", "2.5", "7"])),
    min_size=1,
    max_size=40,
)
# What happens to the stream: frames cut anywhere and sent in any order, reads that lag, breaks.
events = st.lists(
    st.one_of(
        st.tuples(st.just("next"), st.integers(1, 4), st.just(0)),
        st.tuples(st.just("next"), st.integers(1, 4), st.just(0)),
        st.tuples(st.just("lost"), st.integers(1, 4), st.just(0)),
        st.tuples(st.just("again"), st.just(0), st.just(0)),
        st.tuples(st.just("frame"), st.integers(0, 60), st.integers(1, 4)),
        st.tuples(st.just("read"), st.integers(0, 60), st.just(0)),
        st.tuples(st.just("begin"), st.just(0), st.just(0)),
        st.tuples(st.just("break"), st.just(0), st.just(0)),
    ),
    max_size=80,
)


def true_book(rows: list[tuple[bool, int, str]]) -> TrueBook:
    book = TrueBook()
    for is_bid, price, size in rows:
        book.change(is_bid=is_bid, price=f"{price}.0", size=size)
    return book


class Way:
    """The way from a true book to a keeper."""

    def __init__(self, truth: TrueBook, read_depth: int) -> None:
        self.truth, self.sent, self.read_depth = truth, 0, read_depth
        self.books = BinanceBooks([DOLLAR], depth=DEPTH, oldest=OLDEST)

    @property
    def last(self) -> int:
        return len(self.truth.changes)

    def happen(self, what: str, number: int, size: int) -> None:
        keeper = self.books.keepers[DOLLAR]
        if what == "next" and self.sent < self.last:
            last = min(self.sent + number, self.last)
            self.books.take(self.truth.frame(self.sent + 1, last), NOW)
            self.sent = last
        elif what == "lost":
            self.sent = min(self.sent + number, self.last)
        elif what == "again":  # where the stream now is, read without a lag
            self.books.adopt(
                self.truth.read(self.sent, depth=self.read_depth), asked=self.read_depth
            )
        elif what == "frame" and self.last:
            first = number % self.last + 1
            self.books.take(self.truth.frame(first, min(first + size - 1, self.last)), NOW)
        elif what == "read":
            book = self.truth.read(number % (self.last + 1), depth=self.read_depth)
            self.books.adopt(book, asked=self.read_depth)
        elif what == "begin":
            keeper.begin_snapshot()
        elif what == "break":
            keeper.lose(Lack.DISCONNECTED, NOW)


def assert_true(state: Any, truth: TrueBook) -> None:
    """Hold what is shown against what was true at its number: the top levels, none left out."""
    if isinstance(state, NoBook):
        return
    assert isinstance(state, Book)
    assert state.update_id is not None
    bids, asks = truth.past[state.update_id]
    assert tuple(state.bids) == levels(bids)[: len(state.bids)]
    assert tuple(state.asks) == levels(asks)[: len(state.asks)]
    assert state.bids
    assert state.asks


@settings(max_examples=150, deadline=None)
@given(changes, events, read_depths)
def test_what_is_shown_was_true_at_its_number(
    rows: list[Any], happenings: list[Any], read_depth: int
) -> None:
    way = Way(true_book(rows), read_depth)
    for what, number, size in happenings:
        way.happen(what, number, size)
        assert_true(way.books.keepers[DOLLAR].state, way.truth)


@settings(max_examples=40, deadline=None)
@given(changes, events, read_depths)
def test_after_any_disorder_one_read_and_an_unbroken_stream_show_the_present(
    rows: list[Any], happenings: list[Any], read_depth: int
) -> None:
    way = Way(true_book(rows), read_depth)
    for what, number, size in happenings:
        way.happen(what, number, size)
    keeper = way.books.keepers[DOLLAR]
    keeper.begin_snapshot()
    way.books.adopt(way.truth.read(way.last, depth=1000), asked=1000)
    way.truth.change(is_bid=True, price="98.5", size="3")
    way.books.take(way.truth.frame(way.last, way.last), NOW)
    bids, asks = way.truth.past[-1]
    state = keeper.state
    assert isinstance(state, Book)
    assert state.update_id == way.last
    assert (tuple(state.bids), tuple(state.asks)) == (levels(bids)[:DEPTH], levels(asks)[:DEPTH])
