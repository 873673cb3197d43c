"""What venues show since of withdrawals that the journal has: settled where they were not, undone where they came back.

Korean ones bear no id of ours, so that no trace leads to them. A step that seems to stand on one that came back
hides the one that was sent in its place, and that would be sent once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from cycles.domain.states import FINAL
from cycles.domain.words import CallOutcome, Operation, StepState
from cycles.errors import CycleError
from cycles.models import Cycle, ExchangeCall, Step
from cycles.services import replanning, replaying
from cycles.services.recalling import History, Trace
from cycles.services.replanning import MisfitError
from cycles.services.replaying import Found
from cycles.services.settling import settle_returned
from cycles.services.transferring import live_withdrawal
from exchanges.errors import StaleReferenceError
from exchanges.values import WithdrawalReport, WithdrawalStatus

UNDONE = "undone: it came back"
UNDONE_LATE = "undone: it came back after it had left"
News = tuple[ExchangeCall, WithdrawalReport]


def concerned(history: History) -> set[UUID]:
    """Give the cycles of whose withdrawals something is shown that the journal does not say."""
    calls = _calls(history).exclude(cycle__status__in=sorted(FINAL))
    return {call.cycle_id for call, _ in _news(calls, history)}


def follow_up(cycle: Cycle, history: History) -> list[Found]:
    """Write that of one cycle, whose lock the caller holds.

    Raises MisfitError when it does not fit; then nothing of it is written.
    """
    calls = _calls(history).filter(cycle=cycle)
    try:
        with transaction.atomic():
            return [_written(cycle, call, row) for call, row in _news(calls, history)]
    except (CycleError, IntegrityError, StaleReferenceError) as error:
        cycle.refresh_from_db()
        raise MisfitError(f"a withdrawal of its own: {replanning.told(error)}") from error


def _calls(history: History) -> QuerySet[ExchangeCall]:
    """Choose the accepted withdrawals that are not settled, or that a venue shows as failed."""
    failed = [
        one.venue_id
        for one in history.traces
        if isinstance(one.report, WithdrawalReport) and _is_back(one.report)
    ]
    accepted = ExchangeCall.objects.filter(operation=Operation.WITHDRAW, outcome=CallOutcome.DONE)
    chosen = accepted.filter(Q(is_settled=False) | Q(venue_order_id__in=failed))
    return chosen.select_related("step").order_by("pk")


def _news(calls: QuerySet[ExchangeCall], history: History) -> Iterator[News]:
    for call in calls:
        row = history.withdrawal(call.venue, call.venue_order_id)
        if row is not None and (not call.is_settled or (_is_back(row) and _stands(call))):
            yield call, row


def _is_back(row: WithdrawalReport) -> bool:
    return row.status is WithdrawalStatus.FAILED


def _stands(call: ExchangeCall) -> bool:
    """Say whether its step stands on it by the journal, and nothing of it was credited."""
    if live_withdrawal(call.step) != call:
        return False
    arrival = Step.objects.filter(cycle_id=call.cycle_id, position=call.step.position + 1)
    return not arrival.filter(state__in=replanning.DONE_WITH).exists()


def _written(cycle: Cycle, call: ExchangeCall, row: WithdrawalReport) -> Found:
    """Settle what was not, else undo it: as a worker does that sees it."""
    if not call.is_settled:
        return replaying.settled(cycle, call, Trace(venue=call.venue, report=row, name=None))
    is_late = call.step.state == StepState.DONE
    settle_returned(cycle, call, row)
    Step.objects.filter(pk=call.step_id).update(state=StepState.RUNNING, settled_at=None)
    return Found(
        venue=call.venue,
        cycle=cycle.code,
        own_id=call.client_order_id,
        what=f"{row.quantity:f} {row.asset} to {call.step.to_venue}",
        did=UNDONE_LATE if is_late else UNDONE,
    )
