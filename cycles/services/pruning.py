"""Deletes bookkeeping that has served; facts of cycles, money and people stay for ever."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now

from cycles.models import (
    Heartbeat,
    IdempotencyRecord,
    SeenDeposit,
    SeenOrder,
    SeenWithdrawal,
)
from cycles.services import retention
from cycles.services.presence import JOB
from exchanges.models import VenueClock

IDEMPOTENCY_KEPT = timedelta(hours=72)
HEARTBEATS_KEPT = timedelta(days=1)
JOBS_KEPT = timedelta(days=30)  # one that has not run for days must be missed
SEEN_KEPT = timedelta(days=100)  # longer than any venue shows its history
CLOCKS_KEPT = timedelta(days=7)  # of hosts that are gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """How many rows went."""

    idempotency_records: int
    heartbeats: int
    samples: int
    minutes: int
    hours: int
    clocks: int
    seen: int


def prune() -> Pruned:
    """Delete answers kept for repeated requests, signs of life and clocks long gone, and old samples."""
    records, _ = IdempotencyRecord.objects.filter(created_at__lt=Now() - IDEMPOTENCY_KEPT).delete()
    is_job = Q(name__startswith=JOB)
    gone = ~is_job & Q(beat_at__lt=Now() - HEARTBEATS_KEPT)
    gone |= is_job & Q(beat_at__lt=Now() - JOBS_KEPT)
    beats, _ = Heartbeat.objects.filter(gone).delete()
    clocks, _ = VenueClock.objects.filter(measured_at__lt=Now() - CLOCKS_KEPT).delete()
    premia = retention.prune_premia()
    return Pruned(
        idempotency_records=records,
        heartbeats=beats,
        samples=premia.samples,
        minutes=premia.minutes,
        hours=premia.hours,
        clocks=clocks,
        seen=_forget_seen(),
    )


def _forget_seen() -> int:
    """Delete what venues showed so long ago that none shows it any more."""
    old = Q(changed_at__lt=Now() - SEEN_KEPT)
    tables = (SeenDeposit.objects, SeenOrder.objects, SeenWithdrawal.objects)
    return sum(rows.filter(old).delete()[0] for rows in tables)
