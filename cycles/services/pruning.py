"""Deletes bookkeeping that has served; facts of cycles, money and people stay for ever."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models.functions import Now

from cycles.models import Heartbeat, IdempotencyRecord

IDEMPOTENCY_KEPT = timedelta(hours=72)
HEARTBEATS_KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """How many rows went."""

    idempotency_records: int
    heartbeats: int


def prune() -> Pruned:
    """Delete answers kept for repeated requests, and signs of life of processes long gone."""
    records, _ = IdempotencyRecord.objects.filter(created_at__lt=Now() - IDEMPOTENCY_KEPT).delete()
    beats, _ = Heartbeat.objects.filter(beat_at__lt=Now() - HEARTBEATS_KEPT).delete()
    return Pruned(idempotency_records=records, heartbeats=beats)
