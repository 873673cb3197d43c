"""The newest quotes for decisions: from the feeder's samples, judged for freshness."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Q

from cycles import conf
from cycles.domain.decision import Quote, sized_notional
from cycles.domain.premium import STABLE
from cycles.models import Cycle, PolicyVersion, PremiumSample
from cycles.models.cycle import FINAL_STATUSES
from cycles.services import booking, desk, valuing
from exchanges import destinations, reference, registry
from exchanges.sentences import Sentence

ZERO = Decimal(0)


def latest_quotes(policy: PolicyVersion, korea_venue: str) -> list[Quote]:
    """Give one quote per asset at a Korean venue; one that is too old, or whose rates disagree, is not fresh.

    A way with a wallet or a market shut at either end, or whose address or asset nobody vouches for, has
    no rate: coins are not bought to be stuck.
    """
    out = barred_ways(registry.GLOBAL_VENUE, korea_venue)
    back = barred_ways(korea_venue, registry.GLOBAL_VENUE)
    samples = valuing.latest_samples(korea_venue).values()
    now = desk.database_now()
    return [
        _quote(
            sample,
            out.get(sample.asset, ""),
            back.get(sample.asset, ""),
            is_fresh=not staleness(sample, policy, now),
        )
        for sample in samples
    ]


def fresh_rate(policy: PolicyVersion, korea_venue: str) -> Decimal | None:
    """Give the newest KRW per USDT, bid, that may be acted on at a Korean venue; None where none may."""
    now, samples = desk.database_now(), valuing.latest_samples(korea_venue).values()
    return valuing.newest_rate(one for one in samples if not staleness(one, policy, now))


def barred_ways(from_venue: str, to_venue: str) -> dict[str, str]:
    """Give the assets that cannot travel between two venues now, and why."""
    closed = reference.closed_ways(from_venue, to_venue)
    shut = {
        asset: Sentence("a wallet or a market of %(asset)s is closed", asset=asset)
        for asset in closed
    }
    return shut | destinations.barred_ways(from_venue, to_venue)


def _quote(sample: PremiumSample, out: str, back: str, *, is_fresh: bool) -> Quote:
    """Turn a sample into what decisions read; `out` and `back` say why a way is barred."""
    return Quote(
        asset=sample.asset,
        korea_venue=sample.korea_venue,
        out_rate=None if out else sample.outbound_krw_per_usdt,
        back_rate=None if back else sample.return_krw_per_usdt,
        out_is_barred=out,
        back_is_barred=back,
        outbound_official_bps=sample.outbound_official_bps,
        krw_per_usdt=sample.krw_per_usdt_bid,
        krw_per_usd=sample.krw_per_usd,
        is_fresh=is_fresh,
        size_usdt=sample.size_usdt,
    )


def age_of(sample: PremiumSample, now: datetime) -> timedelta:
    """Give how old the oldest book is that a sample was measured on; `now` by the database's clock."""
    since = abs(now - sample.at)  # the feeder's clock may be ahead
    return since + timedelta(milliseconds=sample.book_age_ms or 0)


def staleness(sample: PremiumSample, policy: PolicyVersion, now: datetime | None = None) -> str:
    """Give why a sample may not be acted on, or nothing; `now` by the database's clock, read if not given."""
    age = age_of(sample, now or desk.database_now())
    if age > timedelta(seconds=policy.max_book_age_seconds):
        return f"the newest sample of {sample.asset} is {age.total_seconds():.0f} s old"
    if sample.krw_per_usd is None or sample.rate_quoted_at is None:
        return "no official rate"
    if sample.at - sample.rate_quoted_at > timedelta(seconds=policy.max_fx_age_seconds):
        return f"the official rate of {sample.rate_source} is too old"
    if (sample.rate_disagreement_bps or ZERO) > policy.max_fx_disagreement_bps:
        return f"official rates disagree by {sample.rate_disagreement_bps} bps"
    return ""


def sample_size_usdt(policy: PolicyVersion) -> Decimal:
    """Give the size the feeder measures for: what the policy would open with, by its own sizing."""
    free = booking.desk_balance(registry.GLOBAL_VENUE, STABLE)
    return sized_notional(desk.limits(policy), free) or policy.notional_usdt or Decimal(1000)


def policies_at_work() -> list[PolicyVersion]:
    """Give the policy in force, then those of open cycles, newest first. Raises NotFoundError."""
    is_open = Cycle.objects.filter(~Q(status__in=FINAL_STATUSES)).order_by()
    newest = PolicyVersion.objects.order_by("-number").values("number")[:1]
    at_work = Q(pk__in=is_open.values("policy")) | Q(number=newest)
    found = list(PolicyVersion.objects.filter(at_work).order_by("-number"))
    return found or [desk.current_policy()]


def measured_assets(policies: Iterable[PolicyVersion]) -> frozenset[str]:
    """Give what the feeder measures: what the policies at work allow, by which cycles may come home, and USDT.

    To measure an asset is not to allow it: what opens is decided by the policy in force alone.
    """
    return frozenset({STABLE}.union(*(policy.allowed_assets for policy in policies)))


def fx_poll_delay() -> timedelta:
    """Give how often official rates are read."""
    return max(conf.scaled(600), timedelta(seconds=2))
