"""Books that may be acted on: the guard, with the policy's limits and what the market showed lately."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from django.db.models.functions import Now

from cycles.domain.premium import STABLE
from cycles.models import Alert, PolicyVersion, PremiumSample
from cycles.services import valuing
from cycles.services.alerting import raise_alert
from exchanges import book_guard
from exchanges.book_guard import BookLimits
from exchanges.recent import recent
from exchanges.values import Book, Market

log = structlog.get_logger(__name__)

RECENT = timedelta(seconds=60)  # an older sample is no measure of a market that moves
TWO = Decimal(2)

Books = dict[str, Book]
Price = Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What one asset cost lately: in KRW, in USDT, and KRW per USDT and per USD; None: not known."""

    krw: Price = None
    usdt: Price = None
    krw_per_usdt: Price = None
    krw_per_usd: Price = None

    def known(self, market: Market) -> list[Decimal]:
        """Give the prices that a market's book must lie near one of: its own, and the other venue's."""
        if market.base == STABLE:
            own, other = self.krw, self.krw_per_usd
        elif market.quote == STABLE:
            own, other = self.usdt, _ratio(self.krw, self.krw_per_usdt)
        else:
            own, other = self.krw, _product(self.usdt, self.krw_per_usdt)
        return [price for price in (own, other) if price]


def doubt_of(book: Book, policy: PolicyVersion) -> str:
    """Say why a book is not to be acted on, and say it loudly; nothing if it is."""
    venue = None if book.market.quote == STABLE else book.venue
    return _doubt(book, policy, _newest_marks(book.market.base, venue))


@recent
def _newest_marks(asset: str, korea_venue: str | None) -> Marks:
    """Give what an asset cost lately; nothing where no sample is young enough."""
    samples = PremiumSample.objects.filter(asset=asset, at__gte=Now() - RECENT)
    if korea_venue is not None:
        samples = samples.filter(korea_venue=korea_venue)
    sample = samples.order_by("-at").first()
    return _marks(sample) if sample else Marks()


def sifted(
    korea: Books,
    world: Books,
    policy: PolicyVersion,
    *,
    korea_venue: str,
    krw_per_usd: Price,
    now: datetime,
) -> tuple[Books, Books]:
    """Leave out the books that are not to be acted on; each is said loudly.

    An asset that has not been sampled lately is held against the other venue's book of this moment.
    """
    samples = valuing.latest_samples(korea_venue).values()
    lately = {one.asset: _marks(one) for one in samples if one.at >= now - RECENT}
    rate = _mid_of(korea.get(STABLE))

    def is_sound(book: Book, elsewhere: Books) -> bool:
        asset, mid = book.market.base, _mid_of(elsewhere.get(book.market.base))
        is_korean = book.market.quote != STABLE
        now_elsewhere = Marks(
            krw=None if is_korean else mid,
            usdt=mid if is_korean else None,
            krw_per_usdt=rate,
            krw_per_usd=krw_per_usd,
        )
        return not _doubt(book, policy, lately.get(asset, now_elsewhere))

    return (
        {asset: book for asset, book in korea.items() if is_sound(book, world)},
        {asset: book for asset, book in world.items() if is_sound(book, korea)},
    )


def _doubt(book: Book, policy: PolicyVersion, marks: Marks) -> str:
    limits = BookLimits(
        max_age=timedelta(seconds=policy.max_book_age_seconds),
        max_jump_bps=policy.max_book_jump_bps,
    )
    doubt = book_guard.doubt_of(book, limits, known=marks.known(book.market))
    if doubt:
        _tell(book, doubt)
    return doubt


def _tell(book: Book, doubt: str) -> None:
    """Say that a book is not believed: in the log each time, to people once an hour."""
    market = book.market.code
    log.warning("book.doubted", venue=book.venue, market=market, doubt=doubt)
    raise_alert(
        key=f"book:{book.venue}:{market}:{book.received_at:%Y%m%d%H}",
        severity=Alert.Severity.WARNING,
        title=f"The {market} book of {book.venue} is not believed",
        body=f"{doubt}\nNothing is opened or ordered on it while it stays so.",
    )


def _marks(sample: PremiumSample) -> Marks:
    return Marks(
        krw=_mid(sample.korea_bid, sample.korea_ask),
        usdt=_mid(sample.global_bid, sample.global_ask),
        krw_per_usdt=_mid(sample.krw_per_usdt_bid, sample.krw_per_usdt_ask),
        krw_per_usd=sample.krw_per_usd,
    )


def _mid_of(book: Book | None) -> Price:
    if book is None or not book.bids or not book.asks:
        return None
    return _mid(book.bids[0].price, book.asks[0].price)


def _mid(bid: Price, ask: Price) -> Price:
    return (bid + ask) / TWO if bid is not None and ask is not None else None


def _product(one: Price, other: Price) -> Price:
    return one * other if one is not None and other is not None else None


def _ratio(one: Price, other: Price) -> Price:
    return one / other if one is not None and other else None
