"""One WebSocket connection as the venue sees it: what it asked for, what it is owed, when it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchanges.simulator.core.streams import frames
from exchanges.simulator.core.streams.frames import Frame
from exchanges.simulator.core.streams.hearing import Happening
from exchanges.simulator.core.world import World

if TYPE_CHECKING:
    from exchanges.simulator.core.streams.hub import Streams

# A client that does not read is cut off before it costs memory.
LONGEST_OUTBOX = 10_000


class Session:
    """Takes messages, time and events; frames wait in its outbox until the transport takes them."""

    is_private = False
    is_combined = False

    def __init__(self, streams: Streams, venue: str, path: str, number: int) -> None:
        """Begin; the hub calls `greet` once it knows the session."""
        self.streams = streams
        self.venue, self.path, self.number = venue, path, number
        self.opened_ms = streams.world.wall_ms
        self.is_open = True
        self.received = self.sent = 0
        self.outbox: list[Frame] = []
        self.later: list[tuple[int, Frame]] = []

    @property
    def world(self) -> World:
        """The world it shows."""
        return self.streams.world

    def put(self, frame: Frame) -> None:
        """Owe a frame to the client."""
        if not self.is_open:
            return
        self.sent += 1
        self.outbox.append(frame)
        self.streams.ready[self] = None
        if len(self.outbox) > LONGEST_OUTBOX:
            self.outbox.clear()
            self.cut()

    def put_later(self, frame: Frame, due_ms: int) -> None:
        """Owe a frame from a wall instant on."""
        self.later.append((due_ms, frame))

    def take(self) -> list[Frame]:
        """Hand over what is owed."""
        owed, self.outbox = self.outbox, []
        return owed

    def close(self, code: int, reason: str = "") -> None:
        """Say goodbye and end."""
        self._end(Frame(frames.CLOSE, reason.encode(), code))

    def cut(self) -> None:
        """Break off without a word."""
        self._end(Frame(frames.ABORT))

    def _end(self, last: Frame) -> None:
        if not self.is_open:
            return
        self.is_open = False
        self.outbox.append(last)
        self.streams.ready[self] = None
        self.streams.forget(self)

    def greet(self) -> None:
        """Do what the venue does as soon as the connection stands."""

    def hear(self, message: bytes) -> None:
        """Take a text or binary message."""

    def ping(self, payload: bytes) -> None:
        """Take a ping: answer it."""
        self.put(Frame(frames.PONG, payload))

    def pong(self, payload: bytes) -> None:
        """Take a pong."""

    def tell(self, happening: Happening) -> None:
        """Take an event of the account; only private sessions are told."""

    def beat(self, now_ms: int) -> None:
        """Let time pass: send what has become due."""
        if not self.later:
            return
        due = [frame for at_ms, frame in self.later if at_ms <= now_ms]
        self.later = [row for row in self.later if row[0] > now_ms]
        for frame in due:
            self.put(frame)

    def wishes(self) -> list[str]:
        """Name what it is subscribed to."""
        return []
