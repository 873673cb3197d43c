"""Ways and premia: what carrying an asset out or home is worth, from executable prices.

A way is quoted after every cost (fees, slippage, withdrawal fee); a premium before costs. FX
cancels over a round trip: the edge compares KRW got per USDT out with KRW paid per USDT home.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from cycles.domain.depth import Walk, walk_notional, walk_quantity
from cycles.domain.money import ONE, ratio_bps
from exchanges.values import Book

STABLE = "USDT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One asset between the two venues: books, fees as fractions, withdrawal fees in the asset.

    `global_book` is None for USDT itself, which needs no trade there.
    """

    asset: str
    global_book: Book | None
    korea_book: Book
    global_taker_fee: Decimal
    korea_taker_fee: Decimal
    global_withdraw_fee: Decimal
    korea_withdraw_fee: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What carrying one asset between the two venues costs: fees as fractions, withdrawals in it."""

    asset: str
    global_taker_fee: Decimal
    korea_taker_fee: Decimal
    global_withdraw_fee: Decimal
    korea_withdraw_fee: Decimal

    def route(self, global_book: Book | None, korea_book: Book) -> Route:
        """Give the route with books; USDT itself has none globally."""
        return Route(
            asset=self.asset,
            global_book=global_book,
            korea_book=korea_book,
            global_taker_fee=self.global_taker_fee,
            korea_taker_fee=self.korea_taker_fee,
            global_withdraw_fee=self.global_withdraw_fee,
            korea_withdraw_fee=self.korea_withdraw_fee,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One passage quoted now: `krw` against `usdt` after all costs, `slippage_bps` of both legs."""

    asset: str
    usdt: Decimal
    krw: Decimal
    gross_krw_per_usdt: Decimal
    slippage_bps: Decimal

    @property
    def krw_per_usdt(self) -> Decimal:
        """Give the rate this way realises, after costs."""
        return self.krw / self.usdt


def way_out(route: Route, usdt: Decimal) -> Way | None:
    """Quote USDT -> asset -> KRW for `usdt`; None where a book cannot take the size."""
    bought, slip = usdt, Decimal(0)
    if route.global_book is not None:
        walk = walk_notional(route.global_book.asks, usdt)
        if walk is None or not walk.is_full:
            return None
        bought, slip = walk.quantity, walk.slippage_bps
    arrived = bought * (ONE - route.global_taker_fee) - route.global_withdraw_fee
    if route.global_book is None:
        arrived = bought - route.global_withdraw_fee
    sold = _full(walk_quantity(route.korea_book.bids, arrived)) if arrived > 0 else None
    gross = _full(walk_quantity(route.korea_book.bids, bought))
    if sold is None or gross is None:
        return None
    krw = sold.notional * (ONE - route.korea_taker_fee)
    return Way(
        asset=route.asset,
        usdt=usdt,
        krw=krw,
        gross_krw_per_usdt=gross.notional / usdt,
        slippage_bps=slip + sold.slippage_bps,
    )


def way_back(route: Route, krw: Decimal) -> Way | None:
    """Quote KRW -> asset -> USDT for `krw`; None where a book cannot take the size."""
    walk = _full(walk_notional(route.korea_book.asks, krw / (ONE + route.korea_taker_fee)))
    if walk is None:
        return None
    arrived = walk.quantity - route.korea_withdraw_fee
    if arrived <= 0:
        return None
    if route.global_book is None:
        return Way(
            asset=route.asset,
            usdt=arrived,
            krw=krw,
            gross_krw_per_usdt=walk.average_price,
            slippage_bps=walk.slippage_bps,
        )
    sold = _full(walk_quantity(route.global_book.bids, arrived))
    gross = _full(walk_quantity(route.global_book.bids, walk.quantity))
    if sold is None or gross is None:
        return None
    return Way(
        asset=route.asset,
        usdt=sold.notional * (ONE - route.global_taker_fee),
        krw=krw,
        gross_krw_per_usdt=walk.notional / gross.notional,
        slippage_bps=walk.slippage_bps + sold.slippage_bps,
    )


def _full(walk: Walk | None) -> Walk | None:
    """Give the walk if the book was deep enough."""
    return walk if walk is not None and walk.is_full and walk.quantity > 0 else None


def premium_bps(krw_per_usdt: Decimal, rate: Decimal) -> Decimal:
    """Give how much dearer Korea is than `rate` (KRW per USD or USDT), positive if dearer."""
    return ratio_bps(krw_per_usdt, rate)


def edge_bps(out_krw_per_usdt: Decimal, back_krw_per_usdt: Decimal) -> Decimal:
    """Give what a round trip earns: KRW got per USDT out against KRW paid per USDT home."""
    return ratio_bps(out_krw_per_usdt, back_krw_per_usdt)
