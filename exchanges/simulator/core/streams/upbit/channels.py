"""The public streams of a market: each rendered once an instant in each format."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from exchanges.simulator.core.catalog import Market
from exchanges.simulator.core.krw.quotation import levels_of
from exchanges.simulator.core.streams.board import Board
from exchanges.simulator.core.streams.channel import Channel
from exchanges.simulator.core.streams.frames import Frame
from exchanges.simulator.core.streams.upbit import views
from exchanges.simulator.core.streams.upbit.dialect import Dialect
from exchanges.simulator.core.streams.upbit.spelling import spelled
from exchanges.simulator.core.streams.upbit.views import REALTIME, SNAPSHOT, Message

EVERY_MS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a channel shows, and how; equal subjects share a channel."""

    kind: str
    market: tuple[str, str]
    form: str
    units: int = 0
    level: Decimal = Decimal(0)


class QuoteChannel(Channel):
    """A market's ticker, book or trades in one format."""

    def __init__(self, dialect: Dialect, subject: Subject) -> None:
        """Begin."""
        super().__init__(dialect.venue, f"{subject.kind}:{subject.market[1]}", EVERY_MS)
        self.dialect, self.subject = dialect, subject
        self.seen = 0

    def begin(self, board: Board) -> None:
        """Take the present as known."""
        self.seen = self._mark(board)

    def _market(self, board: Board) -> Market:
        return board.world.markets[self.subject.market]

    def _mark(self, board: Board) -> int:
        market = self._market(board)
        if self.subject.kind == "trade":
            return board.trades(market).total
        return board.world.book(market).update_id

    def snapshot(self, board: Board) -> list[Frame]:
        """Return the present state."""
        if self.subject.kind != "trade":
            return self._state(board, SNAPSHOT)
        market = self._market(board)
        last = list(board.trades(market).rows)[-1:]
        return [self._frame(views.trade(board.world, market, row, SNAPSHOT)) for row in last]

    def news(self, board: Board) -> list[Frame]:
        """Return what has changed since the last look."""
        before, self.seen = self.seen, self._mark(board)
        if before == self.seen:
            return []
        if self.subject.kind != "trade":
            return self._state(board, REALTIME)
        market = self._market(board)
        rows = board.trades(market).since(before)
        return [self._frame(views.trade(board.world, market, row, REALTIME)) for row in rows]

    def _state(self, board: Board, stream_type: str) -> list[Frame]:
        world, market, subject = board.world, self._market(board), self.subject
        if subject.kind == "ticker":
            return [self._frame(views.ticker(world, market, stream_type))]
        if subject.level not in levels_of(world, market):
            return []  # a step that is not offered gives no data at all
        return [
            self._frame(views.orderbook(world, market, subject.units, subject.level, stream_type))
        ]

    def _frame(self, message: Message) -> Frame:
        return spelled(message, self.subject.form, self.dialect.names[self.subject.kind])
