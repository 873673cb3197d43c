"""The whole desk's past since a backup, cycle by cycle: requests by their ids first, then those that bear none."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet

from cycles.domain.shown import plain
from cycles.domain.states import FINAL
from cycles.domain.words import FailureClass, Operation, StepKind
from cycles.errors import CycleError
from cycles.models import Cycle, ExchangeCall, Step
from cycles.services import recovering, remaking, replanning, replaying, settling, verifying
from cycles.services.intervening import Actor
from cycles.services.locking import lock_cycle
from cycles.services.recalling import History, Trace
from cycles.services.replanning import MisfitError
from cycles.services.sighting import txid_key
from cycles.services.transferring import live_withdrawal
from cycles.services.verifying import VenueLine
from exchanges.errors import StaleReferenceError
from exchanges.values import DepositReport, DepositStatus, WithdrawalReport, WithdrawalStatus

LONGEST_WAY = timedelta(days=7)  # from a withdrawal to its credit
Candidate = tuple[Cycle, Step]  # a cycle and the withdrawal that it would send next


@dataclass(slots=True, kw_only=True)
class Retraced:
    """What was written, and what was not: `left` in words, `to_park` by cycle with why."""

    found: list[replaying.Found] = field(default_factory=list)
    remade: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    to_park: dict[UUID, tuple[FailureClass, str]] = field(default_factory=dict)
    differences: list[VenueLine] = field(default_factory=list)

    def misfit(self, cycle: Cycle, failure: FailureClass, reason: str) -> None:
        """Leave a cycle to a person."""
        self.left.append(f"{cycle.code}: {reason}")
        self.to_park[cycle.pk] = failure, reason


def retrace(history: History, *, actor: str) -> Retraced:
    """Write all that fits into journal and ledger, then compare; in the caller's transaction."""
    done = Retraced(left=list(history.gaps))
    _fence_off()
    traces: dict[UUID, list[Trace]] = defaultdict(list)
    for trace in history.named():
        if trace.name is not None:
            traces[trace.name.cycle_id].append(trace)
    known = set(Cycle.objects.filter(pk__in=list(traces)).values_list("pk", flat=True))
    # Those that are known come first: what they bring back is what later ones began with.
    for cycle_id in sorted(traces, key=lambda one: (one not in known, one)):
        _retrace_cycle(cycle_id, traces[cycle_id], history, done, actor)
    _match_unnamed(history, done, actor)
    done.differences = list(_differences(history))
    _tell_strangers(history, done)
    return done


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
    """Write a cycle's requests in their order, up to the first that does not fit."""
    if not Cycle.objects.filter(pk=cycle_id).exists() and not _is_remade(
        cycle_id, traces, done, actor
    ):
        return
    cycle = lock_cycle(cycle_id)
    for trace in sorted(traces, key=lambda one: (one.name is None, one.name)):
        try:
            found = replaying.place(cycle, trace, history, actor=actor)
        except MisfitError as error:
            failure = FailureClass.UNKNOWN_ORDER
            if isinstance(trace.report, WithdrawalReport):
                failure = FailureClass.UNKNOWN_WITHDRAWAL
            done.misfit(cycle, failure, str(error))
            return
        if found is not None:
            done.found.append(found)


def _is_remade(cycle_id: UUID, traces: Sequence[Trace], done: Retraced, actor: str) -> bool:
    """Write a cycle that the backup does not know; one that moved nothing is left out."""
    if not remaking.has_spent(traces):
        return False
    try:
        with transaction.atomic():
            cycle = remaking.remade(cycle_id, traces, actor=actor)
    except (CycleError, IntegrityError, StaleReferenceError) as error:
        told = next(iter(str(error).splitlines()), "")
        done.left.append(f"a cycle opened after the backup ({traces[0].own_id}): {told}")
        return False
    done.remade.append(cycle.code)
    done.to_park[cycle_id] = FailureClass.POLICY_DENIED, remaking.REASON
    return True


def _match_unnamed(history: History, done: Retraced, actor: str) -> None:
    """Give withdrawals without an id of ours to the cycles that would have sent exactly those."""
    pairs = [
        (candidate, replaying.likely(*candidate, history))
        for candidate in candidates(exclude=_misfits(done))
    ]
    claims = Counter(row.venue_withdrawal_id for _, rows in pairs for row in rows)
    for (cycle, step), rows in pairs:
        stand = [row for row in rows if row.status is not WithdrawalStatus.FAILED]
        if not stand:
            continue  # none, or all of it came back: nothing is missing
        try:
            if any(claims[row.venue_withdrawal_id] > 1 for row in stand):
                raise MisfitError(f"a withdrawal at {step.venue} may be another cycle's as well")
            done.found.append(_adopted(cycle, step, replaying.only(stand, step), actor))
        except (CycleError, IntegrityError, StaleReferenceError) as error:
            done.misfit(lock_cycle(cycle.pk), FailureClass.UNKNOWN_WITHDRAWAL, str(error))


def _misfits(done: Retraced) -> set[UUID]:
    """Give the cycles in which something did not fit: nothing more is concluded of those."""
    told = {cycle_id: why for cycle_id, (_, why) in done.to_park.items()}
    return {cycle_id for cycle_id, why in told.items() if why != remaking.REASON}


def _adopted(cycle: Cycle, step: Step, row: WithdrawalReport, actor: str) -> replaying.Found:
    """Write a withdrawal as a cycle's own; the purchase before it had ended."""
    with transaction.atomic():
        locked = lock_cycle(cycle.pk)
        replanning.resume(locked, actor=actor)
        for earlier in replaying.unfinished(locked):
            if earlier.position < step.position:
                settling.finish_step(locked, earlier)
        return replaying.adopt(locked, step, row)


def candidates(*, exclude: Iterable[UUID] = ()) -> list[Candidate]:
    """Give the cycles that would send a withdrawal next, by what is known of them."""
    running = Cycle.objects.exclude(status__in=sorted(FINAL)).exclude(pk__in=list(exclude))
    found = ((cycle, _next_withdrawal(cycle)) for cycle in running.order_by("pk"))
    return [
        (cycle, step)
        for cycle, step in found
        if step is not None and not recovering.open_calls(cycle)
    ]


def _next_withdrawal(cycle: Cycle) -> Step | None:
    """Give the withdrawal that a cycle would send next, after its purchase if that has begun."""
    rest = replaying.unfinished(cycle)[:2]
    if rest and rest[0].kind == StepKind.BUY and rest[0].quantity_out:
        rest = rest[1:]
    if not rest or rest[0].kind != StepKind.WITHDRAW or live_withdrawal(rest[0]) is not None:
        return None
    return rest[0]


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
    for cycle, step in candidates(exclude=done.to_park):
        if (step.venue, step.asset) == (row.venue, row.asset):
            done.misfit(cycle, FailureClass.UNKNOWN_WITHDRAWAL, f"{told}, or it is this one's")


def _counts(deposit: DepositReport) -> bool:
    return deposit.status is DepositStatus.CREDITED


def _credited_txids(history: History) -> set[str]:
    """Give the transactions that the journal's withdrawals went by."""
    sent: QuerySet[ExchangeCall] = ExchangeCall.objects.filter(
        operation=Operation.WITHDRAW, intended_at__gte=history.since - LONGEST_WAY
    )
    return {txid_key(told) for told in sent.values_list("report__txid", flat=True) if told}
