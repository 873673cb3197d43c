"""Prices as recorded: candles of the venues and the official rate, replayed along market time.

Inside a bar the price goes open -> first extreme -> second extreme -> close in three equal parts;
both venues take the order of the global venue's bar, so that a premium is recorded at the bar's
edges and interpolated between them. After the last bar the stretch starts again from its start.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from exchanges.simulator.core.values import BINANCE, UPBIT

USDT = "USDT"
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Bar:
    """One candle."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Candles without gaps: where the venue wrote none, the last price stands."""

    start_ms: int
    bar_ms: int
    bars: tuple[Bar, ...]

    def locate(self, epoch_ms: int) -> tuple[int, int]:
        """Return the bar's index and the milliseconds since it opened, clamped to the ends."""
        index, offset = divmod(epoch_ms - self.start_ms, self.bar_ms)
        if index < 0:
            return 0, 0
        if index >= len(self.bars):
            return len(self.bars) - 1, self.bar_ms
        return index, offset


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """One official USD/KRW quote; `quoted_ms` is the recorded instant."""

    quoted_ms: int
    krw_per_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Tape:
    """A stretch of recorded market data, from `start_ms` to `end_ms` (recorded epoch)."""

    name: str
    start_ms: int
    end_ms: int
    assets: tuple[str, ...]
    series: Mapping[tuple[str, str], Series]
    rates: tuple[Rate, ...]
    description: str = ""
    recorded: str = ""
    generated: str = ""
    memo: dict[tuple[str, int], Decimal] = field(default_factory=dict, compare=False)

    @property
    def has_books(self) -> bool:
        """Say whether order books were recorded, not only prices."""
        return False

    def has_recorded(self, venue: str, asset: str) -> bool:
        """Say whether the venue's own prices of the asset were recorded in this stretch."""
        return (venue, asset) in self.series

    def recorded_ms(self, market_ms: int) -> int:
        """Map a market instant to the recorded one, starting again after the end."""
        return self.start_ms + market_ms % (self.end_ms - self.start_ms)

    def price(self, venue: str, asset: str, market_ms: int) -> Decimal:
        """Return the price of an asset at a venue, in KRW or in USDT."""
        at_ms = self.recorded_ms(market_ms)
        if (venue, asset) == (UPBIT, USDT):
            return self.krw_per_usdt(market_ms)
        return _walk(self.series[venue, asset], self.series.get((BINANCE, asset)), at_ms)

    def krw_per_usdt(self, market_ms: int) -> Decimal:
        """Return the recorded KRW-USDT price, else the rate of the median asset."""
        at_ms = self.recorded_ms(market_ms)
        if self.has_recorded(UPBIT, USDT):
            return _walk(self.series[UPBIT, USDT], None, at_ms)
        known = self.memo.get((USDT, at_ms))
        if known is None:
            known = self._median_rate(at_ms)
            if len(self.memo) > 1000:
                self.memo.clear()
            self.memo[USDT, at_ms] = known
        return known

    def _median_rate(self, at_ms: int) -> Decimal:
        rates = sorted(
            _walk(self.series[UPBIT, asset], self.series[BINANCE, asset], at_ms)
            / _walk(self.series[BINANCE, asset], None, at_ms)
            for asset in self.assets
        )
        middle = len(rates) // 2
        return rates[middle] if len(rates) % 2 else (rates[middle - 1] + rates[middle]) / 2

    def book_at(
        self, venue: str, asset: str, market_ms: int
    ) -> tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]] | None:
        """Return both sides of a book as recorded; candles have none."""
        return None

    def official(self, market_ms: int) -> tuple[Decimal, int]:
        """Return the official KRW per USD and its age in market milliseconds."""
        at_ms = self.recorded_ms(market_ms)
        index = bisect_right(self.rates, at_ms, key=lambda rate: rate.quoted_ms) - 1
        quote = self.rates[max(index, 0)]
        return quote.krw_per_usd, max(0, at_ms - quote.quoted_ms)

    def official_due(self, market_ms: int) -> int:
        """Return the market milliseconds until the next official quote; a day after the last one."""
        at_ms = self.recorded_ms(market_ms)
        index = bisect_right(self.rates, at_ms, key=lambda rate: rate.quoted_ms)
        return self.rates[index].quoted_ms - at_ms if index < len(self.rates) else DAY_MS


def _walk(series: Series, leader: Series | None, at_ms: int) -> Decimal:
    index, offset = series.locate(at_ms)
    bar = series.bars[index]
    guide = bar if leader is None else leader.bars[leader.locate(at_ms)[0]]
    first, second = (bar.low, bar.high) if guide.close >= guide.open else (bar.high, bar.low)
    part, within = divmod(offset * 3, series.bar_ms)
    corners = (bar.open, first, second, bar.close, bar.close)
    begin, finish = corners[part], corners[part + 1]
    return begin + (finish - begin) * within / series.bar_ms
