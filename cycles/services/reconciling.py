"""Unknown outcomes become facts by evidence: a venue's record, or absence after its rule's window.

Waiting alone never decides. What tells an outcome, and what a venue's absence proves, stands in its `OutcomeRule`s.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any
from uuid import UUID

import structlog
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from cycles.domain.progress import GO_ON, Progress, Turn, failed, not_asked, waiting
from cycles.domain.words import CallOutcome, FailureClass, Operation
from cycles.models import Cycle, ExchangeCall
from cycles.services import agreeing, rotating, seeing
from cycles.services.calling import SEND_WITHIN, Noted, tell_if_contradicted, write_outcome
from cycles.services.desk import database_now
from cycles.services.gathering import NEVER_LISTED, SECOND_LOOK, Gathered, Seen
from cycles.services.locking import in_transaction, lock_cycle, locked
from cycles.services.matching import OPEN, Evidence
from cycles.services.moving import touch_if_dead
from cycles.services.stepping import Report
from exchanges import registry
from exchanges.errors import VenueError
from exchanges.port import Venue
from exchanges.values import Market, OutcomeRule, ToldBy

log = structlog.get_logger(__name__)

# Commits an outcome that was found with all that it brought about; False, and nothing is written, where it cannot.
Adopt = Callable[[ExchangeCall, Report], bool]

LOOK_AGAIN = timedelta(seconds=1)
# Nothing but a clock changes the answer then, and each look is a call.
CLOCK_AGAIN = timedelta(seconds=30)
UNDECIDED = "an outcome is unknown"
NEVER_ACCEPTED = Noted(outcome=CallOutcome.ABSENT, error="never accepted, by the venue's rule")
BATCH = 200
SWEEP = "reconcile_open_calls"
# By which of its rules a venue's word on an unknown request counts; of an adapter or its class alike.
RULES: Mapping[str, Callable[[Any], OutcomeRule]] = {
    Operation.PLACE_ORDER: attrgetter("order_rule"),
    Operation.CANCEL_ORDER: attrgetter("cancel_rule"),
    Operation.WITHDRAW: attrgetter("withdrawal_rule"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileReport:
    """What a sweep over open calls did."""

    looked_at: int
    resolved: int
    still_unknown: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a batch of open calls came to, and by cycle of which only a person can tell, with why."""

    report: ReconcileReport
    undecided: Mapping[UUID, tuple[FailureClass, str]]


def reconcile(call: ExchangeCall, adopt: Adopt | None = None) -> Progress:
    """Ask the venue what became of a call and write it down; the caller then goes on or waits.

    What is found is offered to `adopt`, which may write more than the outcome.
    """
    if call.noted_at is None and call.operation == Operation.WITHDRAW:
        _begin_to_look(call)  # its traces are held against that time
    alone = Gathered([call], None if call.noted_at is None else database_now())
    progress = _asked(registry.venue(call.venue), call, alone, adopt=adopt)
    alone.mark_missed()
    if progress is not GO_ON and call.noted_at is None:
        _begin_to_look(call)
    if progress is GO_ON and not call.is_settled:
        call.refresh_from_db()
    return progress


def _begin_to_look(call: ExchangeCall) -> None:
    """Let what a look shows count from here on: the call's worker is gone. An order that is found needs it not."""
    record(call, Noted(outcome=CallOutcome.UNKNOWN, error=call.error))
    call.refresh_from_db()


def _asked(
    venue: Venue, call: ExchangeCall, among: Gathered, *, adopt: Adopt | None = None
) -> Progress:
    """Look a call up, alone or among those of a sweep, and write down what that gives."""
    try:
        with registry.settling():
            evidence = look_up(venue, call, among)
    except VenueError as error:
        return not_asked(call.venue, error)
    if evidence.report is not None:
        if adopt is None or not adopt(call, evidence.report):
            record(call, Noted(outcome=CallOutcome.DONE, report=evidence.report))
        return GO_ON
    if evidence.is_absent and evidence.as_of:
        if (clock := among.clock(call.venue)).disagreement:
            agreeing.tell(call.venue, clock)
            return waiting(CLOCK_AGAIN if clock.is_apart else LOOK_AGAIN, clock.disagreement)
        if not among.is_missed_again(call, evidence.as_of):
            return waiting(SECOND_LOOK, "its venue knows of none, and is asked once more")
        return _missed_again(venue, call, evidence, among)
    return _undecided(venue, call, evidence, among)


def _missed_again(
    venue: Venue, call: ExchangeCall, evidence: Evidence, among: Gathered
) -> Progress:
    """Write down that an order was never accepted, unless its venue has locked what may be its funds."""
    if RULES[call.operation](venue).locked_denies_absence:
        try:
            with registry.settling():
                withheld = among.withheld(call)
        except VenueError as error:
            return not_asked(call.venue, error)
        if withheld:
            progress = _undecided(venue, call, replace(evidence, doubt=withheld), among)
            return progress if progress.turn is Turn.FAIL else waiting(SECOND_LOOK, withheld)
    record(call, NEVER_ACCEPTED, NEVER_LISTED & Q(missed_at=call.missed_at))
    return waiting(LOOK_AGAIN, UNDECIDED) if call.outcome in OPEN else GO_ON


def _undecided(venue: Venue, call: ExchangeCall, evidence: Evidence, among: Gathered) -> Progress:
    """Wait while waiting can still bring evidence; then a person decides."""
    if evidence.ambiguity:
        return failed(_unknown_class(call), evidence.ambiguity)
    rule, age = RULES[call.operation](venue), among.age(call)
    is_listed = rule.told_by is ToldBy.WITHDRAWALS
    if is_listed:  # what was not seen counts as of the look
        age = evidence.as_of - call.noted_at if evidence.as_of and call.noted_at else timedelta(0)
    patience = _window(rule, call)
    # An order that is listed, or may be locked for, and not found alone.
    if evidence.doubt and not is_listed:
        patience += timedelta(seconds=rule.lookup_grace_seconds)
    elif rule.absence_proves_after_seconds is not None:
        return waiting(LOOK_AGAIN, UNDECIDED)
    if age > patience:
        if evidence.doubt and evidence.as_of and call.operation == Operation.PLACE_ORDER:
            among.doubt(call, evidence.as_of)
        return failed(
            _unknown_class(call),
            evidence.doubt
            or f"{call.venue} shows no trace of {call.client_order_id}, which proves nothing there",
        )
    return waiting(LOOK_AGAIN, UNDECIDED)


def look_up(venue: Venue, call: ExchangeCall, among: Gathered) -> Evidence:
    """Look for a call at its venue. Raises VenueError when the venue cannot be asked."""
    rule, age = RULES[call.operation](venue), among.age(call)
    if rule.told_by is ToldBy.WITHDRAWALS:
        return among.traces(call.venue).evidence(call)
    is_over = age > _window(rule, call)
    is_young = age < seeing.OWN_READS
    seen = Seen() if is_young else among.seen(call.venue)
    shown = call.pk in seen.shown
    if not (is_young or is_over or shown):
        return Evidence()  # asking for it alone would tell as little
    market = Market.parse(call.request["market"])
    wanted = call.request.get("cancels", call.client_order_id)
    asked_at = among.asked_at(call.venue) if is_over else None
    report = venue.order(market, client_order_id=wanted)
    if report is None and (shown or (is_over and call.pk in seen.listed)):
        verb = "lists" if shown else "has listed"
        return Evidence(
            doubt=f"{call.venue} {verb} {wanted}, and does not find it when asked for it",
            as_of=asked_at,
        )
    proves = rule.absence_proves_after_seconds is not None
    is_absent = report is None and is_over and proves
    return Evidence(report=report, is_absent=is_absent, as_of=asked_at)


def _window(rule: OutcomeRule, call: ExchangeCall) -> timedelta:
    """Give how old an unknown request must be for the last word on it: its absence, or a person's."""
    seconds = rule.absence_proves_after_seconds or rule.lookup_grace_seconds
    # Found without a word of its worker, it may have been sent up to its last moment after that.
    late = SEND_WITHIN if call.duration_ms is None else timedelta(0)
    return timedelta(seconds=seconds) + late


def may_arrive_for(call: ExchangeCall, *, given_up_at: datetime) -> timedelta:
    """Give how long its venue may still accept a request that was under way at an instant; 0 or less: no more.

    Of a venue that this release knows no more, the longest of all counts.
    """
    venues = [call.venue] if call.venue in registry.VENUES else registry.VENUES
    rules = [RULES[call.operation](registry.ADAPTERS[venue]) for venue in venues]
    window = max(_window(rule, call) for rule in rules)
    return window - (database_now() - (call.noted_at or given_up_at))


def record(call: ExchangeCall, noted: Noted, *only: Q) -> None:
    """Write evidence of a call, of `only` such; needs no lease. An UNKNOWN that stays one keeps its time. What contradicts the journal is told.

    Of the instance only the outcome is brought up to date, and only if it was this evidence that decided.
    """

    def work() -> bool:
        cycle = lock_cycle(call.cycle_id)
        if noted.outcome == CallOutcome.UNKNOWN and call.outcome == CallOutcome.UNKNOWN:
            return False
        if not write_outcome(call, noted, *only):
            tell_if_contradicted(cycle, call, noted)
            return False
        if noted.outcome != CallOutcome.UNKNOWN:
            touch_if_dead(cycle)
        return True

    if in_transaction(work):
        call.outcome = noted.outcome


def _unknown_class(call: ExchangeCall) -> FailureClass:
    """Give the class of an outcome that only a person can settle."""
    if call.operation == Operation.WITHDRAW:
        return FailureClass.UNKNOWN_WITHDRAWAL
    return FailureClass.UNKNOWN_ORDER


@dataclass(slots=True)
class _Batch(Gathered):
    """The calls of one run of the sweep."""

    undecided: dict[UUID, tuple[FailureClass, str]] = field(default_factory=dict)  # by cycle

    def reconciled(self, call: ExchangeCall) -> bool:
        """Reconcile one call; says whether its outcome is known now."""
        progress = _asked(registry.venue(call.venue), call, self)
        if progress.turn is Turn.FAIL and progress.failure is _unknown_class(call):
            self.undecided[call.cycle_id] = progress.failure, progress.reason
        return _told(call, progress)

    def _as_read(self, calls: Sequence[int]) -> list[int]:
        """Give those whose cycles nobody has moved since: who caught up meanwhile may have found what is missed."""
        found = ExchangeCall.objects.filter(pk__in=calls).values_list("pk", "cycle__version")
        versions = dict(found)
        return [one.pk for one in self.calls if versions.get(one.pk) == one.cycle.version]


def reconcile_open_calls() -> ReconcileReport:
    """Ask about open calls that no worker holds, in turn: the sweep behind the roles' own claims.

    A batch, and for half a minute; the next run goes on behind its last. A call that cannot be asked about
    stops no other.
    """
    batch = rotating.batch(SWEEP, _whole(_not_held()), BATCH)
    if not batch:
        return _report(0, 0)
    calls = _begun(batch)
    read = _Batch(calls, database_now())
    try:
        tally = rotating.each_in_turn(SWEEP, calls, read.reconciled, up_to=batch[-1])
    finally:  # the next run goes on behind them
        read.mark_missed()
    return _report(tally.looked_at, tally.done)


def reconcile_all_open_calls() -> Iterator[Batch]:
    """Ask about each open call that no worker holds: a batch at each step, each call written by itself.

    At the end once more about those that their venue knows nothing of, when that may be its last word. It may
    end between any two, and begin anew: what is known by then is open no more.
    """
    yield from _in_batches(_not_held())
    missed = _not_held().filter(missed_at__isnull=False)
    if missed.exists():
        time.sleep(SECOND_LOOK.total_seconds())
        yield from _in_batches(missed)


def _in_batches(open_calls: QuerySet[ExchangeCall]) -> Iterator[Batch]:
    last = 0
    while batch := list(_whole(open_calls.filter(pk__gt=last)).order_by("pk")[:BATCH]):
        last = batch[-1].pk
        calls = _begun(batch)
        read = _Batch(calls, database_now())
        done = sum(rotating.acted(SWEEP, call, read.reconciled) for call in calls)
        read.mark_missed()
        yield Batch(report=_report(len(calls), done), undecided=read.undecided)


def _report(looked_at: int, resolved: int) -> ReconcileReport:
    return ReconcileReport(
        looked_at=looked_at, resolved=resolved, still_unknown=looked_at - resolved
    )


def _not_held() -> QuerySet[ExchangeCall]:
    """Choose the open calls of cycles that no worker has in hand."""
    return ExchangeCall.objects.filter(outcome__in=OPEN).exclude(cycle__lease_expires_at__gt=Now())


def _whole(calls: QuerySet[ExchangeCall]) -> QuerySet[ExchangeCall]:
    """Read with each call what it hangs on."""
    return calls.select_related("step", "cycle", "destination")


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
    noted = _whole(_not_held()).filter(noted_at__isnull=False)
    found = noted.in_bulk([call.pk for call in calls])
    return [found[call.pk] for call in calls if call.pk in found]


def reconcile_cycle(cycle_id: UUID) -> ReconcileReport:
    """Ask about the open call of one cycle, but for one that a worker may be sending now."""
    open_calls = ExchangeCall.objects.filter(cycle_id=cycle_id, outcome__in=OPEN)
    rows = _whole(
        open_calls.exclude(outcome=CallOutcome.INTENDED, cycle__lease_expires_at__gt=Now())
    )
    told = [_told(call, reconcile(call)) for call in rows]
    return _report(len(told), sum(told))


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
