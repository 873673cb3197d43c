"""A connection to a venue of Upbit's family: requests replace one another, pings keep it alive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchanges.simulator.core.catalog import Market
from exchanges.simulator.core.streams import frames
from exchanges.simulator.core.streams.frames import Frame
from exchanges.simulator.core.streams.hearing import Happening
from exchanges.simulator.core.streams.pace import Pace
from exchanges.simulator.core.streams.session import Session
from exchanges.simulator.core.streams.upbit.asked import (
    Asked,
    AskedWronglyError,
    Wish,
    read_request,
    symbol_and_units,
)
from exchanges.simulator.core.streams.upbit.channels import QuoteChannel, Subject
from exchanges.simulator.core.streams.upbit.dialect import PRIVATE_KINDS, PUBLIC_KINDS, Dialect
from exchanges.simulator.core.streams.upbit.names import SUBSCRIPTIONS
from exchanges.simulator.core.streams.upbit.spelling import spelled

if TYPE_CHECKING:
    from exchanges.simulator.core.streams.hub import Streams

_ALIVE = frames.binary({"status": "UP"})


class FamilySession(Session):
    """One connection, public or private."""

    kinds: tuple[str, ...] = PUBLIC_KINDS

    def __init__(self, streams: Streams, dialect: Dialect, path: str, number: int) -> None:
        """Begin without subscriptions."""
        super().__init__(streams, dialect.venue, path, number)
        self.dialect = dialect
        self.form = "DEFAULT"
        self.asked: tuple[Wish, ...] = ()
        self.busy_ms = self.opened_ms
        self.alive_ms: int | None = None
        self.paces = (
            Pace(dialect.messages_a_second, 1000),
            Pace(dialect.messages_a_minute, 60_000),
        )

    def put(self, frame: Frame) -> None:
        """Owe a frame; whatever is sent keeps the connection from being idle."""
        self.busy_ms = self.world.wall_ms
        super().put(frame)

    def ping(self, payload: bytes) -> None:
        """Take a ping: it keeps the connection alive."""
        self.busy_ms = self.world.wall_ms
        super().ping(payload)

    def pong(self, payload: bytes) -> None:
        """Take a pong: so does that."""
        self.busy_ms = self.world.wall_ms

    def hear(self, message: bytes) -> None:
        """Take a request, or the word PING."""
        now_ms = self.busy_ms = self.world.wall_ms
        counted = [pace.take(now_ms) for pace in self.paces]
        if self.streams.has_limits and not all(counted):
            self._answer_wrong(AskedWronglyError("TOO_MANY_REQUESTS"))
            self.close(frames.POLICY, "too many requests")
            return
        if message.strip() == b"PING":
            self.alive_ms = now_ms
            self.put(_ALIVE)
            return
        try:
            self._obey(read_request(message, self.kinds))
        except AskedWronglyError as error:
            self._answer_wrong(error)

    def _answer_wrong(self, error: AskedWronglyError) -> None:
        self.put(frames.binary(error.view()))

    def _obey(self, asked: Asked) -> None:
        if asked.lists_subscriptions:
            self._change_format(asked.format)
            self.put(spelled(self._listing(asked.ticket), asked.format, SUBSCRIPTIONS))
            return
        self._check(asked.wishes)
        self.form, self.asked = asked.format, asked.wishes
        self._subscribe(with_snapshots=True)

    def _listing(self, ticket: str) -> dict[str, object]:
        rows = [wish.view() for wish in self.asked if wish.has_realtime]
        return {"method": "LIST_SUBSCRIPTIONS", "result": rows, "ticket": ticket}

    def _change_format(self, form: str) -> None:
        """Let the streams that run go on in another format, as the venue does."""
        if form != self.form:
            self.form = form
            self._subscribe(with_snapshots=False)

    def _check(self, wishes: tuple[Wish, ...]) -> None:
        for wish in wishes:
            for code in wish.codes:
                self._market(code)

    def _market(self, code: str) -> Market:
        symbol, _ = symbol_and_units(code)
        market = self.world.markets.get((self.venue, symbol))
        if market is None:
            raise AskedWronglyError("INVALID_PARAM", f"codes: {code}")
        return market

    def _subscribe(self, *, with_snapshots: bool) -> None:
        self.streams.leave_channels(self)
        for wish in self.asked:
            for code in wish.codes:
                self._follow(wish, code, with_snapshot=with_snapshots and wish.has_snapshot)

    def _follow(self, wish: Wish, code: str, *, with_snapshot: bool) -> None:
        market = self._market(code)
        has_units = wish.kind == "orderbook"
        subject = Subject(
            kind=wish.kind,
            market=(market.venue, market.symbol),
            form=self.form,
            units=symbol_and_units(code)[1] if has_units else 0,
            level=wish.level,
        )
        channel = QuoteChannel(self.dialect, subject)
        if wish.has_realtime:
            self.streams.join(self, (self.venue, subject), channel)
        if with_snapshot:
            for frame in channel.snapshot(self.streams.board):
                self.streams.deliver(self, channel.name, frame)

    def beat(self, now_ms: int) -> None:
        """Say that it is up, if it was asked to; close what has been idle for too long."""
        super().beat(now_ms)
        if self.alive_ms is not None and now_ms - self.alive_ms >= self.dialect.alive_every_ms:
            self.alive_ms = now_ms
            self.streams.deliver(self, "status", _ALIVE)
        if now_ms - self.busy_ms >= self.dialect.idle_ms:
            self.close(frames.GOING_AWAY, "idle timeout")

    def wishes(self) -> list[str]:
        """Name the subscriptions."""
        return [f"{wish.kind}:{','.join(wish.codes)}" for wish in self.asked]


class PrivateSession(FamilySession):
    """A signed connection: tells of the account's own orders and assets."""

    is_private = True
    kinds = PRIVATE_KINDS

    def _subscribe(self, *, with_snapshots: bool) -> None:
        """Do nothing at once: private streams have no snapshot and no channel."""
        del with_snapshots

    def tell(self, happening: Happening) -> None:
        """Pass on an event that was asked for."""
        for wish in self.asked:
            if wish.has_realtime:
                self._pass_on(wish, happening)

    def _pass_on(self, wish: Wish, happening: Happening) -> None:
        order = happening.order
        if wish.kind == "myAsset":
            if not happening.changes:
                return
            message = self.dialect.my_asset(self.world, happening)
        elif order is None or (wish.codes and order.symbol not in wish.codes):
            return
        else:
            message = self.dialect.my_order(self.world, happening, order)
        frame = spelled(message, self.form, self.dialect.names[wish.kind])
        self.streams.deliver(self, wish.kind, frame)


class RefusedSession(Session):
    """A connection whose signature was refused: it hears so, and is closed."""

    def greet(self) -> None:
        """Say why, and end."""
        self.put(frames.binary(AskedWronglyError("INVALID_AUTH").view()))
        self.close(frames.POLICY, "invalid auth")
