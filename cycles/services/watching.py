"""The feeder's work: both premia of every asset, on both bases of the rate, with source and age."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import structlog

from cycles import metrics
from cycles.domain.money import ZERO, ratio_bps
from cycles.domain.premium import STABLE, Route, premium_bps, way_back, way_out
from cycles.models import Alert, PolicyVersion, PremiumSample
from cycles.services import believing, desk, quoting
from cycles.services.alerting import raise_alert
from exchanges import reference, registry
from exchanges.errors import StaleReferenceError, VenueError
from exchanges.reference import Rulebook
from exchanges.values import Book, Market, RateQuote

log = structlog.get_logger(__name__)

DEPTH = 30


@dataclass(slots=True)
class Rates:
    """The official rates as last read; a failing source is told, never replaced by a constant."""

    quotes: dict[str, RateQuote] = field(default_factory=dict)
    read_at: datetime | None = None

    @property
    def first(self) -> RateQuote | None:
        """Give the rate of the first source that has one."""
        return next(iter(self.quotes.values()), None)

    @property
    def disagreement_bps(self) -> Decimal | None:
        """Give how far the sources lie apart; None with fewer than two."""
        rates = [quote.krw_per_usd for quote in self.quotes.values()]
        return ratio_bps(max(rates), min(rates)) if len(rates) > 1 else None


def refresh_rates(rates: Rates, now: datetime) -> None:
    """Read every official source when due; one that fails loses its place, loudly."""
    if rates.read_at is not None and now - rates.read_at < quoting.fx_poll_delay():
        return
    rates.read_at = now
    rates.quotes = {}
    for source in registry.rate_sources():
        try:
            rates.quotes[source.code] = source.usd_krw()
        except VenueError as error:
            _tell_failed_source(source.code, str(error), now)


def _tell_failed_source(code: str, error: str, now: datetime) -> None:
    """Say loudly, once an hour, that an official source does not answer."""
    log.warning("rate.source_failed", source=code, error=error)
    raise_alert(
        key=f"rate:{code}:{now:%Y%m%d%H}",
        severity=Alert.Severity.WARNING,
        title=f"The official rate of {code} cannot be read",
        body=error,
    )


def tick(rates: Rates) -> int:
    """Sample every allowed asset at each Korean venue once; returns how many samples were written."""
    policy = desk.current_policy()
    refresh_rates(rates, registry.utc_now())
    korea = {code: _books(code, policy, "KRW") for code in registry.korea_venues()}
    world = _books(registry.GLOBAL_VENUE, policy, STABLE)
    now = registry.utc_now()  # after the books: their age is what it is when they are weighed
    rules = reference.rulebook()
    written = [
        sample
        for code, books in korea.items()
        for sample in _samples(code, books, world, policy, rules, rates, now)
    ]
    PremiumSample.objects.bulk_create(written)
    for sample in written:
        metrics.SAMPLES.labels(asset=sample.asset, korea_venue=sample.korea_venue).inc()
    return len(written)


def _samples(
    korea_venue: str,
    korea: dict[str, Book],
    world: dict[str, Book],
    policy: PolicyVersion,
    rules: Rulebook,
    rates: Rates,
    now: datetime,
) -> Iterator[PremiumSample]:
    """Measure every asset at one Korean venue, against its own traded rate."""
    official = rates.first
    usd = official.krw_per_usd if official else None
    korea, world = believing.sifted(
        korea, world, policy, korea_venue=korea_venue, krw_per_usd=usd, now=now
    )
    traded = korea.get(STABLE)
    if traded is None:
        log.warning("feeder.no_traded_rate", venue=korea_venue)
    for asset, book in korea.items():
        if asset != STABLE and asset not in world:
            continue
        sample = _sample(asset, policy, rules, (world.get(asset), book), traded, rates, now)
        if sample is not None:
            yield sample


def _books(venue_code: str, policy: PolicyVersion, quote: str) -> dict[str, Book]:
    """Read the books of all allowed assets at a venue; what fails is told and left out."""
    books: dict[str, Book] = {}
    wanted = sorted({*policy.allowed_assets, STABLE})
    for asset in wanted:
        if asset == quote:
            continue
        try:
            venue = registry.venue(venue_code)
            books[asset] = venue.book(Market(asset, quote), depth=DEPTH)
        except VenueError as error:
            log.warning("feeder.no_book", venue=venue_code, asset=asset, error=str(error))
    return books


def _route(
    asset: str, rules: Rulebook, world: Book | None, korea: Book, now: datetime
) -> Route | None:
    """Assemble what carrying the asset costs; None when the rules are missing or old."""
    try:
        out = rules.transfer_route(asset, registry.GLOBAL_VENUE, korea.venue)
        back = rules.transfer_route(asset, korea.venue, registry.GLOBAL_VENUE)
        fees = [
            rules.network_rules(venue, asset, network, now).withdraw_fee
            for venue, network in (
                (registry.GLOBAL_VENUE, out.network),
                (korea.venue, back.network),
            )
        ]
        korea_fee = rules.market_rules(korea.venue, korea.market, now).taker_fee_rate
        world_fee = (
            rules.market_rules(world.venue, world.market, now).taker_fee_rate
            if world is not None
            else ZERO
        )
    except StaleReferenceError as error:
        log.warning("feeder.stale_rules", venue=korea.venue, asset=asset, error=str(error))
        return None
    return Route(
        asset=asset,
        global_book=world,
        korea_book=korea,
        global_taker_fee=world_fee,
        korea_taker_fee=korea_fee,
        global_withdraw_fee=fees[0],
        korea_withdraw_fee=fees[1],
    )


def _sample(
    asset: str,
    policy: PolicyVersion,
    rules: Rulebook,
    books: tuple[Book | None, Book],
    traded: Book | None,
    rates: Rates,
    now: datetime,
) -> PremiumSample | None:
    """Measure one asset; what cannot be measured stays null."""
    route = _route(asset, rules, books[0], books[1], now)
    if route is None:
        return None
    size = quoting.sample_size_usdt(policy)
    bid, ask = _top(traded)
    out = way_out(route, size)
    back = way_back(route, size * ask) if ask is not None else None
    sample = PremiumSample(
        at=now,
        asset=asset,
        global_venue=registry.GLOBAL_VENUE,
        korea_venue=books[1].venue,
        size_usdt=size,
        outbound_krw_per_usdt=out.krw_per_usdt if out else None,
        return_krw_per_usdt=back.krw_per_usdt if back else None,
        krw_per_usdt_bid=bid,
        krw_per_usdt_ask=ask,
        book_age_ms=_age_ms(books, now),
        is_generated=not registry.is_live(),
    )
    sample.global_bid, sample.global_ask = _top(books[0])
    sample.korea_bid, sample.korea_ask = _top(books[1])
    official = rates.first
    usd = official.krw_per_usd if official else None
    out_rate = out.gross_krw_per_usdt if out else None
    back_rate = back.gross_krw_per_usdt if back else None
    sample.outbound_traded_bps = _premium(out_rate, ask)
    sample.return_traded_bps = _premium(back_rate, bid)
    sample.outbound_official_bps = _premium(out_rate, usd)
    sample.return_official_bps = _premium(back_rate, usd)
    _name_rate(sample, rates)
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


def _age_ms(books: tuple[Book | None, Book], now: datetime) -> int:
    """Give the age of the older book on our own clock."""
    received = [book.received_at for book in books if book is not None]
    return max(0, int((now - min(received)).total_seconds() * 1000))
