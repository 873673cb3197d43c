"""Candles in wall time, as a venue would publish them, computed from the tape.

High and low come from samples inside the candle; volumes are generated from the seed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import Decimal

from exchanges.simulator.core.books import level_notional, price_step
from exchanges.simulator.core.catalog import Market
from exchanges.simulator.core.numbers import EIGHT_PLACES, floor_to
from exchanges.simulator.core.world import World

SAMPLES = 12
_TRADES_A_SAMPLE = 7
_GOLDEN, _WHOLE = 618_033_989, 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    """One candle; `quantity` in the base asset, `notional` in the quote asset."""

    start_ms: int
    end_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    quantity: Decimal
    notional: Decimal
    trades: int


def candles(
    world: World, market: Market, length_ms: int, until_ms: int, count: int
) -> list[Candle]:
    """Return up to `count` candles that began before a wall instant, oldest first."""
    until_ms = min(until_ms, world.wall_ms + 1)
    last_ms = (until_ms - 1) // length_ms * length_ms
    starts = range(last_ms - (count - 1) * length_ms, last_ms + 1, length_ms)
    return [candle(world, market, start, start + length_ms) for start in starts]


def candle(world: World, market: Market, start_ms: int, end_ms: int) -> Candle:
    """Return the candle between two wall instants; a present one ends now."""
    now_ms = min(end_ms, world.wall_ms)
    span = max(0, now_ms - start_ms)
    prices = [_price(world, market, start_ms + offset) for offset in _offsets(span)]
    key = f"candle:{world.seed}:{market.venue}:{market.symbol}:{start_ms}"
    noise = hashlib.sha256(key.encode()).digest()
    market_ms = world.timeline.market_before(start_ms)
    hourly = level_notional(world.recording, market, market_ms, prices[0]) * (64 + noise[0])
    notional = floor_to(hourly * span / 3_600_000, EIGHT_PLACES)
    return Candle(
        start_ms=start_ms,
        end_ms=end_ms,
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
        quantity=floor_to(notional / prices[-1], market.quantity_step),
        notional=notional,
        trades=SAMPLES * _TRADES_A_SAMPLE,
    )


def _offsets(span_ms: int) -> list[int]:
    """Spread instants over a span, ends included, so that no rhythm of the tape falls between them."""
    inside = (index * _GOLDEN % _WHOLE for index in range(1, SAMPLES))
    return [0, *sorted(span_ms * part // _WHOLE for part in inside), span_ms]


def _price(world: World, market: Market, at_ms: int) -> Decimal:
    market_ms = world.timeline.market_before(at_ms)
    price = world.price(market.venue, market.base, market_ms)
    step = price_step(market, price, world.recording.recorded_ms(market_ms))
    return max(floor_to(price, step), step)
