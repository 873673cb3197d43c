"""Bithumb's trading and transfer rules: price steps, minimum, fee, wallets. Pure.

Sources: apidocs.bithumb.com, "Order request" (table of price steps), `orders/chance`, `status/wallet`,
`withdraws/chance`. Nothing tells how many confirmations a deposit needs.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from exchanges.adapters.bithumb.dialect import VENUE
from exchanges.adapters.krw import books
from exchanges.adapters.krw.wallets import Chance, PriceSteps, WithdrawChance, steps
from exchanges.transport.decoding import UnreadableError, or_zero
from exchanges.transport.reading import decode
from exchanges.values import ZERO, Market, MarketRules, NetworkRules

KRW_PRICE_STEPS = steps(
    ("1000000", "1000"),
    ("500000", "500"),
    ("100000", "100"),
    ("50000", "50"),
    ("10000", "10"),
    ("5000", "5"),
    ("100", "1"),
    ("10", "0.01"),
    ("1", "0.001"),
    ("0", "0.0001"),
)


def price_steps(market: Market, *, unit: Decimal, price: Decimal) -> PriceSteps:
    """Give the documented table of KRW markets, else (or if coarser at this price) the told unit flat.

    The told unit alone does not do: it holds at the present price only.
    """
    tabled = next((step for floor, step in KRW_PRICE_STEPS if price >= floor), ZERO)
    if market.quote == "KRW" and unit <= tabled:
        return KRW_PRICE_STEPS
    if unit <= 0:
        raise UnreadableError("no price unit for the market")
    return ((ZERO, unit),)


def market_rules(market: Market, *, chance: bytes, ticker: bytes, now: datetime) -> MarketRules:
    """Put a market's rules together."""
    told = decode(chance, Chance)
    sides = (told.market.bid, told.market.ask)
    unit = max(or_zero(side.price_unit, "price_unit") for side in sides)
    found = price_steps(market, unit=unit, price=books.price(ticker, market))
    return told.rules(VENUE, market, found, now)


def network_rules(
    asset: str, network: str, state: str, *, withdraw: bytes, now: datetime
) -> NetworkRules:
    """Put one network's rules together; every source must agree that it is open."""
    return decode(withdraw, WithdrawChance).rules(VENUE, asset, network, state, now=now)
