"""A venue's private stream: one connection in a thread of its own, made again whenever it ends.

What its frames say is only passed on as hints. On each new connection there is one about everything:
what happened meanwhile was told to nobody.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import structlog
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from exchanges.errors import RefusedError, VenueError
from exchanges.hints import ANYTHING, Hint, StreamRequest
from exchanges.metrics import PRIVATE_STREAM_CONNECTS

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
REFUSED_PAUSE_SECONDS = 60.0  # the venue does not let us listen: asking often makes it worse
GOOD_AFTER_SECONDS = 10.0
PING_SECONDS = 10.0
OPEN_SECONDS = 10.0
CLOSE_SECONDS = 1.0
STOP_SECONDS = 0.5  # it ends by itself, as its process does
LARGEST_FRAME = 1024 * 1024
REFUSING_STATUSES = frozenset({401, 403, 418, 429})  # others are the venue's own trouble
REFUSED = "refused"
JITTER = random.SystemRandom()
EXPECTED = (OSError, WebSocketException, VenueError)  # TimeoutError is an OSError

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One venue's account: where and how it is listened to, and how its frames are read.

    All three are called in the listening thread, `release` when that ends.
    """

    venue: str
    endpoint: Callable[[], tuple[str, StreamRequest]]
    hint: Callable[[bytes], Hint | None]
    release: Callable[[], None]


class AccountStream:
    """Listens to an account's events and tells what they are about, in its own thread."""

    def __init__(
        self,
        account: Account,
        tell: Callable[[Hint], None],
        *,
        jitter: Callable[[], float] = JITTER.random,
    ) -> None:
        self.venue = account.venue
        self.is_open = False
        self._heard_at = time.monotonic()
        self.refusals = 0
        self._account, self._tell, self._jitter = account, tell, jitter
        self._stop = threading.Event()
        self._socket: ClientConnection | None = None
        self._why, self._failures = "start", 0
        self._thread = threading.Thread(
            target=self._work, name=f"account:{self.venue}", daemon=True
        )

    @property
    def silent_for(self) -> timedelta:
        """Give how long no event has come."""
        return timedelta(seconds=time.monotonic() - self._heard_at)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def drop(self, why: str) -> None:
        """End the present connection; it is made again."""
        socket = self._socket
        if socket is not None:
            self._why = why
            socket.close()

    def close(self) -> None:
        """End it for good."""
        self._stop.set()
        self.drop("stop")
        self._thread.join(STOP_SECONDS)

    def _work(self) -> None:
        """Connect, listen, and again, until closed."""
        try:
            while not self._stop.is_set():
                began = time.monotonic()
                after, self._why = self._why, ""
                try:
                    self._once(after)
                except EXPECTED as error:
                    self._why = self._why or _named(error)
                except Exception:
                    self._why = "bug"
                    log.exception("private_stream.broken", venue=self.venue)
                self._rest(time.monotonic() - began)
        finally:
            self._account.release()

    def _once(self, after: str) -> None:
        """Hold one connection until it ends, which is always by an error."""
        url, request = self._account.endpoint()
        with _connected(url, request) as socket:
            self._socket = socket
            try:
                with suppress(ConnectionClosed):  # why it was closed may stand in a frame
                    for message in request.messages:
                        socket.send(message)
                self.is_open = True
                PRIVATE_STREAM_CONNECTS.labels(venue=self.venue, after=after).inc()
                log.info("private_stream.connected", venue=self.venue, after=after)
                self._tell(ANYTHING)
                while not self._stop.is_set():
                    self._heard(socket.recv(decode=False))
            finally:
                self.is_open, self._socket = False, None

    def _heard(self, frame: bytes) -> None:
        hint = self._account.hint(frame)
        if hint is not None:
            self._heard_at = time.monotonic()
            self._tell(hint)

    def _rest(self, lived: float) -> None:
        if self._stop.is_set():
            return
        self._failures = 1 if lived >= GOOD_AFTER_SECONDS else self._failures + 1
        pause = self._pause_seconds()
        log.warning(
            "private_stream.ended",
            venue=self.venue,
            why=self._why,
            lived_seconds=round(lived, 1),
            pause_seconds=round(pause, 2),
        )
        self._stop.wait(pause)

    def _pause_seconds(self) -> float:
        """Give how long to wait: each failure in a row doubles the most, chance takes a part of it."""
        if self._why == REFUSED:
            self.refusals += 1
            return REFUSED_PAUSE_SECONDS * (0.5 + self._jitter())
        most = FIRST_PAUSE_SECONDS * 2.0 ** min(self._failures - 1, 10)
        return min(most, LONGEST_PAUSE_SECONDS) * self._jitter()


def _connected(url: str, request: StreamRequest) -> ClientConnection:
    """Connect: no proxy of the environment's; pings find a connection that has died."""
    return connect(
        url + request.path,
        additional_headers=dict(request.headers),
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
        return REFUSED if status in REFUSING_STATUSES else "handshake"
    names: tuple[tuple[type[Exception], str], ...] = (
        (RefusedError, REFUSED),
        (ConnectionClosed, "closed"),
        (VenueError, "no_address"),
        (TimeoutError, "time"),
        (OSError, "unreachable"),
    )
    return next((name for kind, name in names if isinstance(error, kind)), "protocol")
