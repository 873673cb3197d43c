"""How Binance streams books: numbered changes each 100 ms, to be applied to a whole book. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from exchanges.feeds.diffs import Diff, DiffKeeper
from exchanges.feeds.states import Notice, NoticeKind
from exchanges.feeds.venues import Heard, Limits, VenueBooks
from exchanges.values import Market

MARKETS_A_MESSAGE = 200


class _Error(msgspec.Struct):
    code: int = 0
    msg: str = ""


class _Other(msgspec.Struct):
    event: str = msgspec.field(name="e", default="")
    id: int | None = None
    result: object = None
    error: _Error | None = None
    code: int = 0
    msg: str = ""


# Made with the module, by one thread: two that make one at once can end the process (`transport.reading`).
_DIFFS = msgspec.json.Decoder(Diff)
_OTHERS = msgspec.json.Decoder(_Other)


class BinanceBooks(VenueBooks):
    """Binance's books."""

    venue = "binance"
    path = "/ws"
    limits = Limits(
        markets_a_connection=500,  # 1024 streams a connection
        connect_seconds=1.0,  # 300 in five minutes an address
        message_seconds=0.3,  # 5 a second a connection, pongs included
        life_seconds=23 * 3600,  # the venue ends it after 24 h
        snapshot_depth=500,  # weight 25 of 6,000 a minute an address: a burst at the start
        snapshot_seconds=0.2,
        read_depth=100,  # weight 5
        read_seconds=0.1,
    )

    def __init__(self, markets: Iterable[Market], *, depth: int, oldest: timedelta) -> None:
        super().__init__(markets, depth=depth, oldest=oldest)
        self._diffs = _DIFFS
        self._others = _OTHERS
        self._by_symbol = {
            symbol_of(market): keeper
            for market, keeper in self.keepers.items()
            if isinstance(keeper, DiffKeeper)
        }

    def _keeper(self, market: Market, *, depth: int, oldest: timedelta) -> DiffKeeper:
        return DiffKeeper(self.venue, market, depth=depth, oldest=oldest)

    def requests(self, markets: Sequence[Market]) -> list[str]:
        """Write as few messages as the venue's sizes allow."""
        streams = [f"{symbol_of(market).lower()}@depth@100ms" for market in markets]
        chunks = range(0, len(streams), MARKETS_A_MESSAGE)
        return [
            _subscription(streams[first : first + MARKETS_A_MESSAGE], number)
            for number, first in enumerate(chunks, start=1)
        ]

    def _take(self, frame: bytes | str, at: datetime) -> Heard:
        try:
            diff = self._diffs.decode(frame)
        except msgspec.ValidationError:  # it lacks what a change has
            return _notice(self._others.decode(frame))
        keeper = self._by_symbol.get(diff.symbol)
        if keeper is None:
            return Notice(NoticeKind.UNKNOWN, diff.symbol[:40])
        return keeper.take(diff, at)


def _subscription(streams: Sequence[str], number: int) -> str:
    message = {"method": "SUBSCRIBE", "params": streams, "id": number}
    return msgspec.json.encode(message).decode()


def _notice(other: _Other) -> Notice:
    if other.error is not None or other.code:
        code = other.error.code if other.error is not None else other.code
        return Notice(NoticeKind.REFUSED, str(code))
    if other.event == "serverShutdown":
        return Notice(NoticeKind.ENDING, other.event)
    if other.id is not None:
        return Notice(NoticeKind.ACCEPTED, str(other.id))
    return Notice(NoticeKind.UNKNOWN, other.event[:40])


def symbol_of(market: Market) -> str:
    """Give Binance's symbol: base first, nothing between."""
    return f"{market.base}{market.quote}"
