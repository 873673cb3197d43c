"""How Upbit and Bithumb stream books: every frame is a whole book with a stamp, no numbers. Pure.

Their frames differ in two things: Bithumb writes its stamp in microseconds, and as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from exchanges.feeds.keeping import FullKeeper
from exchanges.feeds.states import Notice, NoticeKind
from exchanges.feeds.venues import Heard, Limits, VenueBooks
from exchanges.values import Market

MICROSECONDS_FROM = 10**14  # no millisecond stamp is as large before the year 5138


class _Error(msgspec.Struct):
    name: str = ""
    message: str = ""


class _Frame(msgspec.Struct):
    type: str = ""
    code: str = ""
    timestamp: int | str = -1
    orderbook_units: list[msgspec.Raw] = []
    stream_type: str = ""
    status: str = ""
    error: _Error | None = None


# Made with the module, by one thread: two that make one at once can end the process (`transport.reading`).
_FRAMES = msgspec.json.Decoder(_Frame)


class KoreanBooks(VenueBooks):
    """The books of a Korean venue; `ticket` names our subscription in the venue's own logs."""

    path = "/websocket/v1"
    ticket = "kimp"

    def __init__(self, markets: Iterable[Market], *, depth: int, oldest: timedelta) -> None:
        super().__init__(markets, depth=depth, oldest=oldest)
        self._decoder = _FRAMES
        self._by_code = {
            code_of(market): keeper
            for market, keeper in self.keepers.items()
            if isinstance(keeper, FullKeeper)
        }

    def _keeper(self, market: Market, *, depth: int, oldest: timedelta) -> FullKeeper:
        return FullKeeper(self.venue, market, depth=depth, oldest=oldest)

    def requests(self, markets: Sequence[Market]) -> list[str]:
        """Write one message: a later one would replace its subscription."""
        codes = [code_of(market) for market in markets]
        message = [
            {"ticket": self.ticket},
            {"type": "orderbook", "codes": codes},
            {"format": "DEFAULT"},
        ]
        return [msgspec.json.encode(message).decode()]

    def _take(self, frame: bytes | str, at: datetime) -> Heard:
        found = self._decoder.decode(frame)
        keeper = self._by_code.get(found.code)
        if keeper is None or found.type != "orderbook":
            return _notice(found)
        stamp_ms = int(found.timestamp)
        return keeper.take(
            found.orderbook_units,
            stamp_ms // 1000 if stamp_ms >= MICROSECONDS_FROM else stamp_ms,
            at,
            is_snapshot=found.stream_type == "SNAPSHOT",
        )


def _notice(frame: _Frame) -> Notice:
    if frame.error is not None:
        return Notice(NoticeKind.REFUSED, frame.error.name[:40])
    if frame.status:
        return Notice(NoticeKind.ALIVE, frame.status[:40])
    return Notice(NoticeKind.UNKNOWN, frame.type[:40])


def code_of(market: Market) -> str:
    """Give the venues' code of a market: quote first."""
    return f"{market.quote}-{market.base}"


class UpbitBooks(KoreanBooks):
    """Upbit's books."""

    venue = "upbit"
    limits = Limits(
        markets_a_connection=100,
        connect_seconds=0.25,  # 5 a second an address
        message_seconds=0.25,  # 5 a second, 100 a minute a connection
        life_seconds=23 * 3600,
        snapshot_depth=30,
        snapshot_seconds=0.2,
        read_depth=30,
        read_seconds=0.2,  # 10 a second an address, shared with whoever else reads books
    )


class BithumbBooks(KoreanBooks):
    """Bithumb's books."""

    venue = "bithumb"
    limits = Limits(
        markets_a_connection=100,
        connect_seconds=0.5,  # 10 a second, and ten minutes shut out for more
        message_seconds=0.25,
        life_seconds=23 * 3600,
        snapshot_depth=30,
        snapshot_seconds=0.1,
        read_depth=30,
        read_seconds=0.1,
    )
