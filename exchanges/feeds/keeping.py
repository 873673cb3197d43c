"""Keepers of books: the state of one market, right or absent, whatever frames its venue sends. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from exchanges.feeds.states import Lack, NoBook, State, lack_of
from exchanges.feeds.units import ReadLevels, Units
from exchanges.transport.decoding import from_milliseconds, to_milliseconds
from exchanges.values import Book, Market

NEVER = datetime.min.replace(tzinfo=UTC)


class Keeper:
    """Holds one market's state. `oldest`: how far a venue's stamp may lie from our clock.

    `frames` were taken; `counts` says what else was met: late ones, reasons for having no book.
    """

    def __init__(self, venue: str, market: Market, *, depth: int, oldest: timedelta) -> None:
        self.venue, self.market = venue, market
        self.depth, self.oldest = depth, oldest
        self.frames = 0
        self.counts: Counter[str] = Counter()
        self._oldest_ms = oldest // timedelta(milliseconds=1)
        self.heard_at = NEVER  # when the stream last said anything of the market
        self.state: State = NoBook(venue=venue, market=market, lack=Lack.SILENT, at=NEVER)

    @property
    def wants_snapshot(self) -> bool:
        """Say whether only a whole book, read by request, can give a book again."""
        return False

    def begin_snapshot(self) -> None:
        """Note that a whole book is being read now."""

    def adopt(self, book: Book, *, asked: int) -> bool:
        """Take a book read by request, of which `asked` levels a side were asked for.

        False if it shows another book than the stream last did: the stream may hang.
        """
        raise NotImplementedError

    def lose(self, lack: Lack, at: datetime) -> State:
        """Have no book from now on."""
        self.counts[lack] += 1
        self.state = NoBook(venue=self.venue, market=self.market, lack=lack, at=at)
        return self.state

    def _is_far(self, stamp_ms: int, at: datetime, *, may_be_old: bool = False) -> bool:
        """Say whether a venue's stamp is too far from our clock to be believed."""
        off = to_milliseconds(at) - stamp_ms
        return off < -self._oldest_ms or (off > self._oldest_ms and not may_be_old)


class FullKeeper(Keeper):
    """Keeps a book of which every frame is the whole: the newest stamp holds (Upbit, Bithumb).

    The venue numbers nothing, so order is the stamp's: an older frame is left out, and two different
    books with one stamp are no book until a newer one comes.
    """

    def __init__(self, venue: str, market: Market, *, depth: int, oldest: timedelta) -> None:
        super().__init__(venue, market, depth=depth, oldest=oldest)
        self._stamp_ms = -1
        self._refused_ms = -1  # stamps up to here are late: two books had the last of them
        self._units: Units | None = None  # the last frame; None: a book that was read by request,
        self._read: Book | None = None  # which is this one, until a frame confirms it

    def take(
        self, rows: Sequence[msgspec.Raw], stamp_ms: int, at: datetime, *, is_snapshot: bool
    ) -> State:
        """Take a frame; a snapshot (what a new subscription is told first) may carry an old stamp."""
        self.frames += 1
        self.heard_at = at
        if self._is_late(stamp_ms):
            self.counts["late"] += 1
            return self.state
        if self._is_far(stamp_ms, at, may_be_old=is_snapshot):
            return self.lose(Lack.STAMP, at)
        units = Units(rows, self.depth)
        if stamp_ms == self._stamp_ms:
            return self._again(units, at, is_snapshot=is_snapshot)
        self._stamp_ms, self._units, self._read = stamp_ms, units, None
        return self._show(units, at)

    def _is_late(self, stamp_ms: int) -> bool:
        return stamp_ms < self._stamp_ms or stamp_ms <= self._refused_ms

    def _again(self, units: Units, at: datetime, *, is_snapshot: bool) -> State:
        """Take a frame with the stamp of the last book: the same again, or nobody knows which."""
        if not self._is_known(units):
            return self._doubt(at)
        self.counts["repeated"] += 1
        self._units, self._read = units, None
        is_news = is_snapshot or isinstance(self.state, NoBook)
        return self._show(units, at) if is_news else self.state

    def _doubt(self, at: datetime) -> State:
        """Have no book until a newer stamp comes: of two with one stamp, neither is known as newer."""
        self._refused_ms, self._units, self._read = self._stamp_ms, None, None
        return self.lose(Lack.AMBIGUOUS, at)

    def _is_known(self, units: Units) -> bool:
        if self._units is not None:
            return units.same_as(self._units)
        return self._read is not None and _shows(units, self._read)

    def _show(self, units: Units, at: datetime) -> State:
        if units.lack is not None:
            return self.lose(units.lack, at)
        self.state = Book(
            venue=self.venue,
            market=self.market,
            bids=ReadLevels(units, 0),
            asks=ReadLevels(units, 1),
            venue_at=from_milliseconds(self._stamp_ms),
            received_at=at,
        )
        return self.state

    def adopt(self, book: Book, *, asked: int) -> bool:
        """Take a book read by request, unless the stream has told of a newer one."""
        del asked  # every frame is a whole book here
        at = book.received_at
        stamp_ms = self._stamp_ms if book.venue_at is None else to_milliseconds(book.venue_at)
        if self._is_late(stamp_ms):
            return True
        if self._is_far(stamp_ms, at, may_be_old=True):
            self.lose(Lack.STAMP, at)
            return True
        is_same = self._units is None or _shows(self._units, book)
        if stamp_ms == self._stamp_ms and not (is_same and self._is_read_again(book)):
            self._doubt(at)
            return False
        self._units = self._units if is_same else None
        self._read = book if self._units is None else None
        self._stamp_ms = stamp_ms
        self._hold(book)
        return is_same

    def _is_read_again(self, book: Book) -> bool:
        """Say whether a book is the one that was read last, as deep as both go, or none was."""
        if self._read is None:
            return True
        depth = min(len(book.bids), len(book.asks), len(self._read.bids), len(self._read.asks))
        pairs = ((book.bids, self._read.bids), (book.asks, self._read.asks))
        return all(tuple(one[:depth]) == tuple(other[:depth]) for one, other in pairs)

    def _hold(self, book: Book) -> None:
        lack = lack_of(book.bids, book.asks)
        if lack is not None:
            self.lose(lack, book.received_at)
        else:
            self.state = book


def _shows(units: Units, book: Book) -> bool:
    """Say whether a frame and a book show the same, as deep as both go."""
    depth = min(len(units.rows), len(book.bids), len(book.asks))
    pairs = ((ReadLevels(units, 0), book.bids), (ReadLevels(units, 1), book.asks))
    return all(mine[:depth] == tuple(theirs[:depth]) for mine, theirs in pairs)
