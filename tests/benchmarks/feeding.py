"""What one tick of the feeder costs: five assets at two venues, written as samples."""

from __future__ import annotations

import time

from cycles.models import PremiumSample
from cycles.services import desk, rating, watching
from exchanges import registry
from exchanges.values import Market
from tests.benchmarks import place
from tests.benchmarks.findings import Figure, Findings, median
from tests.benchmarks.meter import EXPLICIT, metered, venue_totals


def run(*, ticks: int) -> Findings:
    """Tick; the reference is reading the same books and doing nothing with them."""
    with place.desk():
        rates = rating.Rates()
        watching.tick(rates)  # connections, adapters, official rates
        before = PremiumSample.objects.count()
        calls, at_venues = venue_totals()
        with metered() as meter:
            spent = [_timed(rates) for _ in range(ticks)]
        calls_after, at_venues_after = venue_totals()
        books = [_read_books() for _ in range(ticks)]
        written = PremiumSample.objects.count() - before
    figures = (
        Figure(
            what="a tick", value=median(spent), unit="ms",
            reference="its books alone", reference_value=median(books),
        ),
        Figure(what="a tick's SQL", value=_ms(meter.sql_seconds + meter.commit_seconds, ticks), unit="ms"),
        Figure(what="a tick's venue calls, time", value=_ms(at_venues_after - at_venues, ticks), unit="ms"),
        Figure(what="a tick's queries", value=meter.queries / ticks, unit="count"),
        Figure(what=f"a tick's {EXPLICIT}", value=meter.explicit_commits / ticks, unit="count"),
        Figure(what="a tick's venue calls", value=(calls_after - calls) / ticks, unit="count"),
    )  # fmt: skip
    return Findings(name="the feeder", figures=figures, work={"ticks": ticks, "samples": written})


def _timed(rates: rating.Rates) -> float:
    began = time.perf_counter()
    assert watching.tick(rates)
    return (time.perf_counter() - began) * 1000


def _read_books() -> float:
    """Read the books a tick reads, one after the other."""
    assets = sorted({*desk.current_policy().allowed_assets, "USDT"})
    began = time.perf_counter()
    for asset in assets:
        registry.venue("upbit").book(Market(asset, "KRW"), depth=watching.DEPTH)
        if asset != "USDT":
            registry.venue(registry.GLOBAL_VENUE).book(Market(asset, "USDT"), depth=watching.DEPTH)
    return (time.perf_counter() - began) * 1000


def _ms(seconds: float, ticks: int) -> float:
    return seconds * 1000 / ticks
