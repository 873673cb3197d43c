"""The whole desk's past since a backup, cycle by cycle: requests by their ids first, then those that bear none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F

from cycles.domain.money import ZERO
from cycles.domain.states import FINAL
from cycles.domain.words import FailureClass, Operation
from cycles.errors import CycleError
from cycles.models import Cycle, ExchangeCall, Step
from cycles.models.fields import public_code
from cycles.services import (
    accepting,
    alike,
    asking,
    concluding,
    following_up,
    nameless,
    paid_in,
    remaking,
    replanning,
    replaying,
    settling,
    strangers,
    verifying,
)
from cycles.services.intervening import Actor
from cycles.services.locking import lock_cycle
from cycles.services.nameless import Candidate
from cycles.services.recalling import History, Trace
from cycles.services.remaking import CapitalLacksError, NotEndedError
from cycles.services.replanning import MisfitError
from cycles.services.retraced import Retraced, differences
from exchanges.errors import StaleReferenceError
from exchanges.values import OrderReport, WithdrawalReport

Seen = TypeVar("Seen")
HAS_NOT_ENDED = (
    "a later request of its own has not ended either, and nothing is accepted before it has: run catch_up again in two "
    "minutes; an order that rests is cancelled at its venue"
)


def retrace(history: History, *, actor: str, accepts: bool = False) -> Retraced:
    """Write all that fits into journal and ledger, in the caller's transaction; then it is to be compared.

    Who finds no capital waits until others have come home; `accepts`: what nobody brings home came in from
    outside, by a person's word, unless a request has not ended.
    """
    _fence_off()
    done = Retraced(left=list(history.gaps))
    return _retraced(history, done, actor=actor, accepts=accepts)


def preview(history: History) -> Retraced:
    """Do the same for a transaction that is rolled back, beside workers at work: it waits for no cycle.

    A cycle of which nothing is to be written is locked for a moment only.
    """
    done = Retraced(left=list(history.gaps), is_preview=True)
    _retraced(history, done, actor="preview", accepts=False)
    compare(history, done, actor="preview")
    return done


def _retraced(history: History, done: Retraced, *, actor: str, accepts: bool) -> Retraced:
    traces = history.by_cycle()
    done.concerned = following_up.concerned(history)
    waiting, is_brought_in = _in_order(traces, done.concerned), False

    def look_again(cycle_id: UUID) -> None:
        _retrace_cycle(cycle_id, traces[cycle_id], history, done, actor)

    while True:
        ended = len(done.ended)
        done.lacking.clear()
        for cycle_id in waiting:
            if _is_there(cycle_id, traces[cycle_id], done, actor, is_brought_in=is_brought_in):
                _retrace_cycle(cycle_id, traces[cycle_id], history, done, actor)
        while accepts and paid_in.bring_in(history, done, look_again):
            pass
        _match_unnamed(history, done, actor)
        waiting, is_stuck = list(done.lacking), len(done.ended) == ended
        if not waiting or (is_stuck and not (accepts and _may_come_in(history, done, actor))):
            break
        is_brought_in = is_stuck
    return done


def _may_come_in(history: History, done: Retraced, actor: str) -> bool:
    """Say whether what lacks may be booked as come in, else why not: a request has not ended, or the venue has not got it."""

    places = {(e.lacking.venue, e.lacking.asset) for e in done.lacking.values()}
    if objections := accepting.objections_at(history, places, done.misfits):
        done.left += objections
        return False

    def look(tried: Retraced) -> tuple[list[str], list[str]]:
        open_ones = [cycle.code for cycle in verifying.cycles_in_flight()]
        _match_unnamed(history, tried, actor)
        return open_ones, tried.never_came(
            done.lacking, asking.short_of_others(history, tried, done.lacking)
        )

    open_ones, never_came = _tried(history, done, actor, look)
    open_ones += [public_code(cycle_id) for cycle_id in sorted(done.not_ended)]
    if open_ones:
        done.left.append(
            f"nothing was accepted: requests of {', '.join(open_ones)} have not ended, and may be why capital lacks. Run it "
            "again once they have; an order that rests at its venue, of a cycle that is not made again yet, is cancelled there"
        )
    elif never_came:
        done.left.append(
            f"nothing was accepted: {', '.join(never_came)} that cycles hold there, so not all of them have it any more. Of the "
            "dead letters that hold it resolve who was settled by hand, or ended, redrive the others, and run catch_up again"
        )
    return not (open_ones or never_came)


def compare(history: History, done: Retraced, *, actor: str, accepts: bool = False) -> None:
    """Compare the ledger with what the venues say, and leave to a person what does not fit; `accepts`: as above."""
    done.left += [f"{public_code(pk)}: {error}" for pk, error in done.lacking.items()]
    _leave_who_holds_it(history, done, actor)
    done.differences = list(differences(history))
    strangers.tell_strangers(history, done)
    asking.leave_who_holds_too_much(history, done, accepts=accepts)
    done.unexplained = done.misfits
    if accepts:
        accepting.leave_suspended(done)
    strangers.leave_late_ones(done)


def _in_order(traces: Mapping[UUID, Sequence[Trace]], concerned: set[UUID]) -> list[UUID]:
    """Give the cycles to look at in the order in which they were opened: a cycle's id begins with its instant.

    Those that are known come first: what they bring back is what later ones began with.
    """
    known = concerned.union(Cycle.objects.filter(pk__in=list(traces)).values_list("pk", flat=True))
    at_work = Cycle.objects.exclude(status__in=sorted(FINAL | replanning.PARKED))
    known |= set(at_work.values_list("pk", flat=True))
    return [*sorted(known), *sorted(traces.keys() - known)]


def park(done: Retraced, actor: Actor) -> list[str]:
    """Make dead letters of the cycles that a person must see to; gives their codes.

    What venues knew nothing of before may be what was found now.
    """
    cycles = [lock_cycle(cycle_id) for cycle_id in done.to_park]
    left = [cycle for cycle in cycles if cycle.status not in FINAL]
    missed = ExchangeCall.objects.filter(cycle__in=left, missed_at__isnull=False)
    missed.update(missed_at=None)
    for cycle in left:
        remaking.park(cycle, *done.to_park[cycle.pk], actor)
    return [cycle.code for cycle in left]


def _fence_off() -> None:
    """Let no worker of before decide anything any more, by a lease that is forgotten here neither."""
    running = Cycle.objects.exclude(status__in=sorted(FINAL))
    running.update(fence=F("fence") + remaking.CLAIMS, lease_owner="", lease_expires_at=None)


def _retrace_cycle(
    cycle_id: UUID, traces: Sequence[Trace], history: History, done: Retraced, actor: str
) -> None:
    """Write a cycle's requests in their order, up to the first that does not fit; it ends if it came home."""
    with done.keeping():
        cycle = done.hold(cycle_id)
        if cycle is None or not _is_followed_up(cycle, history, done):
            return
        if _is_written(cycle, traces, history, done, actor):
            _end(cycle, history, done, actor)


def _is_followed_up(cycle: Cycle, history: History, done: Retraced) -> bool:
    """Write what became of the withdrawals that the journal has; false where that does not fit."""
    if cycle.pk not in done.concerned:
        return True
    try:
        found = following_up.follow_up(cycle, history)
    except MisfitError as error:
        done.misfit(cycle, FailureClass.UNKNOWN_WITHDRAWAL, str(error))
        return False
    if any(one.did == following_up.UNDONE_LATE for one in found):
        done.late.add(cycle.pk)
    done.found += found
    return True


def _is_written(
    cycle: Cycle, traces: Sequence[Trace], history: History, done: Retraced, actor: str
) -> bool:
    """Write a cycle's requests; false where one does not fit."""
    for trace in sorted(traces, key=lambda one: (one.name is None, one.name)):
        try:
            found = replaying.place(cycle, trace, history, actor=actor)
        except MisfitError as error:
            failure = FailureClass.UNKNOWN_ORDER
            if isinstance(trace.report, WithdrawalReport):
                failure = FailureClass.UNKNOWN_WITHDRAWAL
            done.misfit(cycle, failure, f"{error}{paid_in.noted(cycle, trace, error, done)}")
            return False
        if found is not None:
            done.found.append(found)
    return True


def _end(cycle: Cycle, history: History, done: Retraced, actor: str) -> None:
    """End a cycle that came home: its capital is there for those after it, and nobody need see to it."""
    if concluding.is_ended(cycle, history, actor=actor):
        done.ended.append(cycle.code)
        done.to_park.pop(cycle.pk, None)


def _is_there(
    cycle_id: UUID, traces: Sequence[Trace], done: Retraced, actor: str, *, is_brought_in: bool
) -> bool:
    """Say whether a cycle is known; else make it again. One that moved nothing is left out."""
    if Cycle.objects.filter(pk=cycle_id).exists():
        return True
    if not remaking.has_spent(traces):
        return False
    try:
        with transaction.atomic():
            cycle, came_in = remaking.remade(
                cycle_id, traces, actor=actor, is_brought_in=is_brought_in
            )
    except CapitalLacksError as error:
        done.lacking[cycle_id] = error
        return False
    except NotEndedError as error:
        done.not_ended.add(cycle_id)
        done.left.append(f"{public_code(cycle_id)}: {error}")
        return False
    except (CycleError, IntegrityError, StaleReferenceError) as error:
        done.untold.add(cycle_id)
        told = f"opened after the backup, it cannot be made again: {replanning.told(error)}"
        done.left.append(f"{public_code(cycle_id)}: {told}")
        return False
    done.remade.append(cycle.code)
    done.brought_in += came_in
    done.to_park[cycle_id] = FailureClass.POLICY_DENIED, remaking.REASON
    return True


def _match_unnamed(history: History, done: Retraced, actor: str) -> None:
    """Give withdrawals without an id of ours to the cycles that would have sent exactly those.

    Those that may be of a cycle which is not there yet wait until it is.
    """
    theirs, perhaps = alike.by_word(history)
    awaited = _sendable_by_not_ended(history, done)
    if done.lacking:
        awaited |= _claimed_by_lacking(history, done, actor)
    done.awaited = awaited | theirs
    shut = done.misfits | done.busy
    for candidate, stand, is_alike in alike.claims(history, theirs, perhaps):
        if candidate[0].pk not in shut and not stand.keys() & awaited:
            _match(candidate, stand, history, done, actor, is_alike=is_alike)


def _match(
    candidate: Candidate,
    stand: Mapping[str, WithdrawalReport],
    history: History,
    done: Retraced,
    actor: str,
    *,
    is_alike: bool,
) -> None:
    """Give a cycle the only withdrawal that it would have sent; `is_alike`: there are others, or another could have sent that."""
    cycle, step = candidate
    if done.hold(cycle.pk) is None:
        return
    try:
        if is_alike:
            raise MisfitError(alike.told(step.venue, stand))
        (row,) = stand.values()
        done.found.append(_adopted(cycle, step, row, actor))
        _end(lock_cycle(cycle.pk), history, done, actor)
    except (CycleError, IntegrityError, StaleReferenceError) as error:
        told = replanning.told(error)
        done.misfit(lock_cycle(cycle.pk), FailureClass.UNKNOWN_WITHDRAWAL, told)


def _sendable_by_not_ended(history: History, done: Retraced) -> set[str]:
    """Give the withdrawals of what cycles have bought that are not made again before an order of theirs has ended."""
    traces = history.by_cycle()
    reports = [(one.venue, one.report) for pk in done.not_ended for one in traces[pk]]
    bought = {
        (venue, report.market.base)
        for venue, report in reports
        if isinstance(report, OrderReport) and report.executed_quantity > 0
    }
    sendable = [
        row
        for venue, asset in bought
        for row in history.unnamed_withdrawals(venue)
        if row.asset == asset
    ]
    return {row.venue_withdrawal_id for row in replaying.unknown(sendable)}


def _claimed_by_lacking(history: History, done: Retraced, actor: str) -> set[str]:
    """Give the withdrawals that are, or may be, of cycles which lack their capital, by their venue's ids."""

    def claimed(tried: Retraced) -> set[str]:
        theirs = [one for one in nameless.candidates() if one[0].pk in done.lacking]
        rows = {
            row.venue_withdrawal_id for one in theirs for row in replaying.likely(*one, history)
        }
        sent = ExchangeCall.objects.filter(
            cycle__in=list(done.lacking), operation=Operation.WITHDRAW
        )
        return rows.union(sent.values_list("venue_order_id", flat=True))

    return _tried(history, done, actor, claimed)


def _adopted(cycle: Cycle, step: Step, row: WithdrawalReport, actor: str) -> replaying.Found:
    """Write a withdrawal as a cycle's own; the purchase before it had ended."""
    with transaction.atomic():
        cycle = lock_cycle(cycle.pk)
        replanning.resume(cycle, actor=actor)
        for earlier in replaying.unfinished(cycle):
            if earlier.position < step.position:
                settling.finish_step(cycle, earlier)
        return replaying.adopt(cycle, step, row)


def _leave_who_holds_it(history: History, done: Retraced, actor: str) -> None:
    """Leave to a person who may have ended since the backup, and holds what later ones began with.

    While the desk is out of step nobody judges it, and only a dead letter can be resolved.
    """
    short = _short_all_the_same(history, done, actor) if done.lacking else {}
    for venue, asset in sorted({(e.lacking.venue, e.lacking.asset) for e in done.lacking.values()}):
        missing = short.get((venue, asset), ZERO)
        for cycle, told in asking.may_have_ended(venue, asset, missing, done, asks_all_quiet=True):
            done.misfit(cycle, FailureClass.POLICY_DENIED, told)


def _short_all_the_same(
    history: History, done: Retraced, actor: str
) -> dict[tuple[str, str], Decimal]:
    """Give what venues would lack of what cycles hold if what lacks had been paid in: somebody has ended.

    Says which requests of theirs have not ended. Nothing is known of that while a request has not ended: what it holds there lacks as well.
    """

    before = verifying.in_flight()

    def short(tried: Retraced) -> dict[tuple[str, str], Decimal]:
        done.unsettled = verifying.in_flight() - before
        theirs = [one.code for one in verifying.cycles_in_flight() if one.pk in done.lacking]
        done.left += [f"{code}: {HAS_NOT_ENDED}" for code in theirs]
        _match_unnamed(history, tried, actor)
        if verifying.in_flight() or tried.not_ended:
            return {}
        return asking.short_of_others(history, tried, done.lacking)

    return _tried(history, done, actor, short)


def _tried(history: History, done: Retraced, actor: str, look: Callable[[Retraced], Seen]) -> Seen:
    """Give what is seen if what lacks had been paid in. Writes nothing."""
    traces = history.by_cycle()
    tried = Retraced(
        is_preview=True,
        busy=set(done.busy),
        to_park=dict(done.to_park),
        not_ended=set(done.not_ended),
    )
    with transaction.atomic():
        for cycle_id in done.lacking:
            if _is_there(cycle_id, traces[cycle_id], tried, actor, is_brought_in=True):
                _retrace_cycle(cycle_id, traces[cycle_id], history, tried, actor)
        seen = look(tried)
        transaction.set_rollback(True)
    return seen
