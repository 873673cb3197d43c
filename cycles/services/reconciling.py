"""Unknown outcomes become facts by evidence: a venue's record, or absence after its rule's window.

Waiting alone never decides. What each venue's absence proves stands in its `OutcomeRule`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import structlog
from django.db import connection
from django.db.models.functions import Now

from cycles.domain.progress import GO_ON, Progress, failed, not_asked, waiting
from cycles.domain.words import CallOutcome, FailureClass, Operation
from cycles.models import Cycle, ExchangeCall
from cycles.services import seeing
from cycles.services.calling import SEND_WITHIN, Noted, write_outcome
from cycles.services.locking import in_transaction, lock_cycle
from exchanges import registry
from exchanges.errors import VenueError
from exchanges.port import Venue
from exchanges.values import Market, OrderReport, WithdrawalReport

log = structlog.get_logger(__name__)

OPEN = (CallOutcome.INTENDED, CallOutcome.UNKNOWN)
LOOK_AGAIN = timedelta(seconds=1)
CLOCK_SLACK = timedelta(minutes=2)  # a venue's stamps against our database's
BATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What looking a call up gave: a report, proven absence, or a reason to ask a person."""

    report: OrderReport | WithdrawalReport | None = None
    is_absent: bool = False
    ambiguity: str = ""
    doubt: str = ""  # why what was found is not adopted yet
    as_of: datetime | None = None  # when a look began that would have shown a withdrawal


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileReport:
    """What a sweep over open calls did."""

    looked_at: int
    resolved: int
    still_unknown: int


def reconcile(call: ExchangeCall) -> Progress:
    """Ask the venue what became of a call and write it down; the caller then goes on or waits."""
    venue = registry.venue(call.venue)
    if call.noted_at is None:  # what a look shows counts from here on: its worker is gone
        record(call, Noted(outcome=CallOutcome.UNKNOWN, error=call.error))
    age = _age(call)
    try:
        with registry.settling():
            evidence = look_up(venue, call, age=age)
    except VenueError as error:
        return not_asked(call.venue, error)
    if evidence.report is not None:
        record(call, Noted(outcome=CallOutcome.DONE, report=evidence.report))
        return GO_ON
    if evidence.is_absent:
        record(call, Noted(outcome=CallOutcome.ABSENT, error="never accepted, by the venue's rule"))
        return GO_ON
    return _undecided(venue, call, evidence, age)


def _undecided(venue: Venue, call: ExchangeCall, evidence: Evidence, age: timedelta) -> Progress:
    """Wait while waiting can still bring evidence; then a person decides."""
    if evidence.ambiguity:
        return failed(_unknown_class(call), evidence.ambiguity)
    rule = venue.order_rule
    if call.operation == Operation.WITHDRAW:  # what was not seen counts as of the look
        rule = venue.withdrawal_rule
        age = evidence.as_of - call.noted_at if evidence.as_of and call.noted_at else timedelta(0)
    if rule.absence_proves_after_seconds is None and age > timedelta(
        seconds=rule.lookup_grace_seconds
    ):
        return failed(
            _unknown_class(call),
            evidence.doubt
            or f"{call.venue} shows no trace of {call.client_order_id}, which proves nothing there",
        )
    return waiting(LOOK_AGAIN, "an outcome is unknown")


def look_up(venue: Venue, call: ExchangeCall, *, age: timedelta) -> Evidence:
    """Look for a call at its venue. Raises VenueError when the venue cannot be asked."""
    if call.operation == Operation.WITHDRAW:
        return _look_up_withdrawal(call)
    is_over = age > _window(venue, call)
    if not (age < seeing.OWN_READS or is_over or seeing.shows_order(call)):
        return Evidence()  # asking for it alone would tell as little
    market = Market.parse(call.request["market"])
    wanted = call.request.get("cancels", call.client_order_id)
    report = venue.order(market, client_order_id=wanted)
    proves = venue.order_rule.absence_proves_after_seconds is not None
    return Evidence(report=report, is_absent=report is None and is_over and proves)


def _window(venue: Venue, call: ExchangeCall) -> timedelta:
    """Give how old an unknown order must be for the last word on it: its absence, or a person's."""
    rule = venue.order_rule
    seconds = rule.absence_proves_after_seconds or rule.lookup_grace_seconds
    # Found without a word of its worker, it may have been sent up to its last moment after that.
    late = timedelta(0) if call.duration_ms else SEND_WITHIN
    return timedelta(seconds=seconds) + late


def _look_up_withdrawal(call: ExchangeCall) -> Evidence:
    """Match by our id where the venue keeps it, else by fingerprint; exactly one or none."""
    sight = seeing.withdrawals(call)
    rows = sight.rows
    by_id = [row for row in rows if row.client_withdrawal_id == call.client_order_id]
    if by_id:
        return Evidence(report=by_id[0])
    if not _tells(sight.as_of, call):
        return Evidence()  # its own row may be missing yet, and another's look like it
    matches = [row for row in rows if row.client_withdrawal_id is None and _matches(call, row)]
    has_twin = _has_twin(
        call
    )  # asked before what is known: a twin that is settled in between is known
    free = _not_ours_already(call.venue, matches)
    if len(free) > 1:
        return Evidence(ambiguity=f"{len(free)} withdrawals look like {call.client_order_id}")
    if free and has_twin:
        doubt = f"what {call.venue} shows may be another open request's"
        return Evidence(doubt=doubt, as_of=sight.as_of)
    return Evidence(report=free[0] if free else None, as_of=sight.as_of)


def _tells(as_of: datetime | None, call: ExchangeCall) -> bool:
    """Say whether a look began after the call's worker had given it up, so that it shows all there is."""
    return as_of is not None and call.noted_at is not None and as_of > call.noted_at


def _has_twin(call: ExchangeCall) -> bool:
    """Say whether another open call asks for the very same: a trace may be either's."""
    alike = ExchangeCall.objects.filter(
        venue=call.venue,
        operation=call.operation,
        outcome__in=OPEN,
        request__asset=call.request["asset"],
        request__network=call.request["network"],
        request__quantity=call.request["quantity"],
    )
    return alike.exclude(pk=call.pk).exists()


def _matches(call: ExchangeCall, row: WithdrawalReport) -> bool:
    """Compare asset, network, quantity and time window (addresses are not always reported)."""
    asked = call.request
    in_window = row.created_at is None or row.created_at >= call.intended_at - CLOCK_SLACK
    own_address = call.destination.address if call.destination else None
    return (
        row.asset == asked["asset"]
        and row.network in {"", asked["network"]}  # Bithumb may leave it out
        and row.quantity == Decimal(asked["quantity"])
        and in_window
        and (row.address is None or row.address == own_address)
    )


def _not_ours_already(venue: str, rows: Sequence[WithdrawalReport]) -> list[WithdrawalReport]:
    """Leave out what another call of the journal stands for."""
    ids = [row.venue_withdrawal_id for row in rows]
    known = set(
        ExchangeCall.objects.filter(
            venue=venue, operation=Operation.WITHDRAW, venue_order_id__in=ids
        ).values_list("venue_order_id", flat=True)
    )
    return [row for row in rows if row.venue_withdrawal_id not in known]


def record(call: ExchangeCall, noted: Noted) -> None:
    """Write evidence; needs no lease. An UNKNOWN that stays one keeps its time."""

    def work() -> None:
        lock_cycle(call.cycle_id)
        if noted.outcome == CallOutcome.UNKNOWN and call.outcome == CallOutcome.UNKNOWN:
            return
        write_outcome(call, noted)

    in_transaction(work)
    call.refresh_from_db()


def _unknown_class(call: ExchangeCall) -> FailureClass:
    """Give the class of an outcome that only a person can settle."""
    if call.operation == Operation.WITHDRAW:
        return FailureClass.UNKNOWN_WITHDRAWAL
    return FailureClass.UNKNOWN_ORDER


def _age(call: ExchangeCall) -> timedelta:
    """Give how long the call has been known to be unknown, by the database's clock.

    An intent whose worker is gone counts from our first look at it: it may have been sent at the
    last moment of its lease.
    """
    if call.noted_at is None:
        return timedelta(0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
    now: datetime = row[0]
    noted_at: datetime = call.noted_at
    return now - noted_at


def reconcile_open_calls() -> ReconcileReport:
    """Ask about every open call that no worker holds: the sweep behind the roles' own claims."""
    rows = list(
        ExchangeCall.objects.filter(outcome__in=OPEN)
        .exclude(cycle__lease_expires_at__gt=Now())
        .select_related("step", "cycle", "destination")
        .order_by("pk")[:BATCH]
    )
    resolved = sum(_reconciled(call) for call in rows)
    return ReconcileReport(
        looked_at=len(rows), resolved=resolved, still_unknown=len(rows) - resolved
    )


def reconcile_cycle(cycle_id: UUID) -> ReconcileReport:
    """Ask about the open calls of one cycle, but for one that a worker may be sending now."""
    rows = list(
        ExchangeCall.objects.filter(cycle_id=cycle_id, outcome__in=OPEN)
        .exclude(outcome=CallOutcome.INTENDED, cycle__lease_expires_at__gt=Now())
        .select_related("step", "cycle", "destination")
    )
    resolved = sum(_reconciled(call) for call in rows)
    return ReconcileReport(
        looked_at=len(rows), resolved=resolved, still_unknown=len(rows) - resolved
    )


def _reconciled(call: ExchangeCall) -> bool:
    """Reconcile one call of a sweep; says whether its outcome is known now."""
    progress = reconcile(call)
    log.info(
        "call.reconciled",
        code=call.cycle.code,
        client_order_id=call.client_order_id,
        outcome=call.outcome,
        turn=progress.turn.value,
    )
    return call.outcome not in OPEN


def in_flight_cycles() -> int:
    """Count cycles with an open call."""
    return Cycle.objects.filter(calls__outcome__in=OPEN).distinct().count()
