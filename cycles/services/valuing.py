"""What holdings are worth in KRW, from the newest samples: never from a constant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from cycles import selectors
from cycles.domain.postings import Holding
from cycles.domain.words import AccountOwner
from cycles.models import Cycle, PremiumSample
from cycles.services import booking


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """The newest bids per asset (KRW in Korea, USDT globally) and KRW per USDT; KRW values follow."""

    korea: dict[str, Decimal]
    world: dict[str, Decimal]
    krw_per_usdt: Decimal | None
    global_venue: str

    def krw(self, holding: Holding) -> Decimal | None:
        """Value one holding in KRW where it lies; None without a price."""
        if holding.asset == "KRW":
            return holding.quantity
        if holding.asset == "USDT":
            return holding.quantity * self.krw_per_usdt if self.krw_per_usdt else None
        if holding.venue == self.global_venue:
            price = self.world.get(holding.asset)
            known = price is not None and self.krw_per_usdt is not None
            return holding.quantity * price * self.krw_per_usdt if known else None  # type: ignore[operator]
        korean = self.korea.get(holding.asset)
        return holding.quantity * korean if korean is not None else None

    def usdt(self, holding: Holding, rate: Decimal | None = None) -> Decimal | None:
        """Value one holding in USDT where it lies, won at `rate` where none is newer; None without a price."""
        if holding.asset == "USDT":
            return holding.quantity
        if holding.venue == self.global_venue:
            price = self.world.get(holding.asset)
            return holding.quantity * price if price is not None else None
        worth, per_usdt = self.krw(holding), self.krw_per_usdt or rate
        return worth / per_usdt if worth is not None and per_usdt else None


def latest_samples(korea_venue: str) -> dict[str, PremiumSample]:
    """Give the newest sample of each asset at a Korean venue."""
    newest = selectors.latest_samples().filter(korea_venue=korea_venue)
    return {sample.asset: sample for sample in newest}


def prices_for(cycle: Cycle) -> Prices:
    """Read the newest prices at the cycle's venues."""
    return newest_prices(cycle.global_venue, cycle.korea_venue)


def newest_prices(global_venue: str, korea_venue: str) -> Prices:
    """Read the newest prices the feeder wrote of two venues."""
    return prices_of(latest_samples(korea_venue), global_venue)


def prices_of(samples: Mapping[str, PremiumSample], global_venue: str) -> Prices:
    """Give the prices of samples of one Korean venue, by asset, at the newest rate among them."""
    return Prices(
        korea={a: s.korea_bid for a, s in samples.items() if s.korea_bid is not None},
        world={a: s.global_bid for a, s in samples.items() if s.global_bid is not None},
        krw_per_usdt=newest_rate(samples.values()),
        global_venue=global_venue,
    )


def newest_rate(samples: Iterable[PremiumSample]) -> Decimal | None:
    """Give the KRW per USDT, bid, of the newest sample that has one: an asset may be sampled no more."""
    rated = [sample for sample in samples if sample.krw_per_usdt_bid]
    return max(rated, key=lambda one: one.at).krw_per_usdt_bid if rated else None


def worth_krw(held: Iterable[Holding], prices: Prices) -> Decimal:
    """Sum holdings in KRW to the won; what has no price counts as nothing."""
    total = sum((prices.krw(holding) or Decimal(0) for holding in held), Decimal(0))
    return total.quantize(Decimal(1))


def money_at_risk_krw(cycle: Cycle) -> Decimal:
    """Give what the cycle owns now, in KRW."""
    return max(worth_krw(booking.holdings(cycle), prices_for(cycle)), Decimal(0))


def is_exposed(held: Iterable[Holding]) -> bool:
    """Say whether coins are held whose price moves (USDT and KRW are the desk's own assets)."""
    return any(
        holding.asset not in {"USDT", "KRW"} and holding.owner is not AccountOwner.SUSPENSE
        for holding in held
    )
