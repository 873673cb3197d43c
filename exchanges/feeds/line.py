"""One WebSocket connection of a venue, made again whenever it ends: with back-off, jitter and pace."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from exchanges.errors import VenueError
from exchanges.feeds.venues import VenueBooks
from exchanges.metrics import STREAM_CONNECTS, STREAMS_OPEN
from exchanges.values import Market

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
REFUSED_PAUSE_SECONDS = 60.0  # the venue's limiter, or a request it does not take
GOOD_AFTER_SECONDS = 10.0  # a connection that lived as long starts the back-off anew
PING_SECONDS = 10.0
OPEN_SECONDS = 10.0
CLOSE_SECONDS = 1.0
LARGEST_FRAME = 4 * 1024 * 1024
LIMITER_STATUSES = frozenset({403, 418, 429})
REFUSED = "refused"
NEVER = -1.0
EXPECTED = (OSError, WebSocketException, VenueError)  # TimeoutError is an OSError

log = structlog.get_logger(__name__)


class Listener(Protocol):
    """Who hears what lines carry."""

    def heard(self, line: Line, frame: bytes) -> None:
        """Take a frame."""

    def ended(self, line: Line) -> None:
        """Take note that a line which carried frames does so no more until it is made again."""


class Door:
    """Lets the connections of one venue begin one after the other, at the venue's pace."""

    def __init__(self, every_seconds: float) -> None:
        self._every_seconds = every_seconds
        self._next = 0.0
        self._guard = asyncio.Lock()

    async def pass_through(self) -> None:
        """Wait for one's turn."""
        async with self._guard:
            wait = self._next - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            self._next = time.monotonic() + self._every_seconds


class Line:
    """Carries the frames of some markets of one venue to `hear`; `ended` is told of each end.

    `endpoint` is asked anew for each connection and may raise VenueError: then it is tried again.
    """

    def __init__(
        self,
        books: VenueBooks,
        markets: Sequence[Market],
        *,
        endpoint: Callable[[], str],
        door: Door,
        listener: Listener,
        jitter: Callable[[], float],
    ) -> None:
        self.books, self.markets = books, tuple(markets)
        self.opened_at = NEVER  # monotonic, of the present connection
        self._endpoint, self._door = endpoint, door
        self._listener, self._jitter = listener, jitter
        self._socket: ClientConnection | None = None
        self._why = "start"  # the last connection ended
        self._failures = 0

    @property
    def is_open(self) -> bool:
        """Say whether there is a connection on which the books were asked for."""
        return self.opened_at != NEVER

    async def run(self) -> None:
        """Connect, listen, and again, until cancelled."""
        while True:
            await self._door.pass_through()
            began = time.monotonic()
            try:
                await self._once()
            except EXPECTED as error:
                self._why = self._why or _named(error)
            lived = time.monotonic() - began
            self._failures = 1 if lived >= GOOD_AFTER_SECONDS else self._failures + 1
            await self._rest(lived)

    def drop(self, why: str) -> None:
        """End the present connection at once."""
        if self._socket is not None:
            self._why = why
            self._socket.transport.abort()

    async def _once(self) -> None:
        """Hold one connection until it ends, which is always by an error."""
        after, self._why = self._why, ""
        url = await asyncio.to_thread(self._endpoint)
        try:
            async with asyncio.timeout(self.books.limits.life_seconds), _connected(url) as socket:
                self._socket = socket
                STREAM_CONNECTS.labels(venue=self.books.venue, after=after).inc()
                await self._ask(socket)
                while True:
                    self._listener.heard(self, await socket.recv(decode=False))
        finally:
            self._close()

    async def _ask(self, socket: ClientConnection) -> None:
        """Subscribe to all books."""
        for number, message in enumerate(self.books.requests(self.markets)):
            if number:
                await asyncio.sleep(self.books.limits.message_seconds)
            await socket.send(message)
        self.opened_at = time.monotonic()
        STREAMS_OPEN.labels(venue=self.books.venue).inc()
        log.info("stream.connected", venue=self.books.venue, markets=len(self.markets))

    def _close(self) -> None:
        was_open, self._socket, self.opened_at = self.is_open, None, NEVER
        if was_open:
            STREAMS_OPEN.labels(venue=self.books.venue).dec()
            self._listener.ended(self)

    async def _rest(self, lived: float) -> None:
        pause = self._pause_seconds()
        log.warning(
            "stream.ended",
            venue=self.books.venue,
            why=self._why,
            markets=len(self.markets),
            lived_seconds=round(lived, 1),
            pause_seconds=round(pause, 2),
        )
        await asyncio.sleep(pause)

    def _pause_seconds(self) -> float:
        """Give how long to wait: each failure in a row doubles the most, chance takes a part of it."""
        if self._why == REFUSED:
            return REFUSED_PAUSE_SECONDS * (0.5 + self._jitter())
        most = FIRST_PAUSE_SECONDS * 2.0 ** min(self._failures - 1, 10)
        return min(most, LONGEST_PAUSE_SECONDS) * self._jitter()


def _connected(url: str) -> connect:
    """Prepare a connection: no compression (CPU before bytes), no proxy of the environment's."""
    return connect(
        url,
        compression=None,
        proxy=None,
        open_timeout=OPEN_SECONDS,
        ping_interval=PING_SECONDS,
        ping_timeout=PING_SECONDS,
        close_timeout=CLOSE_SECONDS,
        max_size=LARGEST_FRAME,
    )


def _named(error: Exception) -> str:
    """Say in a word why a connection ended or was not made."""
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        return REFUSED if status in LIMITER_STATUSES else "handshake"
    names: tuple[tuple[type[Exception], str], ...] = (
        (ConnectionClosed, "closed"),
        (VenueError, "no_address"),
        (TimeoutError, "time"),  # the connection's life, or no answer
        (OSError, "unreachable"),
    )
    return next((name for kind, name in names if isinstance(error, kind)), "protocol")
