"""Whatever is lost, doubled or swapped: what a Korean keeper shows is the newest it was told, or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import example, given, settings, strategies as st

from exchanges.feeds.korean import UpbitBooks
from exchanges.feeds.states import Lack
from exchanges.values import Book
from tests.exchanges.feeds.speaking import (
    NOW,
    NOW_MS,
    OLDEST,
    WON,
    levels,
    read_book,
    whole_frame,
)

# True books by their order in time: how many milliseconds after the one before, and a mark.
pasts = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9)), min_size=1, max_size=12)
events = st.lists(
    st.tuples(
        st.sampled_from(["frame", "frame", "frame", "snapshot", "read", "break"]),
        st.integers(0, 11),
    ),
    max_size=60,
)


class Past:
    """What the venue showed, one book after the other; some share a stamp."""

    def __init__(self, steps: Sequence[tuple[int, int]]) -> None:
        self.books: list[tuple[int, Any, Any]] = []
        stamp = NOW_MS
        for number, (step, mark) in enumerate(steps):
            stamp += step
            bids = [(f"{99 - n}.0", f"{mark}.{number + 1:03d}") for n in range(6)]
            asks = [(f"{101 + n}.0", f"{mark}.{number + 1:03d}") for n in range(6)]
            self.books.append((stamp, bids, asks))

    def with_stamp(self, stamp: int) -> list[tuple[Any, Any]]:
        return [(levels(bids), levels(asks)) for at, bids, asks in self.books if at == stamp]


@settings(max_examples=150, deadline=None)
@example(steps=[(0, 1), (0, 1)], happenings=[("read", 0), ("read", 1)])
@example(steps=[(0, 1), (0, 1)], happenings=[("read", 0), ("break", 0), ("read", 1)])
@given(pasts, events)
def test_what_is_shown_is_the_newest_that_was_told_and_no_other_with_its_stamp(
    steps: list[tuple[int, int]], happenings: list[tuple[str, int]]
) -> None:
    past = Past(steps)
    books = UpbitBooks([WON], depth=6, oldest=OLDEST)
    keeper = books.keepers[WON]
    told = -1
    seen: dict[int, set[int]] = {}
    for what, number in happenings:
        which = number % len(past.books)
        stamp, bids, asks = past.books[which]
        if what == "break":
            keeper.lose(Lack.DISCONNECTED, NOW)
            assert not isinstance(keeper.state, Book)
            continue
        if what == "read":
            books.adopt(read_book(bids, asks, market=WON, stamp=stamp), asked=30)
        else:
            kind = "SNAPSHOT" if what == "snapshot" else "REALTIME"
            books.take(whole_frame(bids, asks, stamp=stamp, stream_type=kind), NOW)
        told = max(told, stamp)
        seen.setdefault(stamp, set()).add(which)
        state = keeper.state
        if isinstance(state, Book):
            assert state.venue_at is not None
            shown = int(state.venue_at.timestamp() * 1000)
            assert shown == told
            assert len(seen[shown]) == 1, "two books were told under one stamp"
            assert (tuple(state.bids), tuple(state.asks)) in past.with_stamp(shown)


@settings(max_examples=40, deadline=None)
@given(pasts, events)
def test_a_newer_frame_always_brings_the_book_back(
    steps: list[tuple[int, int]], happenings: list[tuple[str, int]]
) -> None:
    past = Past(steps)
    books = UpbitBooks([WON], depth=6, oldest=OLDEST)
    for _, number in happenings:
        stamp, bids, asks = past.books[number % len(past.books)]
        books.take(whole_frame(bids, asks, stamp=stamp), NOW)
    stamp, bids, asks = past.books[-1]
    state = books.take(whole_frame(bids, asks, stamp=stamp + 1), NOW)
    assert isinstance(state, Book)
    assert (tuple(state.bids), tuple(state.asks)) == (levels(bids), levels(asks))
