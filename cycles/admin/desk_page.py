"""What the first page shows: the desk at a glance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from cycles import selectors
from cycles.admin.chart import Chart, premium_chart
from cycles.admin.desk_verbs import SHOWN_CALLS, mode_choices
from cycles.admin.navigation import user_of
from cycles.domain.words import AccountOwner, CycleStatus
from cycles.models import Alert, Heartbeat, PremiumSample, Transition
from cycles.selectors.premia import HOUR, MINUTE
from cycles.services import withholding
from cycles.services.intervening import PERMISSIONS

CHART_HOURS = (6, 24, 7 * 24, 30 * 24, 365 * 24)  # the first unless another is asked for
CHART_POINTS = 180
SHOWN_ALERTS, SHOWN_TRANSITIONS = 6, 10
LATE_BEAT = timedelta(seconds=60)
HELD = (AccountOwner.DESK, AccountOwner.CYCLE, AccountOwner.IN_FLIGHT, AccountOwner.SUSPENSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusCount:
    """How many cycles stand in a status."""

    status: str
    label: Any
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What is owned of one asset at one venue, by owner in the order of `HELD`."""

    venue: str
    asset: str
    quantities: tuple[Decimal, ...]


def context(request: HttpRequest) -> dict[str, Any]:
    """Gather everything for whoever may see cycles; an empty desk for others."""
    user = user_of(request)
    if not user.has_perm("cycles.view_cycle"):
        return {"summary": None}
    now, hours = timezone.now(), _hours(request)
    summary = selectors.desk_summary()
    samples = list(selectors.latest_samples())
    return {
        "summary": summary,
        "statuses": [
            StatusCount(status=status.value, label=status.label, count=summary.counts[status.value])
            for status in CycleStatus
        ],
        "samples": samples,
        "is_generated": any(sample.is_generated for sample in samples),
        "chart": _chart(samples, now, hours),
        "chart_hours": hours,
        "chart_spans": CHART_HOURS,
        "places": _places(selectors.balances()),
        "owners": [AccountOwner(owner).label for owner in HELD],
        "alerts": Alert.objects.select_related("cycle").order_by("-id")[:SHOWN_ALERTS],
        "transitions": Transition.objects.select_related("cycle").order_by("-id")[
            :SHOWN_TRANSITIONS
        ],
        "processes": [(beat, now - beat.beat_at > LATE_BEAT) for beat in _processes()],
        "clocks": selectors.venue_clocks(),
        "holds": selectors.held_windows(),
        "open_calls": selectors.open_calls()[:SHOWN_CALLS] if summary.open_calls else (),
        "withheld": withholding.why(),
        "modes": mode_choices(user, summary.mode),
        "may": {verb.value: user.has_perm(name) for verb, name in PERMISSIONS.items()},
    }


def _processes() -> Iterable[Heartbeat]:
    """Give the processes that beat, without the scheduled jobs."""
    return Heartbeat.objects.exclude(name__startswith="job:").order_by("role", "name")


def _hours(request: HttpRequest) -> int:
    """Give the span that is asked for, of those that are offered."""
    asked = request.GET.get("hours", "")
    return next((hours for hours in CHART_HOURS if str(hours) == asked), CHART_HOURS[0])


def _chart(samples: Sequence[PremiumSample], now: datetime, hours: int) -> Chart | None:
    """Draw the way out at the traded rate, per asset and Korean venue, as finely as the span allows."""
    begin = now - timedelta(hours=hours)
    firsts = [selectors.first_sample_at(s.asset, begin, korea_venue=s.korea_venue) for s in samples]
    since = min((first for first in firsts if first is not None), default=now)
    bucket = _bucket((now - since) / CHART_POINTS)
    is_one = len({sample.korea_venue for sample in samples}) == 1
    series = {
        sample.asset if is_one else f"{sample.asset} {sample.korea_venue}": [
            (timezone.localtime(point.at), point.outbound_traded_bps)
            for point in selectors.premium_series(
                sample.asset, since, korea_venue=sample.korea_venue, bucket=bucket
            )
            if point.outbound_traded_bps is not None
        ]
        for sample in samples
    }
    return premium_chart(series, gap=max(bucket * 5, LATE_BEAT))


def _bucket(finest: timedelta) -> timedelta:
    """Round up to whole seconds, minutes or hours: what samples are rolled up to."""
    grain = next((one for one in (HOUR, MINUTE) if finest >= one), timedelta(seconds=1))
    return max(-(-finest // grain), 1) * grain


def _places(balances: Iterable[Mapping[str, Any]]) -> list[Place]:
    """Lay the balances out by venue and asset."""
    found: dict[tuple[str, str], dict[str, Decimal]] = {}
    for row in balances:
        owners = found.setdefault((row["venue"], row["asset"]), {})
        owners[row["owner"]] = row["quantity"]
    return [
        Place(
            venue=venue,
            asset=asset,
            quantities=tuple(owners.get(owner.value, Decimal(0)) for owner in HELD),
        )
        for (venue, asset), owners in found.items()
        if any(owners.get(owner.value) for owner in HELD)
    ]
