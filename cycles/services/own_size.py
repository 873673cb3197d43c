"""The way back for all that a cycle carries: where the samples measured less, by the books of this moment."""

from __future__ import annotations

from decimal import Decimal

from cycles.domain.decision import Quote
from cycles.domain.premium import STABLE, way_back
from cycles.models import Cycle
from cycles.services import believing, watching
from cycles.services.trading import FRESH
from exchanges import reference, registry
from exchanges.errors import VenueError
from exchanges.values import Book, Market

NEARLY = Decimal("1.1")  # so much more slips no more


def back_rate(cycle: Cycle, quote: Quote, krw: Decimal) -> Decimal | None:
    """Give KRW paid per USDT home for so much KRW by a quote's asset; None where the books do not tell."""
    if krw <= quote.size_usdt * (quote.krw_per_usdt or 0) * NEARLY:
        return quote.back_rate
    rules, now = reference.rulebook(), registry.utc_now()
    terms = watching.terms_of(quote.asset, cycle.korea_venue, rules, now)
    korea = _book(cycle, cycle.korea_venue, Market(quote.asset, "KRW"))
    is_stable = quote.asset == STABLE
    world = None if is_stable else _book(cycle, cycle.global_venue, Market(quote.asset, STABLE))
    if terms is None or korea is None or (world is None and not is_stable):
        return None
    way = way_back(terms.route(world, korea), krw)
    return way.krw_per_usdt if way else None


def _book(cycle: Cycle, venue: str, market: Market) -> Book | None:
    """Give a book that may be acted on; without one the cycle waits on, as nothing is at stake."""
    try:
        book = registry.book(venue, market, newest=FRESH, depth=watching.DEPTH)
    except VenueError:
        return None
    return None if believing.doubt_of(book, cycle.policy) else book
