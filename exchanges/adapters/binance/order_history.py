"""A market's orders since an instant: by windows up to the first, then by their numbers.

Binance lists 24 hours at most by time, and 1000 rows at most; from an order's number on it knows no window.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from exchanges.adapters.binance import build
from exchanges.transport.wire import Request
from exchanges.values import Market, OrderReport

WINDOW = timedelta(hours=24) - timedelta(milliseconds=1)
Page = tuple[list[OrderReport], int, int]  # ours, how many there are, the last one's number


def since(
    market: Market, first: datetime, last: datetime, ask: Callable[[Request], Page]
) -> list[OrderReport]:
    """Read a market's orders of ours between two instants, and whatever came after them."""
    while first <= last:
        end = first + WINDOW
        ours, count, number = ask(build.orders_between(market, first, end))
        if count:
            return [*ours, *_from(market, number + 1, ask)]
        first = end + timedelta(milliseconds=1)
    return []


def _from(market: Market, first_id: int, ask: Callable[[Request], Page]) -> list[OrderReport]:
    found: list[OrderReport] = []
    while True:
        ours, count, number = ask(build.orders_from(market, first_id))
        found += [one for one in ours if int(one.venue_order_id) >= first_id]
        if count < build.PAGE or number < first_id:
            return found
        first_id = number + 1
