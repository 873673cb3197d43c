"""One side of a book that is kept by changes: sorted, within the range that is really known. Pure.

Changes come as text and stay text until they are shown: most are of levels that nobody looks at.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from decimal import Decimal

from exchanges.feeds.states import LARGEST
from exchanges.values import ZERO, Level

KEPT = 1000
PRICES_REMEMBERED = 200_000
Row = tuple[str, str]

_prices: dict[str, Decimal] = {}  # the same prices come again and again


class Ladder:
    """Levels of one side. Beyond `edge` the side is unknown: a snapshot ends there, or levels were cut.

    Of what lies beyond the edge only changes are seen, never what stood there before: showing it
    would show holes as if nothing was there.
    """

    def __init__(self, *, is_bids: bool) -> None:
        self._is_bids = is_bids
        self._prices: list[Decimal] = []  # ascending
        self._levels: dict[Decimal, Level | str] = {}  # a size as text has not been shown yet
        self.edge: Decimal | None = None  # None: known to its end

    def __len__(self) -> int:
        return len(self._prices)

    def reset(self, levels: Sequence[Level], *, is_whole: bool) -> None:
        """Take a snapshot's side, best first; `is_whole`: the venue has no levels beyond."""
        self._levels = {level.price: level for level in levels}
        self._prices = sorted(self._levels)
        self.edge = None if is_whole or not levels else levels[-1].price

    def change(self, rows: Iterable[Row]) -> None:
        """Set prices to new sizes, zero removes.

        Raises ValueError or ArithmeticError for a price that cannot be.
        """
        levels, prices = self._levels, self._prices
        for text, size in rows:
            price = _prices.get(text) or _price(text)
            if size[:1] == "0" and not size.strip("0."):
                if levels.pop(price, None) is not None:
                    del prices[bisect_left(prices, price)]
            elif price in levels:
                levels[price] = size
            elif self._reaches(price):
                levels[price] = size
                insort(prices, price)
        if len(prices) > 2 * KEPT:
            self._cut()

    def _reaches(self, price: Decimal) -> bool:
        edge = self.edge
        return edge is None or (price >= edge if self._is_bids else price <= edge)

    def _cut(self) -> None:
        """Forget the levels furthest from the top; the side is unknown beyond from now on."""
        cut = self._prices[:-KEPT] if self._is_bids else self._prices[KEPT:]
        self._prices = self._prices[-KEPT:] if self._is_bids else self._prices[:KEPT]
        for price in cut:
            del self._levels[price]
        self.edge = self._prices[0] if self._is_bids else self._prices[-1]

    @property
    def best(self) -> Decimal | None:
        """Give the best price; None for an empty side."""
        if not self._prices:
            return None
        return self._prices[-1] if self._is_bids else self._prices[0]

    def top(self, depth: int) -> tuple[Level, ...]:
        """Give the best levels, best first. Raises ValueError or ArithmeticError for an odd size."""
        prices = self._prices[: -depth - 1 : -1] if self._is_bids else self._prices[:depth]
        found = list(map(self._levels.__getitem__, prices))
        for index, level in enumerate(found):
            if type(level) is str:
                found[index] = self._levels[prices[index]] = _level(prices[index], level)
        return tuple(found)  # type: ignore[arg-type]  # texts were replaced


def _price(text: str) -> Decimal:
    """Read a price that was not seen lately."""
    price = Decimal(text)
    if not ZERO < price < LARGEST:
        raise ValueError("a price that is zero, negative or too large")
    if len(_prices) >= PRICES_REMEMBERED:
        _prices.clear()
    _prices[text] = price
    return price


def _level(price: Decimal, size: str) -> Level:
    quantity = Decimal(size)
    if not ZERO < quantity < LARGEST:
        raise ValueError("a size that is negative or too large")
    return Level(price, quantity)
