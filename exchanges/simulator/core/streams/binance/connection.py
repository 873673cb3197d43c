"""What both of Binance's endpoints do with a connection: pings, limits, a day to live."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchanges.simulator.core.streams import frames
from exchanges.simulator.core.streams.frames import Frame
from exchanges.simulator.core.streams.pace import Pace
from exchanges.simulator.core.streams.session import Session
from exchanges.simulator.core.values import BINANCE

if TYPE_CHECKING:
    from exchanges.simulator.core.streams.hub import Streams

PING_EVERY_MS = 20_000
PONG_WITHIN_MS = 60_000
LIFE_MS = 86_400_000
MESSAGES_A_SECOND = 5


class BinanceSession(Session):
    """A connection that is pinged, and closed if it does not answer or grows too old."""

    message_limit: int | None = MESSAGES_A_SECOND

    def __init__(self, streams: Streams, path: str, number: int) -> None:
        """Begin; the first ping comes after twenty seconds."""
        super().__init__(streams, BINANCE, path, number)
        self.pinged_ms = self.opened_ms
        self.unanswered: dict[bytes, int] = {}
        self.ends_ms = self.opened_ms + LIFE_MS
        self.pace = None if self.message_limit is None else Pace(self.message_limit, 1000)

    def is_within_limits(self) -> bool:
        """Count an incoming message, pings and pongs too; cut the client off if it is too many."""
        if self.pace is None or not self.streams.has_limits:
            return True
        if self.pace.take(self.world.wall_ms):
            return True
        self.close(frames.POLICY, "Too many requests")
        return False

    def ping(self, payload: bytes) -> None:
        """Answer a ping, if there are not too many."""
        if self.is_within_limits():
            super().ping(payload)

    def pong(self, payload: bytes) -> None:
        """Take a pong: only a copy of our ping's payload counts."""
        if self.is_within_limits() and payload in self.unanswered:
            self.unanswered.clear()

    def beat(self, now_ms: int) -> None:
        """Ping, and end what is silent or old."""
        super().beat(now_ms)
        if now_ms >= self.ends_ms:
            self.close(frames.GOING_AWAY, "connection expired")
            return
        oldest = min(self.unanswered.values(), default=now_ms)
        if now_ms - oldest >= PONG_WITHIN_MS:
            self.close(frames.POLICY, "Pong timeout")
            return
        if now_ms - self.pinged_ms >= PING_EVERY_MS:
            self.pinged_ms = now_ms
            payload = str(now_ms).encode()
            self.unanswered[payload] = now_ms
            self.streams.deliver(self, "ping", Frame(frames.PING, payload))

    def announce_shutdown(self, after_ms: int) -> None:
        """Say that the server is about to shut down, and end when it does."""
        self.ends_ms = min(self.ends_ms, self.world.wall_ms + after_ms)
        self.streams.deliver(self, "serverShutdown", frames.text(self.shutdown_event()))

    def shutdown_event(self) -> dict[str, object]:
        """Return the announcement."""
        return {"e": "serverShutdown", "E": self.world.venue_ms(BINANCE)}
