"""The desk at a glance: counts, money at risk, results, mode."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Min, Q, Sum
from django.db.models.functions import Now, TruncDate

from cycles import conf
from cycles.domain.words import CycleStatus
from cycles.models import Account, Alert, Cycle, Desk, Pause
from cycles.models.cycle import FINAL_STATUSES
from cycles.selectors.premia import latest_samples
from cycles.selectors.rows import open_calls

ZERO = Decimal(0)
DEAD = Q(status=CycleStatus.DEAD_LETTER)
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
    """Read the desk's state in eight queries."""
    counts = dict(Cycle.objects.order_by().values_list("status").annotate(Count("pk")))
    desk = Desk.objects.filter(pk=1).first() or NO_DESK
    return DeskSummary(
        kind=desk.kind,
        mode=desk.mode,
        mode_reason=desk.mode_reason,
        mode_changed_by=desk.mode_changed_by,
        mode_changed_at=desk.mode_changed_at,
        counts={status: counts.get(status, 0) for status in CycleStatus.values},
        open_cycles=sum(n for status, n in counts.items() if status not in FINAL_STATUSES),
        dead_letters=counts.get(CycleStatus.DEAD_LETTER.value, 0),
        retrying=counts.get(CycleStatus.RETRY_PENDING.value, 0),
        open_calls=open_calls().count(),
        pending_alerts=Alert.objects.filter(state=Alert.State.PENDING).count(),
        pauses=tuple(Pause.objects.select_related("created_by").order_by("scope", "key")),
        last_sample_at=max((sample.at for sample in latest_samples()), default=None),
        **_dead(),
        **_realised(),
    )


def _dead() -> dict[str, Any]:
    """Sum up the dead letters."""
    return Cycle.objects.filter(DEAD).aggregate(
        money_at_risk_krw=Sum("money_at_risk_krw", default=ZERO),
        oldest_dead_letter_at=Min("status_since"),
        unassigned=Count("pk", filter=Q(assignee__isnull=True)),
    )


def _realised() -> dict[str, Any]:
    """Sum up what ended cycles earned, in all and since midnight in Seoul (the database's clock)."""
    zone = conf.display_time_zone()
    ended = Cycle.objects.filter(status__in=FINAL_STATUSES).annotate(
        day=TruncDate("ended_at", tzinfo=zone), today=TruncDate(Now(), tzinfo=zone)
    )
    today = Q(day=F("today"))
    sums = ended.aggregate(
        usdt=Sum("realised_pnl_usdt", default=ZERO),
        krw=Sum("realised_pnl_krw", default=ZERO),
        today_usdt=Sum("realised_pnl_usdt", filter=today, default=ZERO),
        today_krw=Sum("realised_pnl_krw", filter=today, default=ZERO),
    )
    return {f"realised_pnl_{name}": total for name, total in sums.items()}


def balances() -> Iterable[Mapping[str, Any]]:
    """Give what stands where, by venue, asset and owner: `quantity` summed over cycles, no zeros."""
    return (
        Account.objects.exclude(balance=0)
        .order_by("venue", "asset", "owner")
        .values("venue", "asset", "owner")
        .annotate(quantity=Sum("balance"))
    )
