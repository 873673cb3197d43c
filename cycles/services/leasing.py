"""Claims: due cycles are leased with a growing fence, renewed together, handed back with a wake-up."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from cycles import conf
from cycles.domain.words import Role
from cycles.models import Cycle
from cycles.models.cycle import DUE_OUTBOUND, DUE_RETURN
from cycles.services.committing import Group
from cycles.services.locking import in_transaction, locked
from cycles.services.moving import Lease

DUE = {Role.INITIATOR: DUE_OUTBOUND, Role.FINALIZER: DUE_RETURN}
BUSY = 3  # full claims in a row
MARK_LASTS = timedelta(seconds=2)  # how long claims look above a mark only
SLACK = timedelta(seconds=0.25)  # longer than most transactions that wake a cycle


@dataclass(slots=True)
class _Mark:
    """Where a busy role's due cycles began: entries below are dead, and a snapshot held elsewhere keeps them.

    Of this process alone, and no rule: whoever comes up short above the mark looks below it.
    """

    oldest: datetime | None = None
    expires: timedelta = timedelta()  # on this process's own monotonic clock
    full_claims: int = 0


_marks = {role: _Mark() for role in DUE}


def claim(role: Role, owner: str, *, limit: int, only: Q | None = None) -> list[Lease]:
    """Lease up to `limit` due cycles of a role, in one transaction; rows others hold are skipped.

    Waiting cycles (AWAITING_REBALANCE) come oldest started first, the rest as they fell due.
    """
    due = Cycle.objects.filter(DUE[role], wake_at__lte=Now()).filter(
        Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=Now())
    )
    if only is not None:
        due = due.filter(only)
    with transaction.atomic(durable=True):
        waiting = due.filter(status="AWAITING_REBALANCE").order_by("started_at")
        others = due.exclude(status="AWAITING_REBALANCE").order_by("wake_at")
        chosen = _take(others, limit) if only is not None else _take_busy(role, others, limit)
        if role is Role.FINALIZER and len(chosen) < limit:
            chosen += _take(waiting, limit - len(chosen))
        return _grant(chosen, owner)


def _take_busy(role: Role, due: QuerySet[Cycle], limit: int) -> list[tuple[UUID, int]]:
    """Take the oldest; while claims come back full, without reading what lies dead before them."""
    mark, now = _marks[role], timedelta(seconds=time.monotonic())
    if mark.oldest is not None and now < mark.expires:
        chosen = _take(due.filter(wake_at__gte=mark.oldest), limit)
        if len(chosen) == limit:
            return chosen
    rows = list(locked(due, skip=True).values_list("pk", "fence", "wake_at")[:limit])
    mark.full_claims = mark.full_claims + 1 if len(rows) == limit else 0
    woken = rows[0][2] if rows and mark.full_claims >= BUSY else None
    mark.oldest, mark.expires = (woken - SLACK if woken else None), now + MARK_LASTS
    return [(pk, fence) for pk, fence, _ in rows]


def _take(due: QuerySet[Cycle], limit: int) -> list[tuple[UUID, int]]:
    """Lock the first free rows; gives their ids and last fences."""
    return list(locked(due, skip=True).values_list("pk", "fence")[:limit])


def _grant(chosen: Sequence[tuple[UUID, int]], owner: str) -> list[Lease]:
    """Write owner, expiry and the next fence on locked rows: nobody else can raise it meanwhile."""
    if not chosen:
        return []
    Cycle.objects.filter(pk__in=[pk for pk, _ in chosen]).update(
        lease_owner=owner,
        lease_expires_at=Now() + timedelta(seconds=conf.lease_seconds()),
        fence=F("fence") + 1,
    )
    return [Lease(cycle_id=pk, owner=owner, fence=fence + 1) for pk, fence in chosen]


def renew(owner: str, cycle_ids: Sequence[UUID]) -> int:
    """Extend all leases of one owner in one statement; returns how many it still has."""
    if not cycle_ids:
        return 0
    return Cycle.objects.filter(
        pk__in=cycle_ids, lease_owner=owner, lease_expires_at__gt=Now()
    ).update(lease_expires_at=Now() + timedelta(seconds=conf.lease_seconds()))


def release(lease: Lease, *, wake_in: timedelta | None) -> bool:
    """Hand a cycle back, to be looked at again after `wake_in` (None: as it stands).

    Does nothing when the lease is lost already. One that was woken while it was in hand
    (`waking.wake`) stays due: a claimed cycle was due before its lease began. Where the lease was renewed
    since, its own wake-up finds what it was woken for.
    """
    row = {"cycle": lease.cycle_id, "owner": lease.owner, "fence": lease.fence}
    return _release_together(
        row | {"wake_in": None if wake_in is None else wake_in.total_seconds()}
    )


def _write_releases(rows: Sequence[dict[str, Any]]) -> list[bool | None]:
    """Hand cycles back in one transaction; None of one among others that was not: it may be locked."""
    text = msgspec.json.encode(rows).decode()
    is_alone = len(rows) == 1

    def work() -> set[UUID]:
        with connection.cursor() as cursor:
            cursor.execute(RELEASE, [text, conf.lease_seconds(), is_alone])
            return {row[0] for row in cursor.fetchall()}

    released = in_transaction(work)
    return [True if row["cycle"] in released else False if is_alone else None for row in rows]


RELEASE = "SELECT kimp_release_v1(%s::jsonb, %s, %s)"
_release_together: Group[dict[str, Any], bool] = Group(_write_releases)


def due_now() -> Now:
    """Give the instant that makes a cycle due: the database's own."""
    return Now()


def next_due_in(role: Role) -> timedelta | None:
    """Give how long until the next free cycle of a role is due; None when none waits."""
    free = Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=Now())
    return (
        Cycle.objects.filter(DUE[role], free)
        .annotate(due_in=F("wake_at") - Now())
        .order_by("wake_at")
        .values_list("due_in", flat=True)
        .first()
    )
