"""Whose a withdrawal may be that bears no id of ours: the cycles that would send one next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from uuid import UUID

from cycles.domain.states import FINAL
from cycles.domain.words import CallOutcome, Operation, StepKind
from cycles.models import Cycle, ExchangeCall, Step
from cycles.services import replanning
from cycles.services.matching import OPEN
from exchanges.values import WithdrawalStatus

Candidate = tuple[Cycle, Step]  # a cycle and the withdrawal that it would send next


def candidates(*, exclude: Iterable[UUID] = ()) -> list[Candidate]:
    """Give the cycles that would send a withdrawal next, by what is known of them: four reads for all."""
    running = Cycle.objects.exclude(status__in=sorted(FINAL)).exclude(pk__in=list(exclude))
    cycles = list(running.order_by("pk"))
    rest: dict[UUID, list[Step]] = defaultdict(list)
    steps = Step.objects.filter(cycle__in=cycles).exclude(state__in=replanning.DONE_WITH)
    for one in steps.order_by("cycle_id", "position"):
        rest[one.cycle_id].append(one)
    nexts = {cycle_id: _next_withdrawal(unfinished) for cycle_id, unfinished in rest.items()}
    found = [(cycle, step) for cycle in cycles if (step := nexts.get(cycle.pk)) is not None]
    sent = _with_a_live_withdrawal([step for _, step in found])
    is_open = ExchangeCall.objects.filter(outcome__in=OPEN, cycle__in=cycles)
    busy = set(is_open.values_list("cycle_id", flat=True))
    return [(cycle, step) for cycle, step in found if step.pk not in sent and cycle.pk not in busy]


def _next_withdrawal(unfinished: Sequence[Step]) -> Step | None:
    """Give the withdrawal that a cycle comes to next, after its purchase if that has begun."""
    rest = unfinished[:2]
    if rest and rest[0].kind == StepKind.BUY and rest[0].quantity_out:
        rest = rest[1:]
    return rest[0] if rest and rest[0].kind == StepKind.WITHDRAW else None


def _with_a_live_withdrawal(steps: Sequence[Step]) -> set[int]:
    """Give those of steps that stand on an accepted withdrawal, as `live_withdrawal` does of one."""
    accepted = ExchangeCall.objects.filter(
        step__in=steps, operation=Operation.WITHDRAW, outcome=CallOutcome.DONE
    )
    newest = dict(accepted.order_by("attempt").values_list("step_id", "report__status"))
    return {step for step, status in newest.items() if status != WithdrawalStatus.FAILED.value}
