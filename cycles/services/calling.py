"""Intend, call, note: the intent is committed before the request, the outcome after it.

The call itself stands outside any transaction. A worker that dies in between leaves INTENDED,
which the next worker reads as UNKNOWN and reconciles; nothing is ever sent from that state.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import DatabaseError, IntegrityError, InterfaceError
from django.db.models import Q
from django.db.models.functions import Now

from cycles.domain.progress import GO_ON, Progress, failed, unprocessed_for, waiting
from cycles.domain.words import CallOutcome, FailureClass, Operation, StepState
from cycles.errors import (
    DatabaseBusyError,
    HaltedError,
    LeaseLostError,
    NotFoundError,
    PolicyDeniedError,
)
from cycles.models import Alert, Cycle, ExchangeCall, Step
from cycles.services import desk, homing, stepping, witnessing
from cycles.services.alerting import raise_alert
from cycles.services.intents import Intent, row_of, unwritten
from cycles.services.locking import lock_cycle, persistently
from cycles.services.moving import Lease, touch_if_dead
from cycles.services.outage import UNREACHABLE, lend_connection
from cycles.services.stepping import Report, Settlement, report_columns
from cycles.services.tracing import span
from cycles.services.venue_health import demand_right_clock
from exchanges import registry
from exchanges.errors import (
    NotSentError,
    RefusalReason,
    RefusedError,
    ThrottledError,
    VenueError,
)
from exchanges.lasting import lasting

Settle = Callable[[Cycle, ExchangeCall], None]

# What a refusal means for the cycle; the retry table goes on from there.
FAILURE_BY_REFUSAL = {
    RefusalReason.FUNDS: FailureClass.REFUSED_FUNDS,
    RefusalReason.RULES: FailureClass.REFUSED_RULES,
    RefusalReason.MARKET_CLOSED: FailureClass.TRANSIENT,
    RefusalReason.WALLET_CLOSED: FailureClass.WALLET_CLOSED,
    RefusalReason.ADDRESS: FailureClass.POLICY_DENIED,
    RefusalReason.KEY: FailureClass.KEY_REJECTED,
    RefusalReason.CLOCK: FailureClass.TRANSIENT,  # not counted: see `unprocessed_for`
    RefusalReason.LIMIT: FailureClass.REFUSED_RULES,
    RefusalReason.TRAVEL_RULE: FailureClass.TRAVEL_RULE_HOLD,
    RefusalReason.OTHER: FailureClass.REFUSED_RULES,
}
THROTTLED = "throttled"
COSTS_TIME_ONLY = (THROTTLED, RefusalReason.CLOCK.value)
TURNED_AWAY_OFTEN = 10
DESTINATION_GUARDS = "withdrawal_"  # how the database's guards of a destination are named
HOME_GUARD = "call_intended_at_home"
FORGOTTEN = "this database does not know the request: a standby took over that lacked it"
# Shorter than any venue's window in which absence proves nothing.
SEND_WITHIN = timedelta(seconds=registry.SENT_WITHIN_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What one call ended in, ready to be written."""

    outcome: CallOutcome
    report: Report | None = None
    refusal: str = ""
    error: str = ""
    duration_ms: int | None = None  # None: nothing was sent, or nobody timed it
    wait_seconds: int | None = None  # set where the venue certainly did not process it


def send_before(call: ExchangeCall) -> datetime:
    """Give the instant after which an intended request is not sent any more, by the wall's clock.

    A worker that sleeps between intent and call may wake when its call has been judged absent, or
    when its lease is over.
    """
    return registry.utc_now() + (call.send_until - lasting())


def intend(lease: Lease, step: Step, intent: Intent) -> ExchangeCall:
    """Commit the intent of one request, under the lease and the desk's mode.

    Raises HaltedError when the desk is halted, LeaseLostError when another worker has the cycle,
    VenueClockError and KeptBackError while the venue is not to be called, PolicyDeniedError when the
    database does not vouch for a withdrawal's destination. A restored database halts the desk.
    """
    _demand_callable(step.venue, intent.operation)
    call = unwritten(lease, step, intent)
    began = lasting()
    try:
        told = stepping.intend(row_of(lease, call, intent))
    except UNREACHABLE:
        _disown(lease, intent.client_order_id)
        raise
    except IntegrityError as error:
        raise _refused_by_guard(error) from None
    if told.verdict == stepping.HALTED:
        raise _halted(told.detail)
    if told.verdict == stepping.LOST:
        raise LeaseLostError(f"the lease {lease.fence} has been taken over")
    step.attempt, step.state = call.attempt, StepState.RUNNING
    step.started_at, step.reference_price = told.started_at, told.reference_price
    call.pk = told.call_id
    call.send_until = min(began + (told.lease_left or timedelta()), lasting() + SEND_WITHIN)
    call.given_up = lease.given_up
    witnessing.intended(call.pk, call.client_order_id)
    del call.intended_at  # the database's; read from there if anyone asks
    return call


def _refused_by_guard(error: IntegrityError) -> Exception:
    """Turn the database's refusal of a destination, or away from home, into ours; others stay."""
    guard = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "") or ""
    if guard == HOME_GUARD:
        if not desk.halt_away_from_home():
            return DatabaseBusyError("the database had broken off, and takes requests again")
        return HaltedError(f"the desk is halted: {homing.AWAY}")
    if not guard.startswith(DESTINATION_GUARDS):
        return error
    return PolicyDeniedError(
        f"the database refuses the destination ({guard}): see the address book"
    )


def _demand_callable(venue: str, operation: Operation) -> None:
    """Make sure that a call could go now: an intent that cannot be sent would only be noted as such.

    A cancel is sent whatever the clocks say.
    """
    if operation != Operation.CANCEL_ORDER:
        demand_right_clock(venue)
    registry.demand_open(venue, operation.value.lower())


def _disown(lease: Lease, client_order_id: str) -> None:
    """Note that an intent was never sent, if it was committed before the database went away.

    Only this process knows; without its word a person would have to find out.
    """
    intent = ExchangeCall.objects.filter(client_order_id=client_order_id, fence=lease.fence)
    error = "the database went away before it was sent"
    persistently(
        lambda: intent.filter(outcome__in=[CallOutcome.INTENDED, CallOutcome.UNKNOWN]).update(
            outcome=CallOutcome.NOT_SENT, error=error, noted_at=Now()
        )
    )


def _halted(reason: str) -> HaltedError:
    return HaltedError(f"the desk is halted: {reason or 'no reason given'}")


def called(call: ExchangeCall, send: Callable[[], Report | None]) -> Noted:
    """Send one request, once, and classify what came back; never raises a venue's error.

    A worker that slept past its lease sends nothing: another may have found the intent already. That is asked
    again when the first byte is about to leave, as connecting takes its time.
    """
    with span(
        f"call.{call.operation.lower()}",
        cycle_id=call.cycle_id,
        venue=call.venue,
        client_order_id=call.client_order_id,
    ):
        lend_connection()
        objection = _objection(call)
        if objection:
            return Noted(outcome=CallOutcome.NOT_SENT, error=objection)
        with registry.sending_unless(partial(_objection, call)):
            return _classified(send)


def _objection(call: ExchangeCall) -> str:
    """Say why a call is not sent any more; nothing while the lease that its intent was written under stands.

    By the time left then: an older lease is nobody else's before that has passed, whatever clocks say. Or before
    its worker has given it up. Nor is it sent long after its intent, whatever time the lease has left.
    """
    if call.given_up is not None and call.given_up.is_set():
        return "its worker had to stop, and handed the cycle back before it was sent"
    if lasting() < call.send_until:
        return ""
    return "the lease ran out before it was sent, or the time to send it after its intent"


def _classified(send: Callable[[], Report | None]) -> Noted:
    """Send, and say what came of it."""
    began = time.monotonic()

    def noted(outcome: CallOutcome, **facts: Any) -> Noted:
        elapsed = int((time.monotonic() - began) * 1000)
        return Noted(outcome=outcome, duration_ms=elapsed, **facts)

    try:
        return noted(CallOutcome.DONE, report=send())
    except VenueError as error:
        return noted(**_told(error))


def _told(error: VenueError) -> dict[str, Any]:
    """Give what a venue's error says of a call: unknown, unless it is certain that nothing happened."""
    told = {"outcome": CallOutcome.UNKNOWN, "error": str(error)}
    wait = unprocessed_for(error)
    if isinstance(error, RefusedError):
        told["refusal"] = error.reason.value
        # A duplicate says that this very id is known there: the order exists, look it up.
        if error.reason is not RefusalReason.DUPLICATE:
            told["outcome"] = CallOutcome.REFUSED
    elif isinstance(error, ThrottledError):
        told["refusal"] = THROTTLED
    if wait is not None or isinstance(error, NotSentError):
        told["outcome"] = CallOutcome.NOT_SENT
    return {**told, "wait_seconds": wait}


def write_outcome(call: ExchangeCall, noted: Noted, *only: Q) -> bool:
    """Write what became of a call, of `only` such; needs no lease.

    False when it was final already, is another lease's, or not in this journal: a standby that lacked the
    intent took over, and may have given its number away.
    """
    changes: dict[str, Any] = {
        "outcome": noted.outcome,
        "refusal_reason": noted.refusal,
        "error": noted.error,
        "noted_at": Now(),
    }
    if noted.duration_ms is not None:
        changes["duration_ms"] = noted.duration_ms
    if noted.report is not None:
        changes |= report_columns(noted.report)
    open_call = ExchangeCall.objects.filter(
        *only,
        pk=call.pk,
        client_order_id=call.client_order_id,
        fence=call.fence,
        outcome__in=[CallOutcome.INTENDED, CallOutcome.UNKNOWN],
    )
    return bool(open_call.update(**changes))


def book(lease: Lease, call: ExchangeCall, noted: Noted, settlement: Settlement) -> bool:
    """Commit an accepted call's outcome with all that it brought about, by one statement.

    False, and nothing is written, when the lease, the cycle or the call is not as it was seen, or the
    database cannot say: `note` goes about it more slowly.
    """
    whole = replace(
        settlement,
        owner=lease.owner,
        fence=lease.fence,
        is_noted=True,
        duration_ms=noted.duration_ms,
    )
    lease.last_seen.glimpse = None
    try:
        settled = stepping.settle_together(whole)
    except (DatabaseError, InterfaceError, DatabaseBusyError):
        return False
    call.is_settled = bool(settled.version)
    lease.last_seen.glimpse = settled.seen
    return call.is_settled


def note(lease: Lease, call: ExchangeCall, noted: Noted, settle: Settle | None = None) -> None:
    """Commit an outcome and, while the lease holds, what follows from it, in one transaction.

    The outcome is written even when the lease is lost (facts are never fenced); then
    LeaseLostError says that the rest is another worker's. So it is when the ledger cannot take what
    follows (UncoveredError), or the database or our own code refuses it: the call stays unsettled.
    LeaseLostError also where a standby has taken over that knows nothing of the call: it is found when
    the desk catches up.
    """

    try:
        is_ours = persistently(lambda: _note(lease, call, noted, settle))
    except (LeaseLostError, *UNREACHABLE, DatabaseBusyError):
        raise
    except Exception:  # whatever followed from it: what the venue has told stands nowhere else
        persistently(lambda: write_outcome(call, noted))
        raise
    if not is_ours:
        raise LeaseLostError("the lease was lost while the venue answered; the outcome is noted")


def _note(lease: Lease, call: ExchangeCall, noted: Noted, settle: Settle | None) -> bool:
    """Write an outcome, and what follows from it if the lease holds; says whether it does."""
    cycle = _locked_if_known(lease.cycle_id)
    if write_outcome(call, noted):
        touch_if_dead(cycle)
    else:
        tell_if_contradicted(cycle, call, noted)
    if noted.wait_seconds is not None:
        _tell_if_kept_waiting(cycle, call)
    if (cycle.fence, cycle.lease_owner) != (lease.fence, lease.owner):
        return _was_handed_back(lease, cycle, call)
    step = call.step
    call.refresh_from_db()
    call.step = step  # what it names does not change; its totals are written by expressions
    if settle is not None and noted.outcome == CallOutcome.DONE:
        settle(cycle, call)
    return True


def _was_handed_back(lease: Lease, cycle: Cycle, call: ExchangeCall) -> bool:
    """Say whether the call's settlement did that, although its reply was lost: nobody has taken the cycle since."""
    if cycle.fence != lease.fence or cycle.lease_owner:
        return False
    return ExchangeCall.objects.filter(pk=call.pk, fence=lease.fence, is_settled=True).exists()


def _tell_if_kept_waiting(cycle: Cycle, call: ExchangeCall) -> None:
    """Tell people when a step is turned away again and again: it costs no retry, so nobody else would."""
    turned_away = ExchangeCall.objects.filter(
        step_id=call.step_id, outcome=CallOutcome.NOT_SENT, refusal_reason__in=COSTS_TIME_ONLY
    )
    if turned_away.count() < TURNED_AWAY_OFTEN:
        return
    raise_alert(
        key=f"turned-away:{call.step_id}",
        severity=Alert.Severity.WARNING,
        title=f"{cycle.code}: {call.venue} turns its {call.operation} away again and again",
        body="It is tried again without end: nothing was processed. Does anything else use the account?",
        cycle=cycle,
    )


def _locked_if_known(cycle_id: UUID) -> Cycle:
    """Lock a cycle; raise LeaseLostError if it was opened after all that this database knows."""
    try:
        return lock_cycle(cycle_id)
    except NotFoundError:
        raise LeaseLostError(FORGOTTEN) from None


def tell_if_contradicted(cycle: Cycle, call: ExchangeCall, noted: Noted) -> None:
    """Tell people that a venue accepted what the journal holds for never accepted: it is final.

    Raises LeaseLostError when the journal knows nothing of it.
    """
    known = ExchangeCall.objects.filter(client_order_id=call.client_order_id)
    stands = known.values_list("outcome", flat=True).first()
    if stands is None:
        raise LeaseLostError(FORGOTTEN)
    if noted.outcome != CallOutcome.DONE or stands == CallOutcome.DONE:
        return
    raise_alert(
        key=f"contradicted:{call.client_order_id}",
        severity=Alert.Severity.CRITICAL,
        title=f"{cycle.code}: {call.venue} accepted {call.client_order_id} after all",
        body=f"The journal says {stands}. Look at the venue before anything else is done.",
        cycle=cycle,
    )


def after(noted: Noted, call: ExchangeCall, what: str) -> Progress:
    """Say how a cycle goes on after a call."""
    if noted.outcome in {CallOutcome.DONE, CallOutcome.UNKNOWN}:
        return GO_ON
    if noted.wait_seconds is not None:
        return waiting(timedelta(seconds=noted.wait_seconds), f"{what}: {noted.error}")
    if noted.outcome == CallOutcome.NOT_SENT:
        return failed(FailureClass.TRANSIENT, f"{what} was not sent: {noted.error}")
    failure = FAILURE_BY_REFUSAL[RefusalReason(noted.refusal)]
    return failed(
        failure,
        f"{what} was refused: {noted.error}",
        refusal=noted.refusal,
        venue=call.venue,
        operation=call.operation,
        asset=call.step.asset,
        network=call.step.network,
    )
