"""Deletes bookkeeping that has served; facts of cycles, money and people stay for ever."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet, TextField
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce, Now

from cycles.domain.words import Operation
from cycles.models import (
    ExchangeCall,
    Heartbeat,
    IdempotencyRecord,
    SeenDeposit,
    SeenOrder,
    SeenWithdrawal,
)
from cycles.models.cycle import FINAL_STATUSES
from cycles.services import retention
from cycles.services.presence import JOB
from cycles.services.sighting import OPEN, own_txid_key, txid_key_of
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
    """Delete what venues showed so long ago that none shows it any more; what tells of a cycle that goes on, stays."""
    old = Q(changed_at__lt=Now() - SEEN_KEPT)
    tables = (
        (SeenDeposit.objects, [_by_transaction()]),
        (SeenOrder.objects, [_by_order()]),
        (SeenWithdrawal.objects, [_by_own_id(), _by_venue_id(), _by_likeness(), _sent_along()]),
    )
    return sum(rows.filter(old, *(~one for one in kept)).delete()[0] for rows, kept in tables)


def _live_calls(**facts: object) -> QuerySet[ExchangeCall]:
    """Choose requests of cycles that have not ended: what becomes of one, or is stated of it, relies on what was seen."""
    return ExchangeCall.objects.filter(**facts).exclude(cycle__status__in=FINAL_STATUSES)


def _by_order() -> Exists:
    """Say that such a request placed a seen order, or was to cancel it."""
    own_id = Coalesce(KT("request__cancels"), "client_order_id", output_field=TextField())
    calls = _live_calls(venue=OuterRef("venue")).annotate(own_id=own_id)
    return Exists(calls.filter(own_id=OuterRef("client_order_id")))


def _withdrawals(**facts: object) -> QuerySet[ExchangeCall]:
    return _live_calls(venue=OuterRef("venue"), operation=Operation.WITHDRAW, **facts)


def _by_own_id() -> Exists:
    return Exists(_withdrawals(client_order_id=OuterRef("client_withdrawal_id")))


def _by_venue_id() -> Exists:
    return Exists(_withdrawals(venue_order_id=OuterRef("venue_withdrawal_id")))


def _by_likeness() -> Exists:
    """Say that a seen withdrawal may be that of an open request, to which its venue has given no id that we know."""
    calls = _withdrawals(outcome__in=OPEN, intended_at__lte=OuterRef("changed_at"))
    return Exists(calls.annotate(asset=KT("request__asset")).filter(asset=OuterRef("asset")))


def _sent_along() -> Exists:
    """Say that a seen withdrawal left in the transaction of such a request: the credit of that is divided by it."""
    calls = _withdrawals().annotate(own_key=own_txid_key()).exclude(own_key="")
    return Exists(calls.filter(own_key=txid_key_of(OuterRef("txid"))))


def _by_transaction() -> Exists:
    """Say that a seen deposit has the transaction of such a request."""
    calls = _live_calls(operation=Operation.WITHDRAW).annotate(own_key=own_txid_key())
    return Exists(calls.filter(own_key=OuterRef("txid_key")).exclude(own_key=""))
