"""Driving: one claimed cycle is carried as far as it goes now, unit by unit, then handed back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import structlog
from django.db.models.functions import Now

from cycles import metrics
from cycles.domain.progress import END, GO_ON, Progress, Turn, failed, not_asked, waiting
from cycles.domain.shown import plain
from cycles.domain.words import (
    AccountOwner,
    CycleKind,
    CycleStatus,
    FailureClass,
    Operation,
    Plan,
    StepKind,
    StepState,
)
from cycles.errors import (
    CycleError,
    DatabaseBusyError,
    HaltedError,
    LeaseLostError,
    StaleDataError,
    UncoveredError,
    VenueClockError,
)
from cycles.models import Cycle, ExchangeCall, Step
from cycles.services import (
    closing,
    judging,
    leasing,
    notices,
    reacting,
    rebalancing,
    recovering,
    retrying,
    standing,
    unwinding,
)
from cycles.services.correlating import bound
from cycles.services.crew import Crowd
from cycles.services.locking import in_transaction
from cycles.services.matching import OPEN
from cycles.services.moving import Lease, lock_for_decision, move
from cycles.services.reconciling import reconcile
from cycles.services.standing import Standing
from cycles.services.tracing import span
from cycles.services.trading import adopt, settle_open_order, trade
from cycles.services.transferring import deposit, settle_accepted, withdraw
from exchanges.errors import ModeError, StaleReferenceError, UnconfirmedError, VenueError

log = structlog.get_logger(__name__)

UNITS_A_CLAIM = 60  # then another cycle has its turn
DELAYS: dict[type[CycleError], timedelta] = {  # what passes by itself, or by a person's hand
    HaltedError: timedelta(seconds=5),
    DatabaseBusyError: timedelta(seconds=1),
    VenueClockError: timedelta(seconds=5),
}
NOW = timedelta(0)
CROWD = 8  # threads of a process
BREATH = timedelta(seconds=1)

PASSAGES = (CycleStatus.STARTED, CycleStatus.REBALANCING_IN_PROGRESS)

Handler = Callable[[Lease, Cycle], Progress]
finding_out = Crowd()


def advance(lease: Lease, *, may_go_on: Callable[[], bool] = lambda: True) -> timedelta | None:
    """Drive a leased cycle until it waits, fails, ends or `may_go_on` says stop; then hand it back.

    Gives when it is due again, if it is known. A lease that was lost ends the work at once: another worker
    has the cycle.
    """
    with bound(cycle_id=str(lease.cycle_id)), span("cycle.advance", cycle_id=lease.cycle_id):
        try:
            last = _drive(lease, may_go_on)
        except LeaseLostError as error:
            log.warning("lease.lost", fence=lease.fence, error=str(error))
            return None
        wake_in = last.wait if last.turn is Turn.WAIT else None  # None: as it stands
        # What ended or failed has given its lease up with that: a look for it would come twice, the second patient.
        if last.turn is Turn.WAIT and not last.is_handed_back:
            leasing.release(lease, wake_in=wake_in)
        return wake_in


def _drive(lease: Lease, may_go_on: Callable[[], bool]) -> Progress:
    """Run units until one does not go on; what a failure means for the cycle is written."""
    for _ in range(UNITS_A_CLAIM):
        if not may_go_on():
            break
        progress = one_unit(lease, lease.last_seen.take())
        if progress.turn is Turn.FAIL:
            _fail(lease, progress)
        if progress.turn is Turn.WAIT:
            log.debug("cycle.waits", reason=progress.reason)
        if progress.turn is not Turn.GO_ON:
            return progress
    return waiting(NOW)


def _fail(lease: Lease, progress: Progress) -> None:
    """Write a failure, unless its unit has, and do what it calls for beyond the cycle."""
    if not progress.is_written:
        retrying.fail(
            lease,
            progress.failure,
            progress.reason,
            actor=lease.owner,
            context=progress.context,
        )
    reacting.react(progress)


def one_unit(lease: Lease, seen: Standing | None = None) -> Progress:
    """Do the next thing of a cycle, which stands as it was `seen` just now, or is read.

    Every foreseen error becomes a wait or a failure class.
    """
    seen = seen or standing.read(lease.cycle_id)
    try:
        return _next(lease, seen)
    except LeaseLostError:
        raise
    except (HaltedError, DatabaseBusyError, VenueClockError) as error:
        return waiting(DELAYS[type(error)], str(error))
    except VenueError as error:
        return not_asked(error.venue, error)
    except (StaleReferenceError, StaleDataError) as error:
        return failed(FailureClass.TRANSIENT, str(error))
    except UncoveredError as error:
        return failed(FailureClass.REFUSED_FUNDS, str(error))
    except (ModeError, UnconfirmedError, CycleError) as error:
        return failed(FailureClass.POLICY_DENIED, str(error), error=type(error).__name__)


def _next(lease: Lease, seen: Standing) -> Progress:
    """Choose the next unit: what is unknown first, then what is unsettled, then the status's own."""
    cycle = seen.cycle
    if cycle.status == CycleStatus.RETRY_PENDING:
        return _resume(lease, cycle)
    call = recovering.first_loose_call_together(cycle.pk) if seen.is_loose else None
    if call is not None:
        return _see_to(lease, seen, call)
    if cycle.plan == Plan.UNWIND:
        return unwinding.unwind(lease, cycle, run_step)
    if cycle.status in PASSAGES:
        return _run_passage(lease, cycle, seen.step)
    return HANDLERS[CycleStatus(cycle.status)](lease, cycle)


def _see_to(lease: Lease, seen: Standing, call: ExchangeCall) -> Progress:
    """Find out what became of a call, or settle what it did.

    One of a newer lease may be about to be sent: the window in which its absence proves nothing has not begun.
    """
    if call.fence > lease.fence:
        raise LeaseLostError(f"the lease {lease.fence} has been taken over")
    if call.outcome in OPEN:
        return _find_out(lease, seen, call)
    if call.operation == Operation.WITHDRAW:
        return settle_accepted(lease, call)
    return settle_open_order(lease, call)


def _find_out(lease: Lease, seen: Standing, call: ExchangeCall) -> Progress:
    """Reconcile a call. Where many do so at once, nothing new is begun before the others know theirs."""
    with finding_out:
        progress = reconcile(call, partial(adopt, lease, seen))
        if progress is GO_ON and call.is_settled and len(finding_out) > CROWD:
            return waiting(BREATH, "others find out first what became of their requests")
        return progress


def run_step(lease: Lease, cycle: Cycle, step: Step) -> Progress:
    """Run one unit of a step, under a span of its own; observes how long settled steps took."""
    handlers = {StepKind.WITHDRAW: withdraw, StepKind.DEPOSIT: deposit}
    handler = handlers.get(StepKind(step.kind), trade)
    with span("step." + step.kind.lower(), cycle_id=cycle.pk, venue=step.venue, asset=step.asset):
        progress = handler(lease, cycle, step)
    if progress is GO_ON and step.state == StepState.DONE and step.settled_at and step.started_at:
        elapsed = (step.settled_at - step.started_at).total_seconds()
        metrics.STEP_SECONDS.labels(kind=step.kind).observe(elapsed)
    return progress


def _resume(lease: Lease, cycle: Cycle) -> Progress:
    """Take a cycle whose retry is due back to the status it failed in."""
    _move(
        lease,
        CycleStatus(cycle.resume_status),
        event=rebalancing.RESUMED,
        next_retry_at=None,
        last_retry_at=Now(),
    )
    return GO_ON


def _run_passage(lease: Lease, cycle: Cycle, step: Step | None) -> Progress:
    """Run the passage's next step; after the last one move on."""
    if step is not None:
        return judging.second_thoughts(lease, cycle, step) or run_step(lease, cycle, step)
    if cycle.status == CycleStatus.STARTED:
        # Due now and without a lease: the next role takes it.
        _move(
            lease,
            CycleStatus.INITIAL_TRADE_COMPLETED,
            event="outbound_settled",
            hands_over=True,
            wake_at=leasing.due_now(),
            lease_owner="",
            lease_expires_at=None,
        )
        return END
    rest = rebalancing.rest_to_carry(cycle)
    if rest:  # a BUY that was filled in part only, and whose market ran away
        reason = f"{plain(rest)} KRW are left at {cycle.korea_venue}"
        _move(
            lease, CycleStatus.AWAITING_REBALANCE, event="rest_awaits_way_back", reason=reason,
            return_asset="",
        )  # fmt: skip
        return GO_ON
    _move(lease, CycleStatus.REBALANCE_TRADE_COMPLETED, event="return_settled")
    return GO_ON


def _await(lease: Lease, cycle: Cycle) -> Progress:
    """Begin to wait for a way back."""
    carried = cycle.kind == CycleKind.RETURN_ONLY
    reason = "KRW of the desk" if carried else f"KRW from {cycle.outbound_asset}"
    _move(lease, CycleStatus.AWAITING_REBALANCE, event="awaits_way_back", reason=reason)
    return GO_ON


def _close(lease: Lease, cycle: Cycle) -> Progress:
    """Close the books, unless something is left that is not dust: coins are sold, a person decides on the rest."""
    left = closing.not_dust(cycle)
    if left:
        is_missing = any(held.owner is not AccountOwner.CYCLE for held in left)
        if not is_missing and unwinding.tradable_coins(cycle):  # a network fee may have fallen
            unwinding.set_plan(lease, Plan.UNWIND)
            return GO_ON
        failure = FailureClass.CREDIT_MISMATCH if is_missing else FailureClass.BUG
        return failed(failure, f"the books cannot be closed while it owns {closing.told(left)}")

    def work() -> None:
        locked = lock_for_decision(lease)
        held = closing.close(locked, CycleStatus.COMPLETED, event="books_closed", actor=lease.owner)
        rebalancing.tell_rest(locked, held)

    in_transaction(work)
    log.info("cycle.completed", code=cycle.code)
    return END


def _move(
    lease: Lease,
    target: CycleStatus,
    *,
    event: str,
    reason: str = "",
    hands_over: bool = False,
    **changes: object,
) -> None:
    """Move a leased cycle in a transaction of its own; one that is handed over is due for another role."""

    def work() -> None:
        move(
            lock_for_decision(lease),
            target,
            event=event,
            actor=lease.owner,
            reason=reason,
            **changes,
        )
        if hands_over:
            notices.tell()

    in_transaction(work)


HANDLERS: dict[CycleStatus, Handler] = {
    CycleStatus.INITIAL_TRADE_COMPLETED: _await,
    CycleStatus.AWAITING_REBALANCE: rebalancing.rebalance,
    CycleStatus.REBALANCE_TRADE_COMPLETED: _close,
}
