"""What is left to a person: transfers of no cycle's sending, and withdrawals that came back after they had left."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q, QuerySet

from cycles.domain.money import ZERO
from cycles.domain.shown import plain
from cycles.domain.states import FINAL
from cycles.domain.words import FailureClass, Operation
from cycles.models import Cycle, ExchangeCall, Step
from cycles.services import booking, nameless, recovering, remaking, replaying
from cycles.services.recalling import History
from cycles.services.retraced import Retraced
from cycles.services.sighting import txid_key
from exchanges.values import DepositReport, DepositStatus, WithdrawalReport

LONGEST_WAY = timedelta(days=7)  # from a withdrawal to its credit


def tell_strangers(history: History, done: Retraced) -> None:
    """Say which transfers are nobody's, where the ledger differs; who might resend one waits for a person."""
    differing = {(line.venue, line.asset) for line in done.differences}
    left = [
        row
        for venue in history.balances
        for row in history.unnamed_withdrawals(venue)
        if (venue, row.asset) in differing and row.venue_withdrawal_id not in done.awaited
    ]
    for row in replaying.unknown(left):
        _stop_whoever_may_resend(row, done)
    credited = _credited_txids(history, done)
    for deposit in history.deposits:
        is_stranger = txid_key(deposit.txid) not in credited
        if (deposit.venue, deposit.asset) in differing and is_stranger and _counts(deposit):
            done.left.append(
                f"{deposit.venue}: a deposit of {plain(deposit.quantity)} {deposit.asset} is of no cycle's sending"
            )


def _stop_whoever_may_resend(row: WithdrawalReport, done: Retraced) -> None:
    """Leave to a person who may have sent a withdrawal; who was redriven when that had been told has not."""
    told = f"a withdrawal of {plain(row.quantity)} {row.asset} is of no cycle's sending"
    done.left.append(f"{row.venue}: {told}")
    reason = f"{told}, or it is this one's"
    suspected = done.suspected[row.venue, row.asset]
    for cycle, step in nameless.candidates(exclude=done.misfits - suspected.keys()):
        is_there = (step.venue, step.asset) == (row.venue, row.asset)
        if not is_there or not _can_have_sent(cycle, step, row):
            continue
        if not remaking.redriven([cycle], told=f"{cycle.code}: {reason}"):
            done.misfit(cycle, FailureClass.UNKNOWN_WITHDRAWAL, reason)
            took = row.quantity + row.network_fee
            suspected[cycle.pk] = suspected.get(cycle.pk, ZERO) + took


def _can_have_sent(cycle: Cycle, step: Step, row: WithdrawalReport) -> bool:
    """Say whether a cycle has, or may have got, as much as a withdrawal took: a person may have sent a part."""
    held = booking.held_by_cycle(cycle, step.venue, step.asset)
    is_enough = held >= row.quantity + row.network_fee
    return is_enough or recovering.first_loose_call(cycle) is not None


def leave_late_ones(done: Retraced) -> None:
    """Leave to a person what came back after it had left, unless it was sent anew since: it may arrive after all."""
    told = "a withdrawal came back after it had left: see that it does not arrive after all, then redrive"
    free = {cycle.pk for cycle, _ in nameless.candidates()} if done.late else set()
    for cycle_id in sorted(free & done.late):
        _, earlier = done.to_park.get(cycle_id, (None, ""))
        reason = f"{earlier}; {told}" if earlier else told
        done.to_park[cycle_id] = FailureClass.UNKNOWN_WITHDRAWAL, reason


def _counts(deposit: DepositReport) -> bool:
    return deposit.status is DepositStatus.CREDITED


def _credited_txids(history: History, done: Retraced) -> set[str]:
    """Give the transactions that the journal's withdrawals went by, also as is shown now, and those of cycles that lack their capital."""
    begins = history.since - LONGEST_WAY
    # Of those that had not ended before: there is no index of calls by their instant.
    concerned = Cycle.objects.filter(~Q(status__in=sorted(FINAL)) | Q(ended_at__gte=begins))
    sent: QuerySet[ExchangeCall] = ExchangeCall.objects.filter(
        cycle__in=list(concerned.values_list("pk", flat=True)),
        operation=Operation.WITHDRAW, intended_at__gte=begins,
    )  # fmt: skip
    ids = done.awaited.union(sent.values_list("venue_order_id", flat=True))
    shown = [
        one.report.txid
        for one in history.traces
        if isinstance(one.report, WithdrawalReport) and one.venue_id in ids
    ]
    txids = [*sent.values_list("report__txid", flat=True), *shown]
    return {txid_key(told) for told in txids if told}
