"""The one writer of `status` and `version`: every change under lock, with its transition row."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Event
from typing import Any
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now

from cycles import metrics
from cycles.domain.states import FINAL, is_legal
from cycles.domain.words import CycleStatus
from cycles.errors import IllegalTransitionError, LeaseLostError, StaleVersionError
from cycles.models import Cycle, Transition
from cycles.services.correlating import correlation
from cycles.services.locking import lock_cycle
from cycles.services.standing import LastSeen


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Temporary ownership of a cycle: decisions count only while `fence` is the newest.

    `last_seen`: where the cycle stood when it was claimed, or when a call of it was settled, for its next unit.
    `given_up`: its worker was told to stop and hands the cycle back, while a thread may be at it still.
    """

    cycle_id: UUID
    owner: str
    fence: int
    last_seen: LastSeen = field(default_factory=LastSeen, compare=False, repr=False)
    given_up: Event = field(default_factory=Event, compare=False, repr=False)


def lock_for_decision(lease: Lease) -> Cycle:
    """Lock the cycle and make sure that the lease still holds it; else LeaseLostError."""
    cycle = lock_cycle(lease.cycle_id)
    if cycle.fence != lease.fence or cycle.lease_owner != lease.owner:
        raise LeaseLostError(
            "%(code)s: the lease %(fence)s has been taken over", code=cycle.code, fence=lease.fence
        )
    return cycle


def lock_for_operator(cycle_id: UUID, *, seen_version: int) -> Cycle:
    """Lock the cycle and make sure that it is as the operator saw it; else StaleVersionError."""
    cycle = lock_cycle(cycle_id)
    if cycle.version != seen_version:
        raise StaleVersionError(seen=seen_version, found=cycle.version)
    return cycle


def move(
    cycle: Cycle,
    target: CycleStatus,
    *,
    event: str,
    actor: str,
    reason: str = "",
    **changes: Any,
) -> None:
    """Write a new status with its transition row; `cycle` must be locked in this transaction.

    Leaving a lease behind: a cycle that ends or waits for people drops it. Raises
    IllegalTransitionError, or StaleVersionError if the row was not the one that was read.
    """
    origin = CycleStatus(cycle.status)
    if not is_legal(origin, target):
        raise IllegalTransitionError(
            "%(code)s: %(origin)s cannot become %(target)s",
            code=cycle.code,
            origin=origin,
            target=target,
        )
    write_transition(cycle, origin, target, event=event, actor=actor, reason=reason)
    if target in FINAL:
        changes |= {"ended_at": Now(), "wake_at": None, "next_retry_at": None}
    if target in FINAL or target is CycleStatus.DEAD_LETTER:
        changes |= {"lease_owner": "", "lease_expires_at": None}
    _write(cycle, status=target, status_since=Now(), **changes)
    metrics.TRANSITIONS.labels(to_status=target.value, event=event).inc()


def touch(cycle: Cycle, **changes: Any) -> None:
    """Write facts of a cycle that are no status; raises its version. Must be locked."""
    _write(cycle, **changes)


def touch_if_dead(cycle: Cycle) -> None:
    """Make forms on a dead letter stale: what became of a request was learnt while they lay open. Must be locked."""
    if cycle.status == CycleStatus.DEAD_LETTER:
        touch(cycle)


def write_transition(
    cycle: Cycle, origin: str, target: str, *, event: str, actor: str, reason: str
) -> None:
    """Write the transition row that the database asks of every change of status."""
    Transition.objects.create(
        cycle=cycle,
        version=cycle.version + (1 if origin else 0),
        from_status=origin,
        to_status=target,
        event=event,
        actor=actor,
        reason=reason,
        at=Now(),
        **correlation(),
    )


def _write(cycle: Cycle, **changes: Any) -> None:
    """Compare and set, and bring the instance up to date: it is locked, so nobody else wrote.

    Where the database computed a value the row is read again: no expression stays on the instance.
    """
    seen = cycle.version
    updated = Cycle.objects.filter(pk=cycle.pk, version=seen).update(
        version=F("version") + 1, **changes
    )
    if updated != 1:
        raise StaleVersionError(seen=seen, found=None)
    if any(hasattr(value, "resolve_expression") for value in changes.values()):
        cycle.refresh_from_db()
        return
    for name, value in (changes | {"version": seen + 1}).items():
        setattr(cycle, name, value)
