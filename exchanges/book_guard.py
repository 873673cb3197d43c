"""Whether a book may be acted on: what no market really shows, and what lies too far from what is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from exchanges.values import Book, Level

BPS = Decimal(10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookLimits:
    """What still passes for a book: the age of its venue's stamp, and its distance from what is known.

    `max_jump_bps` is a ratio in either direction: 10,000 is twice as much, or half.
    """

    max_age: timedelta
    max_jump_bps: Decimal


def doubt_of(book: Book, limits: BookLimits, *, known: Sequence[Decimal] = ()) -> str:
    """Say why a book is not to be acted on; nothing if it is.

    `known` are prices that the market had lately, here or (converted) elsewhere: the top of either side
    must lie near one of them. Without any the book stands for itself.
    """
    return (
        _shape(book)
        or _age(book, limits)
        or _jump("bid", book.bids[0].price, limits, known)
        or _jump("ask", book.asks[0].price, limits, known)
    )


def _shape(book: Book) -> str:
    for name, levels in (("bids", book.bids), ("asks", book.asks)):
        if not levels:
            return f"it has no {name}"
        if any(level.price <= 0 or level.quantity <= 0 for level in levels):
            return f"a level of its {name} has no price or nothing at it"
    if not (_is_sorted(book.bids, falls=True) and _is_sorted(book.asks, falls=False)):
        return "its levels are out of order"
    if book.bids[0].price >= book.asks[0].price:
        return f"it is crossed: {book.bids[0].price} is bid, {book.asks[0].price} asked"
    return ""


def _is_sorted(levels: Sequence[Level], *, falls: bool) -> bool:
    prices = [level.price for level in levels]
    return prices == sorted(prices, reverse=falls)


def _age(book: Book, limits: BookLimits) -> str:
    """Judge the venue's own stamp, where it gives one."""
    if book.venue_at is None or book.received_at - book.venue_at <= limits.max_age:
        return ""
    seconds = (book.received_at - book.venue_at).total_seconds()
    return f"its stamp was {seconds:.0f} s old when it came"


def _jump(side: str, price: Decimal, limits: BookLimits, known: Sequence[Decimal]) -> str:
    distances = [_distance_bps(price, one) for one in known if one > 0]
    if not distances or min(distances) <= limits.max_jump_bps:
        return ""
    return f"its best {side}, {price}, lies {min(distances):.0f} bps off what is known"


def _distance_bps(price: Decimal, known: Decimal) -> Decimal:
    return (max(price, known) / min(price, known) - 1) * BPS
