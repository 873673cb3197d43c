"""Unknown outcomes become facts by evidence: a venue's record, or absence after its rule's window.

Waiting alone never decides. What each venue's absence proves stands in its `OutcomeRule`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import structlog
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from cycles.domain.progress import GO_ON, Progress, failed, not_asked, waiting
from cycles.domain.words import CallOutcome, FailureClass, Operation
from cycles.models import Cycle, ExchangeCall
from cycles.services import rotating, seeing
from cycles.services.calling import SEND_WITHIN, Noted, write_outcome
from cycles.services.desk import database_now
from cycles.services.locking import in_transaction, lock_cycle, locked
from exchanges import registry
from exchanges.errors import VenueError
from exchanges.port import Venue
from exchanges.values import Market, OrderReport, OutcomeRule, WithdrawalReport

log = structlog.get_logger(__name__)

OPEN = (CallOutcome.INTENDED, CallOutcome.UNKNOWN)
LOOK_AGAIN = timedelta(seconds=1)
CLOCK_SLACK = timedelta(minutes=2)  # a venue's stamps against our database's
BATCH = 200
SWEEP = "reconcile_open_calls"


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
    return _asked(venue, call, _age(call))


def _asked(
    venue: Venue, call: ExchangeCall, age: timedelta, among: _Batch | None = None
) -> Progress:
    """Look a call up, alone or among those of a sweep, and write down what that gives."""
    try:
        with registry.settling():
            evidence = look_up(venue, call, age=age, among=among)
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


def look_up(
    venue: Venue, call: ExchangeCall, *, age: timedelta, among: _Batch | None = None
) -> Evidence:
    """Look for a call at its venue. Raises VenueError when the venue cannot be asked."""
    if call.operation == Operation.WITHDRAW:
        return _look_up_withdrawal(call)
    is_over = age > _window(venue.order_rule, call)
    is_shown = among.shows if among is not None else seeing.shows_order
    if not (age < seeing.OWN_READS or is_over or is_shown(call)):
        return Evidence()  # asking for it alone would tell as little
    market = Market.parse(call.request["market"])
    wanted = call.request.get("cancels", call.client_order_id)
    report = venue.order(market, client_order_id=wanted)
    proves = venue.order_rule.absence_proves_after_seconds is not None
    return Evidence(report=report, is_absent=report is None and is_over and proves)


def _window(rule: OutcomeRule, call: ExchangeCall) -> timedelta:
    """Give how old an unknown order must be for the last word on it: its absence, or a person's."""
    seconds = rule.absence_proves_after_seconds or rule.lookup_grace_seconds
    # Found without a word of its worker, it may have been sent up to its last moment after that.
    late = timedelta(0) if call.duration_ms else SEND_WITHIN
    return timedelta(seconds=seconds) + late


def may_arrive_for(call: ExchangeCall, *, given_up_at: datetime) -> timedelta:
    """Give how long its venue may still accept a request that was under way at an instant; 0 or less: no more."""
    order_rule, withdrawal_rule = registry.outcome_rules(call.venue)
    window = timedelta(seconds=withdrawal_rule.lookup_grace_seconds)
    if call.operation != Operation.WITHDRAW:
        window = _window(order_rule, call)
    return window - (database_now() - (call.noted_at or given_up_at))


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
    noted_at: datetime = call.noted_at
    return database_now() - noted_at


@dataclass(slots=True)
class _Batch:
    """The calls of one run of the sweep: how long each has been unknown, and which orders were seen.

    What is read when the batch begins makes a call younger than it is, and so never absent too early.
    """

    calls: Sequence[ExchangeCall]
    _shown: dict[str, frozenset[int]] = field(default_factory=dict)  # by venue

    def reconciled(self, call: ExchangeCall) -> bool:
        """Reconcile one call; says whether its outcome is known now."""
        venue = registry.venue(call.venue)
        progress = _asked(venue, call, _age_in(call), self)
        return _told(call, progress)

    def shows(self, call: ExchangeCall) -> bool:
        """Say whether an order was seen: asked for all of its venue's at once, when the first needs it."""
        if call.venue not in self._shown:
            venue = registry.venue(call.venue)
            self._shown[call.venue] = seeing.shown_orders(
                [
                    one
                    for one in self.calls
                    if (one.venue, one.operation == Operation.WITHDRAW) == (call.venue, False)
                    and _age_in(one) <= _window(venue.order_rule, one)
                ]
            )
        return call.pk in self._shown[call.venue]


def _age_in(call: ExchangeCall) -> timedelta:
    """Give how long a call of a batch had been known to be unknown when that was read."""
    age: timedelta | None = getattr(call, "age")  # noqa: B009  annotated
    return age or timedelta(0)


def reconcile_open_calls() -> ReconcileReport:
    """Ask about open calls that no worker holds, in turn: the sweep behind the roles' own claims.

    A batch, and for half a minute; the next run goes on behind its last. A call that cannot be asked about
    stops no other.
    """
    calls = _begun(rotating.batch(SWEEP, _with_age(_not_held()), BATCH))
    tally = rotating.each_in_turn(SWEEP, calls, _Batch(calls).reconciled)
    return ReconcileReport(
        looked_at=tally.looked_at, resolved=tally.done, still_unknown=tally.looked_at - tally.done
    )


def _not_held() -> QuerySet[ExchangeCall]:
    """Choose the open calls of cycles that no worker has in hand."""
    return ExchangeCall.objects.filter(outcome__in=OPEN).exclude(cycle__lease_expires_at__gt=Now())


def _with_age(calls: QuerySet[ExchangeCall]) -> QuerySet[ExchangeCall]:
    """Read with each call what it hangs on, and how long it has been known to be unknown."""
    return calls.select_related("step", "cycle", "destination").annotate(age=Now() - F("noted_at"))


def _begun(calls: Sequence[ExchangeCall]) -> list[ExchangeCall]:
    """Let what a look shows count from here on for all whose worker is gone, at once.

    Left out are those whose cycle somebody has locked or taken, and those that are known by now.
    """
    ids = [call.pk for call in calls if call.noted_at is None]
    if not ids:
        return list(calls)

    def work() -> list[UUID]:
        cycles = Cycle.objects.filter(pk__in=[call.cycle_id for call in calls if call.pk in ids])
        free = locked(cycles.exclude(lease_expires_at__gt=Now()).order_by("pk"), skip=True)
        mine = list(free.values_list("pk", flat=True))
        begun = ExchangeCall.objects.filter(pk__in=ids, cycle_id__in=mine, noted_at__isnull=True)
        begun.filter(outcome__in=OPEN).update(outcome=CallOutcome.UNKNOWN, noted_at=Now())
        return mine

    in_transaction(work)
    noted = _with_age(_not_held()).filter(noted_at__isnull=False)
    found = noted.in_bulk([call.pk for call in calls])
    return [found[call.pk] for call in calls if call.pk in found]


def reconcile_cycle(cycle_id: UUID) -> ReconcileReport:
    """Ask about the open call of one cycle, but for one that a worker may be sending now."""
    rows = (
        ExchangeCall.objects.filter(cycle_id=cycle_id, outcome__in=OPEN)
        .exclude(outcome=CallOutcome.INTENDED, cycle__lease_expires_at__gt=Now())
        .select_related("step", "cycle", "destination")
    )
    told = [_told(call, reconcile(call)) for call in rows]
    return ReconcileReport(
        looked_at=len(told), resolved=sum(told), still_unknown=len(told) - sum(told)
    )


def _told(call: ExchangeCall, progress: Progress) -> bool:
    """Log what a look at one call came to; says whether its outcome is known now."""
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
