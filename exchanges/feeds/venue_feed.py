"""One venue's feed: lines bring frames to its books; where they are silent, books are read by request.

A market's state is asked for by request when it has none, when its keeper must begin anew, and when it
has been quiet for a while: a read either confirms the book or shows that the stream hangs.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from math import inf

import structlog

from exchanges.feeds.line import REFUSED, Door, Line
from exchanges.feeds.reader import FORESEEN, Reader
from exchanges.feeds.states import Lack, NoBook, Notice, NoticeKind, State
from exchanges.feeds.venues import VenueBooks
from exchanges.metrics import BOOK_AGE_SECONDS, STREAM_EVENTS, STREAM_READS
from exchanges.values import Book, Market

HOUSEKEEPING_SECONDS = 0.5
NAP_SECONDS = 0.1
PATIENCE_SECONDS = 1.0  # a fresh subscription speaks by itself
GRACE_SECONDS = 2.0  # for a stream to tell of what a read has shown already
QUIET_SHARE = 2  # a book is confirmed after half of the longest age
LONGEST_PAUSE_SECONDS = 60.0
UNCHANGED_PAUSE_SECONDS = 0.5  # after a read that brought no book
ENDING_SECONDS = 5.0
LONGEST_STALL_SECONDS = 300.0
OUT_OF_STEP, WITHOUT_BOOK = 2e9, 1e9  # beyond any number of seconds

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Watch:
    """What the feed remembers of one market's reads; instants are monotonic."""

    not_before: float = 0.0
    failures: int = 0
    suspected_at: float | None = None  # a read has shown another book than the stream
    heard_at: datetime | None = None  # when the stream last spoke before that
    stalls: int = 0


class VenueFeed:
    """Runs one venue's books; `put` is given every new state."""

    def __init__(
        self,
        books: VenueBooks,
        *,
        endpoint: Callable[[], str],
        reader: Reader,
        put: Callable[[State], None],
        clock: Callable[[], datetime],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.books, self._reader = books, reader
        self._put, self._clock, self._jitter = put, clock, jitter
        self._watches = {market: Watch() for market in books.keepers}
        self._told: Counter[str] = Counter()
        door = Door(books.limits.connect_seconds)
        markets, most = list(books.keepers), books.limits.markets_a_connection
        self.lines = [
            Line(books, markets[first : first + most], endpoint=endpoint, door=door,
                 listener=self, jitter=jitter)
            for first in range(0, len(markets), most)
        ]  # fmt: skip
        self._line_of = {market: line for line in self.lines for market in line.markets}

    async def run(self) -> None:
        """Run lines, reads and housekeeping until cancelled."""
        async with asyncio.TaskGroup() as group:
            for line in self.lines:
                group.create_task(line.run())
            group.create_task(self._read_on())
            group.create_task(self._keep_house())

    def heard(self, line: Line, frame: bytes) -> None:
        """Take a frame of a line."""
        heard = self.books.take(frame, self._clock())
        if isinstance(heard, Notice):
            self._notice(line, heard)
        else:
            self._put(heard)

    def _notice(self, line: Line, notice: Notice) -> None:
        if notice.kind is NoticeKind.REFUSED:
            log.error("stream.refused", venue=self.books.venue, text=notice.text)
            line.drop(REFUSED)
        elif notice.kind is NoticeKind.ENDING:
            delay = ENDING_SECONDS * self._jitter()
            asyncio.get_running_loop().call_later(delay, line.drop, "ending")

    def ended(self, line: Line) -> None:
        """Have no books of a line that ended."""
        for state in self.books.lose(line.markets, Lack.DISCONNECTED, self._clock()):
            self._put(state)

    async def _read_on(self) -> None:
        """Read what is wanted most, at the venue's pace."""
        limits = self.books.limits
        while True:
            market = self._most_wanted()
            if market is None:
                await asyncio.sleep(NAP_SECONDS)
            elif self._begins_anew(market):
                await self._read(market, limits.snapshot_depth)
                await asyncio.sleep(limits.snapshot_seconds)
            else:
                await self._read(market, limits.read_depth)
                await asyncio.sleep(limits.read_seconds)

    def _begins_anew(self, market: Market) -> bool:
        return self.books.keepers[market].wants_snapshot and self._line_of[market].is_open

    def _most_wanted(self) -> Market | None:
        """Give the market to read: one out of step first, then one without a book, then the quietest."""
        now, at = time.monotonic(), self._clock()
        wants = [
            (want, market)
            for market, watch in self._watches.items()
            if watch.not_before <= now and (want := self._want(market, now, at)) > 0
        ]
        return max(wants)[1] if wants else None

    def _want(self, market: Market, now: float, at: datetime) -> float:
        """Weigh a market's need of a read; 0 if it has none."""
        keeper, line = self.books.keepers[market], self._line_of[market]
        if self._begins_anew(market):
            return OUT_OF_STEP
        if line.is_open and now - line.opened_at < PATIENCE_SECONDS:
            return 0.0
        if isinstance(keeper.state, NoBook):
            return WITHOUT_BOOK
        quiet = at - keeper.state.received_at
        return quiet.total_seconds() if quiet * QUIET_SHARE > keeper.oldest else 0.0

    async def _read(self, market: Market, depth: int) -> None:
        keeper, watch = self.books.keepers[market], self._watches[market]
        keeper.begin_snapshot()
        try:
            book = await self._reader.read(market, depth)
        except FORESEEN as error:
            self._note_failure(market, watch, error)
            return
        STREAM_READS.labels(venue=self.books.venue, outcome="done").inc()
        is_same = self.books.adopt(book, asked=depth)
        self._put(keeper.state)
        watch.failures = 0
        if isinstance(keeper.state, NoBook):
            watch.not_before = time.monotonic() + UNCHANGED_PAUSE_SECONDS
        if not is_same and self._line_of[market].is_open and watch.suspected_at is None:
            watch.suspected_at, watch.heard_at = time.monotonic(), keeper.heard_at

    def _note_failure(self, market: Market, watch: Watch, error: Exception) -> None:
        """Leave a market whose reads fail alone for longer each time."""
        watch.failures += 1
        pause = min(2.0 ** min(watch.failures - 1, 10), LONGEST_PAUSE_SECONDS)
        watch.not_before = time.monotonic() + pause * (0.5 + self._jitter())
        STREAM_READS.labels(venue=self.books.venue, outcome="failed").inc()
        log.warning(
            "stream.read_failed", venue=self.books.venue, market=market.code, error=str(error)
        )

    async def _keep_house(self) -> None:
        """Let books grow stale, find streams that hang, show what happened."""
        while True:
            now, at = time.monotonic(), self._clock()
            for market, watch in self._watches.items():
                self._let_age(market, at)
                self._look_for_stall(market, watch, now)
            self._tell(at)
            await asyncio.sleep(HOUSEKEEPING_SECONDS)

    def _let_age(self, market: Market, at: datetime) -> None:
        keeper = self.books.keepers[market]
        if isinstance(keeper.state, Book) and at - keeper.state.received_at > keeper.oldest:
            self._put(keeper.lose(Lack.STALE, at))

    def _look_for_stall(self, market: Market, watch: Watch, now: float) -> None:
        """End a connection that goes on not telling what a read has shown; each time later."""
        if watch.suspected_at is None:
            return
        line, has_spoken = (
            self._line_of[market],
            self.books.keepers[market].heard_at != watch.heard_at,
        )
        if has_spoken or not line.is_open:
            watch.stalls = 0 if has_spoken else watch.stalls
            watch.suspected_at = None
            return
        patience = min(GRACE_SECONDS * 2.0**watch.stalls, LONGEST_STALL_SECONDS)
        if now - watch.suspected_at < GRACE_SECONDS or now - line.opened_at < patience:
            return
        watch.stalls = min(watch.stalls + 1, 10)
        watch.suspected_at = None
        log.warning("stream.stalled", venue=self.books.venue, market=market.code)
        line.drop("stalled")

    def _tell(self, at: datetime) -> None:
        """Bring the counters up to date."""
        venue, counts = self.books.venue, self.books.counts()
        for event, number in counts.items():
            more = number - self._told[event]
            if more:
                STREAM_EVENTS.labels(venue=venue, event=str(event)).inc(more)
        self._told = counts
        for market, keeper in self.books.keepers.items():
            state = keeper.state
            age = (at - state.received_at).total_seconds() if isinstance(state, Book) else inf
            BOOK_AGE_SECONDS.labels(venue=venue, market=market.code).set(age)
