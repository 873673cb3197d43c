"""Waking cycles before their time, together: for what a venue said, or for a way home that clears."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import structlog
from django.db.models import (
    DecimalField,
    ExpressionWrapper,
    F,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
)
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Coalesce, Now

from cycles.domain.money import BPS
from cycles.domain.words import CycleStatus, Passage, StepKind, StepState
from cycles.models import Cycle, Step
from cycles.services import notices
from cycles.services.locking import in_transaction, locked

log = structlog.get_logger(__name__)

RATE = DecimalField(max_digits=60, decimal_places=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Woken:
    """How many were woken, and whether some were left that somebody has locked: they are woken next time."""

    count: int
    has_left: bool


def wake(cycles: QuerySet[Cycle]) -> Woken:
    """Make due now, together, those that wait for longer; in the caller's transaction.

    One that a worker has in hand is woken too: it may have looked just before. Its worker hands it back
    with that wake-up (`leasing.release`, or the settlement that hands it back). What is locked is not
    waited for: it would hold up all that the caller has to write.
    """
    waits = Q(wake_at__gt=Now()) | (Q(wake_at__isnull=False) & ~Q(lease_owner=""))
    waiting = cycles.filter(waits)
    wanted = waiting.count()
    picked = locked(waiting.order_by("pk"), skip=True)
    woken = Cycle.objects.filter(pk__in=picked.values("pk")).update(wake_at=Now())
    if woken:
        notices.tell()
    return Woken(count=woken, has_left=woken < wanted)


def wake_waiting(korea_venue: str, back_rate: Decimal, *, before: Decimal | None) -> Woken:
    """Make due, in one statement, the cycles waiting at a venue that a way back has come to clear for.

    `back_rate` is KRW paid per USDT home now, `before` when last looked (None: there was no way).
    Those it cleared for already were woken then and decided. Whoever claims them judges anew, with
    pauses, wallets and its policy's assets; they are claimed oldest started first. What is locked is
    not waited for: whoever asks again from the same `before` wakes it.
    """
    waiting = Cycle.objects.filter(
        status=CycleStatus.AWAITING_REBALANCE,
        korea_venue=korea_venue,
        lease_owner="",
        wake_at__gt=Now(),
    ).annotate(own_rate=_own_out_rate())
    due = waiting.filter(_comes_to_clear(back_rate, before))
    free = locked(due.order_by("pk"), skip=True)

    def work() -> Woken:
        count = Cycle.objects.filter(pk__in=free.values("pk")).update(wake_at=Now())
        if count:
            notices.tell()
        # Before anybody can judge one of the woken and let it wait again.
        return Woken(count=count, has_left=due.exists())

    woken = in_transaction(work)
    if woken.count:
        facts = {"venue": korea_venue, "krw_per_usdt": f"{back_rate:.4f}"}
        log.info("rebalance.woken", cycles=woken.count, **facts)
    return woken


def _comes_to_clear(back_rate: Decimal, before: Decimal | None) -> Q:
    """Say that a way back clears for a cycle, and did not before."""
    if before is None:  # also those that carry the desk's KRW home, whatever the rate
        return _clears(back_rate) | Q(own_rate__isnull=True)
    return _clears(back_rate) & ~_clears(before)


def _clears(back_rate: Decimal) -> Q:
    """Say that a cycle's own way out against a way back clears the policy it was opened under."""
    dearest = Value(back_rate) * (BPS + F("policy__min_rebalance_edge_bps")) / BPS
    return Q(own_rate__gte=ExpressionWrapper(dearest, output_field=RATE))


def _own_out_rate() -> ExpressionWrapper[CombinedExpression]:
    """Give what each cycle got out, KRW per USDT; null where it has no way out of its own.

    Fees in a third asset are left to whoever claims it: without them it is woken rather too often.
    """
    outbound = Step.objects.filter(
        cycle=OuterRef("pk"), passage=Passage.OUTBOUND, state=StepState.DONE
    ).order_by()
    krw = outbound.filter(kind=StepKind.SELL, quote="KRW").values("cycle")
    paid = outbound.filter(kind=StepKind.BUY).values("cycle")
    sent = outbound.filter(kind=StepKind.WITHDRAW).values("cycle")  # USDT itself was carried
    usdt = Coalesce(
        Subquery(paid.annotate(total=Sum("quantity_in")).values("total")),
        Subquery(sent.annotate(total=Min("quantity_in")).values("total")),
    )
    got = Subquery(krw.annotate(total=Sum("quantity_out")).values("total"))
    return ExpressionWrapper(got / usdt, output_field=RATE)
