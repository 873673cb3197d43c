"""How much an account may withdraw: the venue's daily limit, and won that is too fresh to leave.

Days are days of the market, so that a desk at sixty times the pace meets the limits it would meet.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import takewhile

from exchanges.simulator.core.chain import CANCELLED, FAILED, PROCESSING, REJECTED, WAITING
from exchanges.simulator.core.numbers import ZERO
from exchanges.simulator.core.prices import USDT
from exchanges.simulator.core.values import KOREAN, UPBIT
from exchanges.simulator.core.world import World

DAY_MS = 86_400_000
_RETURNED = {CANCELLED, FAILED, REJECTED}


def worth(world: World, venue: str, asset: str, quantity: Decimal) -> Decimal:
    """Value a quantity now, in KRW at a Korean venue, else in USDT; 0 where it is not traded."""
    quote = "KRW" if venue in KOREAN else USDT
    if asset == quote:
        return quantity
    markets = world.markets.values()
    is_traded = any((m.venue, m.base, m.quote) == (venue, asset, quote) for m in markets)
    if not is_traded:
        return ZERO
    return quantity * world.price(venue, asset)


def left_today(world: World, venue: str) -> Decimal:
    """Return what may still be withdrawn within 24 hours, in the venue's quote asset."""
    since = world.market_ms - DAY_MS
    newest = reversed(world.wallet.withdrawals.values())
    used = sum(
        (
            worth(world, venue, row.asset, row.quantity + row.fee)
            for row in takewhile(lambda row: row.market_ms > since, newest)
            if row.venue == venue and row.state not in _RETURNED
        ),
        ZERO,
    )
    return max(ZERO, world.settings.daily_withdrawal[venue] - used)


def delayed_krw(world: World) -> Decimal:
    """Return the won that came in too recently for its worth to leave Upbit as coins."""
    rows = world.wallet.delayed_krw
    return sum((quantity for quantity, until_ms in rows if until_ms > world.market_ms), ZERO)


def leaves_delayed(world: World, asset: str, quantity: Decimal) -> bool:
    """Say whether what stays at Upbit after a withdrawal still covers the delayed won."""
    delayed = delayed_krw(world)
    if not delayed:
        return True
    held = sum(
        (
            worth(world, UPBIT, name, world.free(UPBIT, name) + world.locked(UPBIT, name))
            for name in world.vault.assets_at(UPBIT)
        ),
        ZERO,
    )
    leaving = worth(world, UPBIT, asset, quantity) + _leaving(world)
    return held - leaving >= delayed


def _leaving(world: World) -> Decimal:
    """Value what withdrawals have locked and not yet sent."""
    return sum(
        (
            worth(world, UPBIT, row.asset, row.quantity + row.fee)
            for row in world.wallet.withdrawals.values()
            if row.venue == UPBIT and row.state in {WAITING, PROCESSING} and row.txid is None
        ),
        ZERO,
    )
