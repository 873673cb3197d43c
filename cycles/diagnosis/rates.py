"""What a USDT and a dollar cost in won: every official source asked now, and the feeder's newest samples."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from cycles.diagnosis.findings import Finding, amiss, spoken, well
from cycles.domain.money import ratio_bps
from cycles.models import PolicyVersion
from cycles.services import desk, quoting, valuing
from exchanges import registry
from exchanges.errors import VenueError
from exchanges.port import RateSource
from exchanges.values import RateQuote

FEWEST = 2  # one source alone is checked by nothing
CURE = (
    "see the source's page and this machine's way out; set its URL (manage.py config) if it moved"
)


def of_sources(now: datetime) -> Iterator[Finding]:
    """Ask every official source of the rate once, and compare."""
    policy = PolicyVersion.objects.order_by("-number").first()
    good: list[RateQuote] = []
    for source in registry.rate_sources():
        quote, line = _asked(source, policy, now)
        good += [quote] if quote is not None else []
        yield line
    if len(good) < FEWEST:
        told = f"{len(good)} official rate is good; {FEWEST} are needed to hold one against another"
        yield amiss("agreement", told, "mend the sources above")
    elif policy is not None:
        yield _agreement([quote.krw_per_usd for quote in good], policy.max_fx_disagreement_bps)


def _asked(
    source: RateSource, policy: PolicyVersion | None, now: datetime
) -> tuple[RateQuote | None, Finding]:
    try:
        quote = source.usd_krw()
    except VenueError as error:
        return None, amiss(source.code, str(error), CURE)
    age = now - quote.quoted_at
    told = f"{quote.krw_per_usd.normalize():f} KRW a dollar, quoted {spoken(age)} ago"
    if quote.good_until is not None and now > quote.good_until:
        return None, amiss(source.code, f"{told}: a newer one is overdue", CURE)
    if policy is not None and age > timedelta(seconds=policy.max_fx_age_seconds):
        return None, amiss(source.code, f"{told}: older than the policy allows", CURE)
    return quote, well(source.code, told)


def _agreement(rates: list[Decimal], most_bps: Decimal) -> Finding:
    apart = ratio_bps(max(rates), min(rates))
    told = f"{apart:.1f} bps apart (limit {most_bps.normalize():f})"
    if apart > most_bps:
        return amiss("agreement", told, "find out which source is wrong before anything is opened")
    return well("agreement", told)


def of_samples() -> Iterator[Finding]:
    """Say whether the feeder's newest samples, the traded basis in them, may be acted on."""
    policy = PolicyVersion.objects.order_by("-number").first()
    if policy is None:
        return
    for korea in registry.korea_venues():
        samples = valuing.latest_samples(korea).values()
        told = [quoting.staleness(sample, policy) for sample in samples]
        stale = sorted({text for text in told if text})
        subject = f"samples {korea}"
        if not told or stale:
            text = "; ".join(stale) or "there are none"
            yield amiss(subject, text, "see that a feeder runs, and what it logs")
            continue
        now = desk.database_now()
        age = max(quoting.age_of(sample, now) for sample in samples)
        yield well(subject, f"of {len(told)} assets, the oldest {spoken(age)} old")
