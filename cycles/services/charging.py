"""Fees that venues take in a third asset (Binance's in BNB), in USDT: a cycle's own way out and its P&L bear them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from cycles.domain.money import ZERO
from cycles.domain.premium import STABLE
from cycles.models import Cycle, Fill
from cycles.services import valuing
from cycles.services.valuing import Prices
from exchanges import reference
from exchanges.values import Market


def fees_apart_usdt(cycle: Cycle, **of: Any) -> Decimal:
    """Give what a cycle's fills (`of` narrows them) cost in assets that were not traded in them, in USDT.

    By the newest price of the asset; where it was never sampled, by the venue's own fee on what was traded,
    which a discount for paying so makes rather more than less.
    """
    fills = Fill.objects.filter(cycle=cycle, fee__gt=0, **of)
    apart = [fill for fill in fills if not _is_in_its_market(fill)]
    return _sum(apart, valuing.prices_for(cycle)) if apart else ZERO


def _is_in_its_market(fill: Fill) -> bool:
    market = Market.parse(fill.market)
    return fill.fee_asset in {market.base, market.quote}


def _sum(fills: Iterable[Fill], prices: Prices) -> Decimal:
    return sum((_worth_usdt(fill, prices) for fill in fills), ZERO)


def _worth_usdt(fill: Fill, prices: Prices) -> Decimal:
    price = prices.world.get(fill.fee_asset)
    fee: Decimal = fill.fee
    if price is not None and fill.venue == prices.global_venue:
        return fee * price
    return _at_own_rate_usdt(fill, prices)


def _at_own_rate_usdt(fill: Fill, prices: Prices) -> Decimal:
    """Give the venue's own fee on what was traded, in USDT."""
    market = Market.parse(fill.market)
    at_their_rate: Decimal = fill.notional * reference.taker_fee_rate(fill.venue, market)
    if market.quote == STABLE:
        return at_their_rate
    return at_their_rate / prices.krw_per_usdt if prices.krw_per_usdt else ZERO


def usdt_by_fees(cycle: Cycle, venue: str, asset: str, prices: Prices) -> Decimal | None:
    """Give the price of an asset that is not sampled: what a venue's own fees make of those it took in it; or None."""
    fills = Fill.objects.filter(cycle=cycle, venue=venue, fee_asset=asset, fee__gt=0)
    taken = [(_at_own_rate_usdt(fill, prices), fill.fee) for fill in fills]
    fees = sum((fee for _, fee in taken), ZERO)
    return sum((worth for worth, _ in taken), ZERO) / fees if fees else None
