"""A recording of books, rates and wallet states, played like a tape: what was recorded is shown as it was.

Books are kept second by second, as packed text that is read when a book is looked at. Where the venue had
no book, one is generated around the last recorded price and labelled so.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from exchanges.simulator.core.prices import USDT, Tape
from exchanges.simulator.core.values import BINANCE, UPBIT

SECOND_MS = 1000
Rows = list[tuple[Decimal, Decimal]]
Sides = tuple[Rows, Rows]

_decoder = msgspec.json.Decoder(Sides)
_encoder = msgspec.json.Encoder(decimal_format="string")


def packed(bids: object, asks: object) -> bytes:
    """Pack both sides of a book, rows of price and quantity."""
    return zlib.compress(_encoder.encode((bids, asks)), 1)


@dataclass(frozen=True, slots=True)
class Track:
    """One market's books: since when each holds, its middle price, and it packed (None: no book)."""

    times: tuple[int, ...]
    mids: tuple[Decimal, ...]
    books: tuple[bytes | None, ...]

    def _index(self, epoch_ms: int) -> int:
        return max(bisect_right(self.times, epoch_ms) - 1, 0)

    def mid(self, epoch_ms: int) -> Decimal:
        """Return the price at a recorded instant: the last one known where there was no book."""
        return self.mids[self._index(epoch_ms)]

    def book(self, epoch_ms: int) -> Sides | None:
        """Return both sides, best first, as they were at a recorded instant."""
        book = self.books[self._index(epoch_ms)]
        return None if book is None else _decoder.decode(zlib.decompress(book))


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletState:
    """How an asset moved at a venue from a recorded instant on."""

    at_ms: int
    venue: str
    asset: str
    network: str
    can_deposit: bool
    can_withdraw: bool
    withdraw_fee: Decimal
    withdraw_min: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Reel(Tape):
    """A recording. It has no candles: prices are the middles of the recorded books."""

    tracks: Mapping[tuple[str, str], Track]
    wallets: tuple[WalletState, ...] = ()

    @property
    def has_books(self) -> bool:
        """Say that order books were recorded."""
        return True

    @property
    def length_ms(self) -> int:
        """How long it plays before it starts again."""
        return self.end_ms - self.start_ms

    def has_recorded(self, venue: str, asset: str) -> bool:
        """Say whether the venue's books of the asset were recorded."""
        return (venue, asset) in self.tracks

    def price(self, venue: str, asset: str, market_ms: int) -> Decimal:
        """Return the middle of the recorded book."""
        if (venue, asset) == (UPBIT, USDT):
            return self.krw_per_usdt(market_ms)
        return self.tracks[venue, asset].mid(self.recorded_ms(market_ms))

    def krw_per_usdt(self, market_ms: int) -> Decimal:
        """Return the recorded KRW-USDT price, else the rate of the median asset."""
        at_ms = self.recorded_ms(market_ms)
        if self.has_recorded(UPBIT, USDT):
            return self.tracks[UPBIT, USDT].mid(at_ms)
        rates = sorted(
            self.tracks[UPBIT, asset].mid(at_ms) / self.tracks[BINANCE, asset].mid(at_ms)
            for asset in self.assets
        )
        return rates[len(rates) // 2]

    def book_at(self, venue: str, asset: str, market_ms: int) -> Sides | None:
        """Return both sides as recorded; None where there was no book, or no recording of it."""
        track = self.tracks.get((venue, asset))
        return track.book(self.recorded_ms(market_ms)) if track is not None else None
