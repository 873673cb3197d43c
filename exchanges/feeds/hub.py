"""All feeds of a process: one event loop in a thread of its own, and the newest state of each market."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from exchanges.feeds.binance import BinanceBooks
from exchanges.feeds.korean import BithumbBooks, UpbitBooks
from exchanges.feeds.reader import ReadBook, Reader
from exchanges.feeds.states import Lack, NoBook, State
from exchanges.feeds.venue_feed import VenueFeed
from exchanges.feeds.venues import VenueBooks
from exchanges.trouble import Trouble
from exchanges.values import Book, Market

DEPTH = 30
STOP_SECONDS = 5.0
BROKEN_PAUSE_SECONDS = 5.0
GOOD_AFTER_SECONDS = 60.0  # a feed that ran as long gets on
CLOSING_SECONDS = 0.02  # sockets that were let go are closed by the loop
NEVER = datetime.min.replace(tzinfo=UTC)
SPOKEN: Mapping[str, type[VenueBooks]] = {
    books.venue: books for books in (UpbitBooks, BithumbBooks, BinanceBooks)
}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One venue: where its streams are (asked before each connection), and how to read a book.

    `release` gives back what the reading thread holds, when it ends.
    """

    venue: str
    base_url: Callable[[], str]
    read_book: ReadBook
    release: Callable[[], None]


Watched = Mapping[str, Sequence[Market]]


class Feeds:
    """Streams the books of watched markets; states may be read from any thread.

    `listener` hears every new state and `settled` is called once after each batch of them, both in
    the loop's thread.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        clock: Callable[[], datetime],
        listener: Callable[[State], None] = lambda state: None,
        settled: Callable[[], None] = lambda: None,
    ) -> None:
        self._sources = {source.venue: source for source in sources}
        self._clock, self._listener, self._settled = clock, listener, settled
        self._is_batch = False
        self._states: dict[tuple[str, Market], State] = {}
        self._watched: dict[str, tuple[tuple[Market, ...], timedelta]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._present: dict[str, object] = {}  # a mark of the venue's feed that is heard
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._work, name="feeds", daemon=True)

    def start(self) -> None:
        """Begin; nothing is streamed until it is watched."""
        self._thread.start()

    def stop(self) -> None:
        """End all connections and wait for it."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(STOP_SECONDS)

    def watch(self, markets: Watched, *, oldest: timedelta) -> None:
        """Stream these markets from now on, and no others; what does not change goes on undisturbed.

        `oldest`: a book that was received longer ago is no book.
        """
        for venue in self._sources:
            wanted = (tuple(sorted(set(markets.get(venue, ())))), oldest)
            if wanted != self._watched.get(venue):
                self._watched[venue] = wanted
                self._loop.call_soon_threadsafe(self._restart, venue, *wanted)

    def state(self, venue: str, market: Market) -> State:
        """Give the newest state of a market."""
        state = self._states.get((venue, market))
        return state or NoBook(venue=venue, market=market, lack=Lack.SILENT, at=NEVER)

    def book(self, venue: str, market: Market, *, since: datetime) -> Book | None:
        """Give a market's book if there is one that was received since an instant."""
        state = self._states.get((venue, market))
        return state if isinstance(state, Book) and state.received_at >= since else None

    def states(self) -> list[State]:
        """Give the newest states of all watched markets."""
        return list(self._states.values())

    def call(self, act: Callable[[], None]) -> None:
        """Do something in the loop's thread, between two frames."""
        self._loop.call_soon_threadsafe(act)

    def _put(self, state: State) -> None:
        self._states[state.venue, state.market] = state
        self._guarded(lambda: self._listener(state))
        if not self._is_batch:
            self._is_batch = True
            self._loop.call_soon(self._settle)

    def _settle(self) -> None:
        self._is_batch = False
        self._guarded(self._settled)

    def _guarded(self, tell: Callable[[], None]) -> None:
        """Tell whoever listens; what breaks there must not take the books away."""
        try:
            tell()
        except Exception:
            log.exception("stream.listener_failed")

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            tasks = list(asyncio.all_tasks(self._loop))
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.run_until_complete(asyncio.sleep(CLOSING_SECONDS))
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
        finally:
            self._loop.close()

    def _restart(self, venue: str, markets: tuple[Market, ...], oldest: timedelta) -> None:
        """Replace a venue's feed; what the old one still says is not heard."""
        task = self._tasks.pop(venue, None)
        if task is not None:
            task.cancel()
        for key in [key for key in self._states if key[0] == venue]:
            del self._states[key]
        self._present[venue] = present = object()

        def put(state: State) -> None:
            if self._present[venue] is present:
                self._put(state)

        if markets:
            books = SPOKEN[venue](markets, depth=DEPTH, oldest=oldest)
            self._states.update({(venue, m): keeper.state for m, keeper in books.keepers.items()})
            run = self._run(self._sources[venue], books, put)
            self._tasks[venue] = self._loop.create_task(run, name=f"feed:{venue}")

    async def _run(self, source: Source, books: VenueBooks, put: Callable[[State], None]) -> None:
        """Run a venue's feed; one that breaks on what nobody foresaw has no books, and begins anew."""
        reader = Reader(source.venue, source.read_book, source.release)
        feed = VenueFeed(
            books,
            endpoint=lambda: source.base_url() + books.path,
            reader=reader,
            put=put,
            clock=self._clock,
        )
        trouble = Trouble(f"feed:{source.venue}", event="stream.broken")
        try:
            while True:
                pause = await self._one_life(feed, trouble)
                try:
                    for state in books.lose(books.keepers, Lack.DISCONNECTED, self._clock()):
                        put(state)
                except Exception as error:  # noqa: BLE001  told there; they age by themselves
                    trouble.tell(error)
                await asyncio.sleep(max(pause.total_seconds(), BROKEN_PAUSE_SECONDS))
        finally:
            reader.close()

    async def _one_life(self, feed: VenueFeed, trouble: Trouble) -> timedelta:
        """Run a feed until it breaks; gives the pause that it needs then."""
        well, pause = self._loop.call_later(GOOD_AFTER_SECONDS, trouble.over), timedelta(0)
        try:
            await feed.run()
        except* Exception as errors:  # noqa: BLE001  told there
            pause = trouble.tell(errors)
        finally:
            well.cancel()
        return pause
