"""The whole desk's past since a backup, cycle by cycle: requests by their ids first, then those that bear none."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from cycles.domain.money import ZERO
from cycles.domain.shown import plain
from cycles.domain.states import FINAL
from cycles.domain.words import (
    FailureClass,
    Operation,
)
from cycles.errors import CycleError
from cycles.models import Cycle, ExchangeCall, Step
from cycles.models.fields import public_code
from cycles.services import (
    booking,
    concluding,
    following_up,
    nameless,
    remaking,
    replanning,
    replaying,
    settling,
    verifying,
)
from cycles.services.intervening import Actor
from cycles.services.locking import lock_cycle, locked
from cycles.services.recalling import History, Trace
from cycles.services.remaking import CapitalLacksError
from cycles.services.replanning import MisfitError
from cycles.services.sighting import txid_key
from cycles.services.verifying import VenueLine
from exchanges.errors import StaleReferenceError
from exchanges.values import DepositReport, DepositStatus, WithdrawalReport, WithdrawalStatus

LONGEST_WAY = timedelta(days=7)  # from a withdrawal to its credit


@dataclass(slots=True, kw_only=True)
class Retraced:
    """What was written, and what was not: `left` in words, `to_park` by cycle with why.

    `remade`: codes of cycles that the backup does not know; `ended`: of those that came home since; `lacking`:
    by cycle which capital is not there; `concerned`: cycles with news of their withdrawals; `late`:
    those whose coins came back after they had left; `passed_over`: codes of those that somebody was at.
    """

    found: list[replaying.Found] = field(default_factory=list)
    remade: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    lacking: dict[UUID, CapitalLacksError] = field(default_factory=dict)
    concerned: set[UUID] = field(default_factory=set)
    late: set[UUID] = field(default_factory=set)
    left: list[str] = field(default_factory=list)
    to_park: dict[UUID, tuple[FailureClass, str]] = field(default_factory=dict)
    differences: list[VenueLine] = field(default_factory=list)
    is_preview: bool = False
    busy: set[UUID] = field(default_factory=set)

    @property
    def passed_over(self) -> list[str]:
        """Give the codes of the cycles that somebody was at."""
        return [public_code(cycle_id) for cycle_id in sorted(self.busy)]

    def hold(self, cycle_id: UUID) -> Cycle | None:
        """Lock a cycle; a preview passes over one that a worker holds or somebody has locked, once and for all."""
        if not self.is_preview:
            return lock_cycle(cycle_id)
        free = Cycle.objects.filter(pk=cycle_id).exclude(lease_expires_at__gt=Now())
        cycle = None if cycle_id in self.busy else locked(free, skip=True).first()
        if cycle is None:
            self.busy.add(cycle_id)
        return cycle

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Keep what a block locks, but in a preview only where something was written."""
        before = len(self.found), len(self.ended)
        with transaction.atomic():
            yield
            if self.is_preview and before == (len(self.found), len(self.ended)):
                transaction.set_rollback(True)

    def misfit(self, cycle: Cycle, failure: FailureClass, reason: str) -> None:
        """Leave a cycle to a person."""
        self.left.append(f"{cycle.code}: {reason}")
        self.to_park[cycle.pk] = failure, reason


def retrace(history: History, *, actor: str, accepts: bool = False) -> Retraced:
    """Write all that fits into journal and ledger, in the caller's transaction; then it is to be compared.

    Who finds no capital waits until others have come home; `accepts`: what nobody brings home came in from
    outside, by a person's word.
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
    traces = _by_cycle(history)
    done.concerned = following_up.concerned(history)
    waiting, is_brought_in = _in_order(traces, done.concerned), False
    while True:
        ended = len(done.ended)
        done.lacking.clear()
        for cycle_id in waiting:
            if _is_there(cycle_id, traces[cycle_id], done, actor, is_brought_in=is_brought_in):
                _retrace_cycle(cycle_id, traces[cycle_id], history, done, actor)
        _match_unnamed(history, done, actor)
        waiting = list(done.lacking)
        if not waiting or (len(done.ended) == ended and is_brought_in == accepts):
            break
        is_brought_in = accepts and len(done.ended) == ended
    return done


def compare(history: History, done: Retraced, *, actor: str) -> None:
    """Compare the ledger with what the venues say, and leave to a person what does not fit."""
    done.left += [f"{public_code(pk)}: {error}" for pk, error in done.lacking.items()]
    _leave_who_holds_it(history, done, actor)
    done.differences = list(_differences(history))
    _tell_strangers(history, done)
    _leave_late_ones(done)


def _by_cycle(history: History) -> dict[UUID, list[Trace]]:
    """Give what bears an id of ours by the cycle that it names."""
    traces: dict[UUID, list[Trace]] = defaultdict(list)
    for trace in history.named():
        if trace.name is not None:
            traces[trace.name.cycle_id].append(trace)
    return traces


def _in_order(traces: Mapping[UUID, Sequence[Trace]], concerned: set[UUID]) -> list[UUID]:
    """Give the cycles to look at in the order in which they were opened: a cycle's id begins with its instant.

    Those that are known come first: what they bring back is what later ones began with.
    """
    known = concerned.union(Cycle.objects.filter(pk__in=list(traces)).values_list("pk", flat=True))
    at_work = Cycle.objects.exclude(status__in=sorted(FINAL | replanning.PARKED))
    known |= set(at_work.values_list("pk", flat=True))
    return [*sorted(known), *sorted(traces.keys() - known)]


def park(done: Retraced, actor: Actor) -> list[str]:
    """Make dead letters of the cycles that a person must see to; gives their codes."""
    codes = []
    for cycle_id, (failure, reason) in done.to_park.items():
        cycle = lock_cycle(cycle_id)
        if cycle.status not in FINAL:
            remaking.park(cycle, failure, reason, actor)
            codes.append(cycle.code)
    return codes


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
            done.misfit(cycle, failure, str(error))
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
            cycle = remaking.remade(cycle_id, traces, actor=actor, is_brought_in=is_brought_in)
    except CapitalLacksError as error:
        done.lacking[cycle_id] = error
        return False
    except (CycleError, IntegrityError, StaleReferenceError) as error:
        told = f"opened after the backup, it cannot be made again: {replanning.told(error)}"
        done.left.append(f"{public_code(cycle_id)}: {told}")
        return False
    done.remade.append(cycle.code)
    done.to_park[cycle_id] = FailureClass.POLICY_DENIED, remaking.REASON
    return True


def _match_unnamed(history: History, done: Retraced, actor: str) -> None:
    """Give withdrawals without an id of ours to the cycles that would have sent exactly those."""
    pairs = [
        (candidate, replaying.likely(*candidate, history))
        for candidate in nameless.candidates(exclude=_misfits(done) | done.busy)
    ]
    claims = Counter(row.venue_withdrawal_id for _, rows in pairs for row in rows)
    for (cycle, step), rows in pairs:
        stand = [row for row in rows if row.status is not WithdrawalStatus.FAILED]
        if not stand:
            continue  # none, or all of it came back: nothing is missing
        if done.hold(cycle.pk) is None:
            continue
        try:
            if any(claims[row.venue_withdrawal_id] > 1 for row in stand):
                raise MisfitError(f"a withdrawal at {step.venue} may be another cycle's as well")
            done.found.append(_adopted(cycle, step, replaying.only(stand, step), actor))
            _end(lock_cycle(cycle.pk), history, done, actor)
        except (CycleError, IntegrityError, StaleReferenceError) as error:
            told = replanning.told(error)
            done.misfit(lock_cycle(cycle.pk), FailureClass.UNKNOWN_WITHDRAWAL, told)


def _misfits(done: Retraced) -> set[UUID]:
    """Give the cycles in which something did not fit: nothing more is concluded of those."""
    told = {cycle_id: why for cycle_id, (_, why) in done.to_park.items()}
    return {cycle_id for cycle_id, why in told.items() if why != remaking.REASON}


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
        seen_to = done.late.union(done.to_park)
        for cycle, told in remaking.who_may_have_ended(venue, asset, missing, seen_to):
            done.misfit(cycle, FailureClass.POLICY_DENIED, told)


def _short_all_the_same(
    history: History, done: Retraced, actor: str
) -> dict[tuple[str, str], Decimal]:
    """Give what venues would lack of what cycles hold if what lacks had been paid in: somebody has ended. Writes nothing."""
    traces = _by_cycle(history)
    tried = Retraced(is_preview=True, busy=set(done.busy), to_park=dict(done.to_park))
    with transaction.atomic():
        for cycle_id in done.lacking:
            if _is_there(cycle_id, traces[cycle_id], tried, actor, is_brought_in=True):
                _retrace_cycle(cycle_id, traces[cycle_id], history, tried, actor)
        _match_unnamed(history, tried, actor)
        short = {
            (line.venue, line.asset): -line.difference
            - booking.desk_balance(line.venue, line.asset)
            for line in _differences(history)
        }
        transaction.set_rollback(True)
    return short


def _differences(history: History) -> Iterator[VenueLine]:
    """Give where the ledger does not say what the venue does, and nothing under way explains it."""
    for venue, held in history.balances.items():
        yield from (line for line in verifying.venue_lines(venue, held) if not line.is_explained)


def _tell_strangers(history: History, done: Retraced) -> None:
    """Say which transfers are nobody's, where the ledger differs; who might resend one waits for a person."""
    differing = {(line.venue, line.asset) for line in done.differences}
    for venue in history.balances:
        for row in history.unnamed_withdrawals(venue):
            if (venue, row.asset) in differing and not replaying.is_known(row):
                _stop_whoever_may_resend(row, done)
    credited = _credited_txids(history)
    for deposit in history.deposits:
        is_stranger = txid_key(deposit.txid) not in credited
        if (deposit.venue, deposit.asset) in differing and is_stranger and _counts(deposit):
            done.left.append(
                f"{deposit.venue}: a deposit of {plain(deposit.quantity)} {deposit.asset} is of no cycle's sending"
            )


def _stop_whoever_may_resend(row: WithdrawalReport, done: Retraced) -> None:
    told = f"a withdrawal of {plain(row.quantity)} {row.asset} is of no cycle's sending"
    done.left.append(f"{row.venue}: {told}")
    for cycle, step in nameless.candidates(exclude=done.to_park):
        if (step.venue, step.asset) == (row.venue, row.asset):
            done.misfit(cycle, FailureClass.UNKNOWN_WITHDRAWAL, f"{told}, or it is this one's")


def _leave_late_ones(done: Retraced) -> None:
    """Leave to a person what came back after it had left, unless it was sent anew since: it may arrive after all."""
    told = "a withdrawal came back after it had left: see that it does not arrive after all, then redrive"
    free = {cycle.pk for cycle, _ in nameless.candidates()} if done.late else set()
    for cycle_id in sorted(free & done.late):
        _, earlier = done.to_park.get(cycle_id, (None, ""))
        reason = f"{earlier}; {told}" if earlier else told
        done.to_park[cycle_id] = FailureClass.UNKNOWN_WITHDRAWAL, reason


def _counts(deposit: DepositReport) -> bool:
    return deposit.status is DepositStatus.CREDITED


def _credited_txids(history: History) -> set[str]:
    """Give the transactions that the journal's withdrawals went by."""
    sent: QuerySet[ExchangeCall] = ExchangeCall.objects.filter(
        operation=Operation.WITHDRAW, intended_at__gte=history.since - LONGEST_WAY
    )
    return {txid_key(told) for told in sent.values_list("report__txid", flat=True) if told}
