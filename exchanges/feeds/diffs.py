"""The keeper of a book that is told by changes, each with the range of its numbers (Binance). Pure.

The venue's documented rule: collect changes; read a whole book, which carries the number of its last
change; leave out changes that end at or below it; the first that is used must contain the next number;
each one after begins with the number after the last. A hole means: read a whole book again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from exchanges.feeds.keeping import Keeper
from exchanges.feeds.ladder import Ladder, Row
from exchanges.feeds.states import WIDEST, Lack, NoBook, State, lack_of
from exchanges.transport.decoding import from_milliseconds
from exchanges.values import Book, Market

COLLECTED = 200  # changes kept while a whole book is read: 20 s of them
FEWEST_LEVELS = 20  # known on a side; below, a whole book is read while the present one still shows
UNUSABLE = (ValueError, ArithmeticError)  # what a price or size that cannot be raises


class Diff(msgspec.Struct, frozen=True):
    """One frame of changes: new sizes at prices, zero for a level that is gone."""

    symbol: str = msgspec.field(name="s")
    first_id: int = msgspec.field(name="U")
    last_id: int = msgspec.field(name="u")
    stamp_ms: int = msgspec.field(name="E")
    bids: list[Row] = msgspec.field(name="b")
    asks: list[Row] = msgspec.field(name="a")


class DiffKeeper(Keeper):
    """Keeps the book of one market from changes and whole books."""

    def __init__(self, venue: str, market: Market, *, depth: int, oldest: timedelta) -> None:
        super().__init__(venue, market, depth=depth, oldest=oldest)
        self._bids, self._asks = Ladder(is_bids=True), Ladder(is_bids=False)
        self._last_id: int | None = None  # None: out of step, and then there is no book
        self._collected: deque[Diff] = deque(maxlen=COLLECTED)
        self._collects = True

    @property
    def wants_snapshot(self) -> bool:
        """Say whether a whole book must be read: out of step, or nearly out of what is known."""
        return self._last_id is None or any(
            side.edge is not None and len(side) < FEWEST_LEVELS for side in (self._bids, self._asks)
        )

    def begin_snapshot(self) -> None:
        """Collect changes from now on: those since the whole book was made are applied to it."""
        if not self._collects:
            self._collected.clear()
            self._collects = True

    def take(self, diff: Diff, at: datetime) -> State:
        """Take a frame of changes: the next ones are applied, known ones left out, a hole ends it."""
        self.frames += 1
        self.heard_at = at
        last_id = self._last_id
        if last_id is None:
            self._wait(at)
        elif diff.last_id <= last_id:
            self.counts["late"] += 1
        elif diff.first_id > last_id + 1:
            self._fall_out(Lack.GAP, at)
        else:
            self._follow(diff, at)
        if self._collects:
            self._collected.append(diff)
        return self.state

    def _follow(self, diff: Diff, at: datetime) -> None:
        try:
            self._apply(diff)
            self._show(diff.stamp_ms, at)
        except UNUSABLE:
            self._fall_out(Lack.UNUSABLE, at)

    def _wait(self, at: datetime) -> None:
        """Be out of step: the stream speaks, a whole book is missing."""
        if isinstance(self.state, NoBook) and self.state.lack in {Lack.SILENT, Lack.DISCONNECTED}:
            self.lose(Lack.SYNCING, at)

    def _apply(self, diff: Diff) -> None:
        if self._last_id is not None and diff.last_id <= self._last_id:
            return  # collected out of order
        self._bids.change(diff.bids)
        self._asks.change(diff.asks)
        self._last_id = diff.last_id

    def _show(self, stamp_ms: int | None, at: datetime) -> None:
        bid, ask = self._bids.best, self._asks.best
        if bid is None or ask is None:
            # Beyond a known range that has run empty there may be levels.
            is_cut = (self._bids if bid is None else self._asks).edge is not None
            (self._fall_out if is_cut else self.lose)(Lack.EMPTY, at)
        elif bid >= ask:
            self._fall_out(Lack.CROSSED, at)
        elif ask > bid * WIDEST:
            self.lose(Lack.WIDE, at)
        elif stamp_ms is not None and self._is_far(stamp_ms, at):
            self.lose(Lack.STAMP, at)
        else:
            self._hold(stamp_ms, at)

    def _hold(self, stamp_ms: int | None, at: datetime) -> None:
        self.state = Book(
            venue=self.venue,
            market=self.market,
            bids=self._bids.top(self.depth),
            asks=self._asks.top(self.depth),
            venue_at=from_milliseconds(stamp_ms),
            received_at=at,
            update_id=self._last_id,
        )

    def _fall_out(self, lack: Lack, at: datetime) -> None:
        """Be out of step: only a whole book helps."""
        self._last_id = None
        self.begin_snapshot()
        self.lose(lack, at)

    def lose(self, lack: Lack, at: datetime) -> State:
        """Have no book from now on; without a connection, changes are missing for certain."""
        if lack is Lack.DISCONNECTED:
            self._last_id = None
            self._collected.clear()
            self._collects = True
        return super().lose(lack, at)

    def adopt(self, book: Book, *, asked: int) -> bool:
        """Take a whole book read by request, and on it the changes collected since it was made."""
        if book.update_id is None:
            return True  # it cannot be placed among the changes
        is_behind = self._last_id is not None and book.update_id > self._last_id
        newer = [diff for diff in self._collected if diff.last_id > book.update_id]
        if not self._reaches(book.update_id, newer):
            self.counts["old_snapshots"] += 1
            return True
        self._collects = False
        self._collected.clear()
        self._begin(book, newer, asked=asked)
        return not is_behind

    def _reaches(self, update_id: int, newer: Sequence[Diff]) -> bool:
        """Say whether a whole book and the changes after it lead, without a hole, to what is known."""
        reached = update_id
        for diff in newer:
            if diff.first_id > reached + 1:
                return False
            reached = max(reached, diff.last_id)
        return reached >= (self._last_id or 0)

    def _begin(self, book: Book, newer: Sequence[Diff], *, asked: int) -> None:
        """Be in step from a whole book on."""
        at = book.received_at
        lack = lack_of(book.bids, book.asks)
        if lack not in {None, Lack.EMPTY, Lack.WIDE}:
            self._fall_out(lack or Lack.UNUSABLE, at)
            return
        self._bids.reset(book.bids, is_whole=len(book.bids) < asked)
        self._asks.reset(book.asks, is_whole=len(book.asks) < asked)
        self._last_id = book.update_id
        try:
            for diff in newer:
                self._apply(diff)
            self._show(newer[-1].stamp_ms if newer else None, at)
        except UNUSABLE:
            self._fall_out(Lack.UNUSABLE, at)
