"""All WebSocket connections of the simulated venues, and what they are told after each change.

Books are looked at on a grid of wall time, and only those that somebody listens to; a channel is
rendered once for all its listeners. The account's events go out at once. Nothing here touches the
world, its journal (but for the truth about faults) or its source of chance.
"""

from __future__ import annotations

from collections.abc import Hashable
from decimal import localcontext
from typing import TYPE_CHECKING

from exchanges.simulator.core.binance.refusals import refuse
from exchanges.simulator.core.numbers import ARITHMETIC
from exchanges.simulator.core.streams import frames, opening
from exchanges.simulator.core.streams.board import Board
from exchanges.simulator.core.streams.channel import Channel
from exchanges.simulator.core.streams.frames import Frame
from exchanges.simulator.core.streams.hearing import FILL, Hearing
from exchanges.simulator.core.streams.pace import Door
from exchanges.simulator.core.streams.session import Session
from exchanges.simulator.core.streams.spoiling import Spoiler
from exchanges.simulator.core.values import Reply, Request
from exchanges.simulator.core.world import World

if TYPE_CHECKING:
    from exchanges.simulator.core.simulator import Simulator

# No stream is looked at more often; timers run on the same grid.
BEAT_MS = 100


class Streams:
    """The connections of one simulator. The transport opens them, feeds them and takes frames."""

    def __init__(self, simulator: Simulator) -> None:
        """Begin without connections."""
        self.simulator = simulator
        self.board = Board(simulator)
        self.spoiler = Spoiler(simulator)
        self.sessions: dict[Session, None] = {}
        self.ready: dict[Session, None] = {}
        self.channels: dict[Hashable, Channel] = {}
        self.joined: dict[Session, set[Hashable]] = {}
        self.doors: dict[str, Door] = {}
        self.hearing: Hearing | None = None
        self.opened = self.refused = 0
        self.beaten_ms = 0

    @property
    def world(self) -> World:
        """The present world."""
        return self.simulator.world

    @property
    def has_limits(self) -> bool:
        """Whether the venues' limits are in force."""
        return self.simulator.limiter.is_on

    def restart(self) -> None:
        """End all connections: their world is gone."""
        for session in list(self.sessions):
            session.close(frames.RESTARTING, "service restart")
        self.board.clear()
        self.channels.clear()
        self.doors.clear()
        self.hearing = None

    def open(self, request: Request) -> Session | Reply:
        """Open a connection, or answer why not."""
        with localcontext(ARITHMETIC):
            self.spoiler.refresh()
            session = opening.admitted(self, request)
            if isinstance(session, Reply):
                self.refused += 1
                return session
            self.opened += 1
            self.sessions[session] = None
            session.greet()
            self._listen()
        return session

    def hear(self, session: Session, kind: str, data: bytes) -> None:
        """Give a client's frame to its session."""
        if not session.is_open:
            return
        with localcontext(ARITHMETIC):
            self.spoiler.refresh()
            session.received += 1
            if kind == frames.PING:
                session.ping(data)
            elif kind == frames.PONG:
                session.pong(data)
            else:
                session.hear(data)
            self._listen()
            self.settle()

    def forget(self, session: Session) -> None:
        """Drop a connection that has ended; its last frames may still be taken."""
        session.is_open = False
        self.leave_channels(session)
        self.sessions.pop(session, None)
        self.spoiler.forget(session)
        if not self.sessions and self.hearing is not None:
            self.hearing.stop()

    def join(self, session: Session, key: Hashable, fresh: Channel) -> None:
        """Let a session listen to the channel of that key; a fresh one is used if there is none."""
        channel = self.channels.get(key)
        if channel is None:
            channel = self.channels[key] = fresh
            channel.looked_ms = self.world.wall_ms
            channel.begin(self.board)
        channel.listeners[session] = None
        self.joined.setdefault(session, set()).add(key)

    def quit(self, session: Session, key: Hashable) -> None:
        """Let a session listen no longer; a channel without listeners is gone."""
        self.joined.get(session, set()).discard(key)
        channel = self.channels.get(key)
        if channel is None:
            return
        channel.listeners.pop(session, None)
        if not channel.listeners:
            del self.channels[key]

    def leave_channels(self, session: Session) -> None:
        """Let a session listen to nothing."""
        for key in list(self.joined.get(session, ())):
            self.quit(session, key)
        self.joined.pop(session, None)

    def deliver(self, session: Session, channel: str, frame: Frame) -> None:
        """Owe a frame of a channel to a session, as fault rules let it."""
        if not self.spoiler.active:
            session.put(frame)
            return
        for sent in self.spoiler.bend(session, channel, frame):
            session.put(sent)

    def check_private_auth(self, session: Session) -> None:
        """Refuse a signature within a session where a fault rule says so."""
        if self.spoiler.rejects_auth(session.venue, session.path, session) is not None:
            raise refuse(-2015)

    def settle(self) -> None:
        """Tell what has happened since the last time: events at once, books and timers by grid."""
        if not self.sessions:
            return
        self.spoiler.refresh()
        self._tell()
        now_ms = self.world.wall_ms
        if now_ms // BEAT_MS == self.beaten_ms // BEAT_MS:
            return
        self.beaten_ms = now_ms
        self._publish(now_ms)
        for session in list(self.sessions):
            self.spoiler.beat(session, now_ms)
            session.beat(now_ms)

    def _publish(self, now_ms: int) -> None:
        for channel in list(self.channels.values()):
            if not channel.is_due(now_ms):
                continue
            for frame in channel.news(self.board):
                self._spread(channel, frame)

    def _spread(self, channel: Channel, frame: Frame) -> None:
        wrapped: Frame | None = None
        for session in list(channel.listeners):
            if not session.is_combined:
                self.deliver(session, channel.name, frame)
                continue
            wrapped = wrapped or frames.combined(channel.name, frame)
            self.deliver(session, channel.name, wrapped)

    def _listen(self) -> None:
        """Listen to the journal as soon as somebody wants to know of orders or trades."""
        if self.hearing is None or self.hearing.world is not self.world:
            self.hearing = Hearing(self.world)
        if any(session.is_private for session in self.sessions) or self.board.prints:
            self.hearing.start()

    def _tell(self) -> None:
        if self.hearing is None or not self.hearing.heard:
            return
        for happening in self.hearing.take():
            if happening.kind == FILL:
                self.board.note_fill(happening)
            for session in list(self.sessions):
                if session.is_private and session.venue == happening.venue:
                    session.tell(happening)
