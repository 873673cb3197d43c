"""The feeder's work: both premia of every asset, on both bases of the rate, with source and age."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Protocol

import structlog

from cycles import metrics
from cycles.domain.money import ZERO
from cycles.domain.premium import STABLE, Terms, premium_bps, way_back, way_out
from cycles.models import PolicyVersion, PremiumSample
from cycles.services import believing, quoting
from cycles.services.rating import Rates, refresh_rates
from exchanges import reference, registry
from exchanges.errors import StaleReferenceError, VenueError
from exchanges.reference import Rulebook
from exchanges.values import Book, Market

log = structlog.get_logger(__name__)

DEPTH = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What one look measures all assets by, read once."""

    policy: PolicyVersion
    size_usdt: Decimal
    rules: Rulebook
    rates: Rates
    now: datetime


class BookSource(Protocol):
    """Where a tick finds its books."""

    def __call__(self, venue: str, market: Market, oldest: timedelta) -> Book:
        """Give a book no older than `oldest`. Raises VenueError if there is none."""


def requested(venue: str, market: Market, oldest: timedelta) -> Book:
    """Read a book now; how old it is when all are in, `look` says."""
    del oldest  # it is made for us
    return registry.venue(venue).book(market, depth=DEPTH)


def tick(rates: Rates, source: BookSource = requested) -> int:
    """Read what is due of the rates, then sample; returns how many samples."""
    refresh_rates(rates, registry.utc_now())
    return len(look(rates, source))


def look(rates: Rates, source: BookSource = requested) -> list[PremiumSample]:
    """Sample each asset that opens, or that open cycles may come home by, at each Korean venue; returns what it wrote."""
    policies = quoting.policies_at_work()
    policy, wanted = policies[0], sorted(quoting.measured_assets(policies))
    oldest = timedelta(seconds=policy.max_book_age_seconds)
    read = partial(_books, wanted=wanted, oldest=oldest, source=source)
    korea = {code: read(code, "KRW") for code in registry.korea_venues()}
    world = read(registry.GLOBAL_VENUE, STABLE)
    now = registry.utc_now()  # after the books: their age is what it is when they are weighed
    korea = {code: _young(books, policy, now) for code, books in korea.items()}
    world = _young(world, policy, now)
    by = _Look(
        policy=policy,
        size_usdt=quoting.sample_size_usdt(policy),
        rules=reference.rulebook(),
        rates=rates,
        now=now,
    )
    written = [
        sample for code, books in korea.items() for sample in _samples(code, books, world, by)
    ]
    PremiumSample.objects.bulk_create(written)
    for sample in written:
        metrics.SAMPLES.labels(asset=sample.asset, korea_venue=sample.korea_venue).inc()
    return written


def _samples(
    korea_venue: str, korea: dict[str, Book], world: dict[str, Book], by: _Look
) -> Iterator[PremiumSample]:
    """Measure every asset at one Korean venue, against its own traded rate."""
    official = by.rates.first
    usd = official.krw_per_usd if official else None
    korea, world = believing.sifted(
        korea, world, by.policy, korea_venue=korea_venue, krw_per_usd=usd, now=by.now
    )
    traded = korea.get(STABLE)
    if traded is None:
        log.warning("feeder.no_traded_rate", venue=korea_venue)
    for asset, book in korea.items():
        if asset != STABLE and asset not in world:
            continue
        sample = _sample(asset, (world.get(asset), book), traded, by)
        if sample is not None:
            yield sample


def _books(
    venue_code: str, quote: str, *, wanted: Iterable[str], oldest: timedelta, source: BookSource
) -> dict[str, Book]:
    """Find the books of the wanted assets at a venue; what is missing is told and left out."""
    books: dict[str, Book] = {}
    for asset in wanted:
        if asset == quote:
            continue
        try:
            books[asset] = source(venue_code, Market(asset, quote), oldest)
        except VenueError as error:
            log.warning("feeder.no_book", venue=venue_code, asset=asset, error=str(error))
    return books


def _young(books: dict[str, Book], policy: PolicyVersion, now: datetime) -> dict[str, Book]:
    """Leave out the books that grew old while the others were read, one venue after the other."""
    oldest, young = timedelta(seconds=policy.max_book_age_seconds), {}
    for asset, book in books.items():
        age = now - book.received_at
        if age <= oldest:
            young[asset] = book
            continue
        told = f"it grew {age.total_seconds():.0f} s old while others were read"
        log.warning("feeder.no_book", venue=book.venue, asset=asset, error=told)
    return young


def terms_of(asset: str, korea: str, rules: Rulebook, now: datetime) -> Terms | None:
    """Give what carrying an asset costs; None when the rules are missing or old, which is told."""
    world = registry.GLOBAL_VENUE
    try:
        out, back = (
            rules.transfer_route(asset, world, korea),
            rules.transfer_route(asset, korea, world),
        )
        return Terms(
            asset=asset,
            global_taker_fee=(
                rules.market_rules(world, Market(asset, STABLE), now).taker_fee_rate
                if asset != STABLE
                else ZERO
            ),
            korea_taker_fee=rules.market_rules(korea, Market(asset, "KRW"), now).taker_fee_rate,
            global_withdraw_fee=rules.network_rules(world, asset, out.network, now).withdraw_fee,
            korea_withdraw_fee=rules.network_rules(korea, asset, back.network, now).withdraw_fee,
        )
    except StaleReferenceError as error:
        log.warning("feeder.stale_rules", venue=korea, asset=asset, error=str(error))
        return None


def _sample(
    asset: str, books: tuple[Book | None, Book], traded: Book | None, by: _Look
) -> PremiumSample | None:
    """Measure one asset; what cannot be measured stays null."""
    terms = terms_of(asset, books[1].venue, by.rules, by.now)
    if terms is None:
        return None
    route = terms.route(books[0], books[1])
    bid, ask = _top(traded)
    out = way_out(route, by.size_usdt)
    back = way_back(route, by.size_usdt * ask) if ask is not None else None
    sample = PremiumSample(
        at=by.now,
        asset=asset,
        global_venue=registry.GLOBAL_VENUE,
        korea_venue=books[1].venue,
        size_usdt=by.size_usdt,
        outbound_krw_per_usdt=out.krw_per_usdt if out else None,
        return_krw_per_usdt=back.krw_per_usdt if back else None,
        krw_per_usdt_bid=bid,
        krw_per_usdt_ask=ask,
        book_age_ms=_age_ms((*books, traded), by.now),
        is_generated=not registry.is_live(),
    )
    sample.global_bid, sample.global_ask = _top(books[0])
    sample.korea_bid, sample.korea_ask = _top(books[1])
    official = by.rates.first
    usd = official.krw_per_usd if official else None
    out_rate = out.gross_krw_per_usdt if out else None
    back_rate = back.gross_krw_per_usdt if back else None
    sample.outbound_traded_bps = _premium(out_rate, ask)
    sample.return_traded_bps = _premium(back_rate, bid)
    sample.outbound_official_bps = _premium(out_rate, usd)
    sample.return_official_bps = _premium(back_rate, usd)
    _name_rate(sample, by.rates)
    return sample


def _premium(krw_per_usdt: Decimal | None, rate: Decimal | None) -> Decimal | None:
    """Give a premium where both sides of it are known."""
    return premium_bps(krw_per_usdt, rate) if krw_per_usdt and rate else None


def _name_rate(sample: PremiumSample, rates: Rates) -> None:
    """Write down which official rate it was, from when, and how far the sources lie apart."""
    official = rates.first
    if official is not None:
        sample.krw_per_usd = official.krw_per_usd
        sample.rate_source = official.source[:32]
        sample.rate_quoted_at = official.quoted_at
        sample.rate_fetched_at = official.fetched_at
    sample.rate_disagreement_bps = rates.disagreement_bps


def _top(book: Book | None) -> tuple[Decimal | None, Decimal | None]:
    """Give the best bid and ask; None for an empty side."""
    if book is None:
        return None, None
    bid = book.bids[0].price if book.bids else None
    ask = book.asks[0].price if book.asks else None
    return bid, ask


def _age_ms(books: Iterable[Book | None], now: datetime) -> int:
    """Give the age of the oldest book on our own clock, that of the traded rate among them."""
    received = [book.received_at for book in books if book is not None]
    return max(0, int((now - min(received)).total_seconds() * 1000))
