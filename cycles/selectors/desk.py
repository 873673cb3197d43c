"""The desk at a glance: counts, money at risk, results, mode."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, Min, Q, Sum

from cycles.domain.words import CycleStatus
from cycles.models import Account, Alert, Cycle, Desk, Pause
from cycles.models.cycle import FINAL_STATUSES
from cycles.selectors.premia import latest_samples
from cycles.selectors.rows import open_calls
from cycles.selectors.sums import Sums, midnight, sums_by_status

ZERO = Decimal(0)
DEAD = Q(status=CycleStatus.DEAD_LETTER)
# Accounts of ended cycles stay, empty: theirs are chosen by an index of what is not, the desk's few by having no cycle.
MAY_HOLD = Q(cycle__isnull=True) | (Q(cycle__isnull=False) & ~Q(balance=0))
NO_DESK = Desk(kind="", mode="")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskSummary:
    """What an operator looks at first. `money_at_risk_krw` is that of the dead letters.

    "Today" began at midnight in Seoul. A P&L counts cycles that have ended.
    """

    kind: str
    mode: str
    mode_reason: str
    mode_changed_by: str
    mode_changed_at: datetime | None
    counts: Mapping[str, int]
    open_cycles: int
    dead_letters: int
    unassigned: int
    money_at_risk_krw: Decimal
    oldest_dead_letter_at: datetime | None
    retrying: int
    open_calls: int
    pending_alerts: int
    pauses: tuple[Pause, ...]
    realised_pnl_today_usdt: Decimal
    realised_pnl_today_krw: Decimal
    realised_pnl_usdt: Decimal
    realised_pnl_krw: Decimal
    last_sample_at: datetime | None


def desk_summary() -> DeskSummary:
    """Read the desk's state in nine queries."""
    by_status = sums_by_status()
    counts = {status: found.count for status, found in by_status.items()}
    ended = sum((by_status[status] for status in FINAL_STATUSES), Sums())
    desk = Desk.objects.filter(pk=1).first() or NO_DESK
    return DeskSummary(
        kind=desk.kind,
        mode=desk.mode,
        mode_reason=desk.mode_reason,
        mode_changed_by=desk.mode_changed_by,
        mode_changed_at=desk.mode_changed_at,
        counts=counts,
        open_cycles=sum(n for status, n in counts.items() if status not in FINAL_STATUSES),
        dead_letters=counts[CycleStatus.DEAD_LETTER],
        retrying=counts[CycleStatus.RETRY_PENDING],
        open_calls=open_calls().count(),
        pending_alerts=Alert.objects.filter(state=Alert.State.PENDING).count(),
        pauses=tuple(Pause.objects.select_related("created_by").order_by("scope", "key")),
        last_sample_at=max((sample.at for sample in latest_samples()), default=None),
        realised_pnl_usdt=ended.usdt,
        realised_pnl_krw=ended.krw,
        **_dead(),
        **_today(),
    )


def _dead() -> dict[str, Any]:
    """Sum up the dead letters."""
    return Cycle.objects.filter(DEAD).aggregate(
        money_at_risk_krw=Sum("money_at_risk_krw", default=ZERO),
        oldest_dead_letter_at=Min("status_since"),
        unassigned=Count("pk", filter=Q(assignee__isnull=True)),
    )


def _today() -> dict[str, Any]:
    """Sum up what the cycles earned that ended since midnight in Seoul."""
    return Cycle.objects.filter(ended_at__gte=midnight()).aggregate(
        realised_pnl_today_usdt=Sum("realised_pnl_usdt", default=ZERO),
        realised_pnl_today_krw=Sum("realised_pnl_krw", default=ZERO),
    )


def balances() -> Iterable[Mapping[str, Any]]:
    """Give what stands where, by venue, asset and owner: `quantity` summed over cycles, no zeros."""
    return (
        Account.objects.filter(MAY_HOLD)
        .exclude(balance=0)
        .order_by("venue", "asset", "owner")
        .values("venue", "asset", "owner")
        .annotate(quantity=Sum("balance"))
    )
