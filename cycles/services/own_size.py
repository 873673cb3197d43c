"""The ways for all that a cycle carries: whether it can, and what they cost where the samples measured less or more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from cycles.domain import plan
from cycles.domain.decision import Quote
from cycles.domain.premium import STABLE, Route, way_back, way_out
from cycles.models import Cycle, PremiumSample
from cycles.services import believing, valuing, watching
from cycles.services.trading import FRESH
from cycles.services.valuing import Prices
from exchanges import reference, registry
from exchanges.errors import StaleReferenceError, VenueError
from exchanges.recent import recent
from exchanges.values import Book, Market

NEARLY = Decimal("1.1")  # so much more slips no more
FEE_SHARE = 100  # a passage for less than so many times its withdrawal's fee is not worth it
LEAST = Decimal("0.9")  # the rest is for fees, and for a price that moves meanwhile
# An asset whose newest sample is so much older than another's is sampled no more.
LEFT_BEHIND = timedelta(hours=1)


def back_rate(cycle: Cycle, quote: Quote, krw: Decimal) -> Decimal | None:
    """Give KRW paid per USDT home for so much KRW by a quote's asset; None where the books do not tell.

    More slips more than what the quote was measured for; on less the network's fee weighs more.
    """
    measured = quote.size_usdt * (quote.krw_per_usdt or 0)
    if measured * LEAST <= krw <= measured * NEARLY:
        return quote.back_rate
    route = _route(cycle, quote.asset)
    way = way_back(route, krw) if route else None
    return way.krw_per_usdt if way else None


def is_for_less(cycle: Cycle, quote: Quote) -> bool:
    """Say whether a quote was measured for so much less than the cycle takes out that fees weigh more in it."""
    return bool(quote.size_usdt < cycle.notional_usdt * LEAST)


def for_all_of(cycle: Cycle, quotes: Sequence[Quote], asset: str) -> list[Quote]:
    """Give quotes with their rates for all that the cycle takes out by an asset, None where its books do not carry that.

    What cannot be read now, or acted on, is not fresh. The other assets are measured on their way back only.
    """
    return [_for_all_of(cycle, quote, is_out=quote.asset == asset) for quote in quotes]


def _for_all_of(cycle: Cycle, quote: Quote, *, is_out: bool) -> Quote:
    route = _route(cycle, quote.asset)
    if route is None:
        return replace(quote, is_fresh=False)
    out = way_out(route, cycle.notional_usdt) if is_out else None
    back = quote.back_rate and way_back(route, cycle.notional_usdt * (quote.krw_per_usdt or 0))
    return replace(
        quote,
        out_rate=out.krw_per_usdt if out else None,
        back_rate=back.krw_per_usdt if back else None,
        size_usdt=cycle.notional_usdt,
    )


def _route(cycle: Cycle, asset: str) -> Route | None:
    """Give what an asset's way costs by the books of now; None where they, or the rules, cannot be acted on."""
    rules, now = _rules(), registry.utc_now()
    terms = watching.terms_of(asset, cycle.korea_venue, rules, now)
    korea = _sound(cycle, cycle.korea_venue, Market(asset, "KRW"))
    is_stable = asset == STABLE
    world = None if is_stable else _sound(cycle, cycle.global_venue, Market(asset, STABLE))
    if terms is None or korea is None or (world is None and not is_stable):
        return None
    return terms.route(world, korea)


def carries(cycle: Cycle, asset: str, krw: Decimal) -> bool:
    """Say whether what so much KRW buys can leave, arrive and be sold: bought all the same it would be stuck.

    Without a price nothing speaks against it: the passage itself will tell.
    """
    prices = valuing.prices_for(cycle)
    price = prices.krw_per_usdt if asset == STABLE else prices.korea.get(asset)
    try:
        return not price or _fits(cycle, asset, krw / price, prices.world.get(asset))
    except StaleReferenceError:
        return False


def worth_a_passage(cycle: Cycle, krw: Decimal) -> frozenset[str]:
    """Give the policy's assets that carry so much KRW home for a hundredth of it in their network's fee.

    One that is sampled no more carries nothing: its venue may never tell its rules again. Raises StaleReferenceError
    where it found none and did not know the rules of one of the others.
    """
    worth: set[str] = set()
    unknown: StaleReferenceError | None = None
    samples = valuing.latest_samples(cycle.korea_venue)
    prices = valuing.prices_of(samples, cycle.global_venue)
    for asset in _still_sampled(samples).intersection(cycle.policy.allowed_assets):
        try:
            if _is_worth(cycle, asset, krw, prices):
                worth.add(asset)
        except StaleReferenceError as error:
            unknown = error
    if unknown and not worth:
        raise unknown
    return frozenset(worth)


def _still_sampled(samples: Mapping[str, PremiumSample]) -> frozenset[str]:
    """Give the assets that are sampled like the newest one: while the feeder is away, or all rules are old, none is behind."""
    newest = max((sample.at for sample in samples.values()), default=None)
    return frozenset(
        asset for asset, sample in samples.items() if newest and newest - sample.at <= LEFT_BEHIND
    )


def _is_worth(cycle: Cycle, asset: str, krw: Decimal, prices: Prices) -> bool:
    price = prices.krw_per_usdt if asset == STABLE else prices.korea.get(asset)
    if not price:  # it may not even be listed there
        return False
    is_carried = _fits(cycle, asset, krw / price, prices.world.get(asset))
    return is_carried and _is_cheap(cycle, asset, price, krw)


def _is_cheap(cycle: Cycle, asset: str, price: Decimal, krw: Decimal) -> bool:
    network = reference.transfer_route(asset, cycle.korea_venue, cycle.global_venue).network
    rules = reference.network_rules(cycle.korea_venue, asset, network, registry.utc_now())
    return bool(rules.withdraw_fee * price * FEE_SHARE <= krw)


def _fits(cycle: Cycle, asset: str, quantity: Decimal, bid: Decimal | None) -> bool:
    now, ends = registry.utc_now(), (cycle.korea_venue, cycle.global_venue)
    network = reference.transfer_route(asset, *ends).network
    rules, arrival = (reference.network_rules(end, asset, network, now) for end in ends)
    arrives = plan.sendable_quantity(quantity * LEAST, rules)
    if not arrives or plan.is_too_much(quantity, rules) or plan.is_lost(arrives, arrival):
        return False
    if asset == STABLE or bid is None:
        return True
    market = reference.market_rules(cycle.global_venue, Market(asset, STABLE), now)
    return arrives * bid >= market.minimum_notional


def _sound(cycle: Cycle, venue: str, market: Market) -> Book | None:
    """Give a book that may be acted on; without one the cycle waits on, as nothing is at stake."""
    try:
        book = _book(venue, market)
    except VenueError:
        return None
    return None if believing.doubt_of(book, cycle.policy) else book


_rules = recent(reference.rulebook)


@recent
def _book(venue: str, market: Market) -> Book:
    """Read a book, once for all cycles that wait."""
    return registry.book(venue, market, newest=FRESH, depth=watching.DEPTH)
