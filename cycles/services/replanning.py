"""The plan of a cycle as requests that were forgotten prove it: revived, on its way home, unwinding."""

from __future__ import annotations

import structlog
from django.db import IntegrityError
from django.db.models.functions import Now

from cycles.domain import plan
from cycles.domain.plan import StepPlan
from cycles.domain.words import CycleStatus, Passage, Plan, StepKind, StepState
from cycles.errors import CycleError
from cycles.models import Cycle, Step
from cycles.services import recovering
from cycles.services.moving import move, touch
from cycles.services.rebalancing import last_asked, write_steps
from cycles.services.recalling import Trace
from exchanges import reference
from exchanges.values import OrderReport, Side

log = structlog.get_logger(__name__)

EVENT = "caught_up"
PARKED = {CycleStatus.RETRY_PENDING, CycleStatus.DEAD_LETTER}
ON_THE_WAY = (
    CycleStatus.STARTED,
    CycleStatus.INITIAL_TRADE_COMPLETED,
    CycleStatus.AWAITING_REBALANCE,
)
DONE_WITH = (StepState.DONE, StepState.ABANDONED)
FEWEST = (
    3  # numbers that a way home takes which carried anything: in a smaller gap nothing was done
)


class MisfitError(CycleError):
    """What a venue shows fits nowhere in the cycle that it names: a person decides."""

    code = "misfit"


def told(error: Exception) -> str:
    """Say in a person's words why something could not be written; a database's own are for the log."""
    if not isinstance(error, IntegrityError):
        return next(iter(str(error).splitlines()), "")
    log.warning("caught_up.refused", error=str(error))
    if "account_not_overdrawn" in str(error):
        return "it gives more than the ledger has there: what brought it there is not shown"
    return "the database refuses it (the log says which of its rules): it contradicts what stands there"


def resume(cycle: Cycle, *, actor: str) -> None:
    """Take a cycle that waited for a retry, or for a person, back to work: it went on after the backup."""
    if cycle.status == CycleStatus.DEAD_LETTER:
        move(
            cycle,
            CycleStatus.RETRY_PENDING,
            event=EVENT,
            actor=actor,
            retry_count=0,
            next_retry_at=Now(),
            wake_at=Now(),
        )
    if cycle.status == CycleStatus.RETRY_PENDING:
        target = CycleStatus(cycle.resume_status)
        move(cycle, target, event=EVENT, actor=actor, next_retry_at=None, last_retry_at=Now())


def is_sale(trace: Trace) -> bool:
    """Say whether a request sells something."""
    return isinstance(trace.report, OrderReport) and trace.report.side is Side.SELL


def is_of(step: Step, trace: Trace) -> bool:
    """Say whether a request is what a step that has not ended would have sent."""
    report = trace.report
    if step.state in DONE_WITH:
        return False
    if isinstance(report, OrderReport):
        kind = {Side.BUY: StepKind.BUY, Side.SELL: StepKind.SELL}[report.side]
        told = (trace.venue, kind.value, report.market.base, report.market.quote)
        return told == (step.venue, step.kind, step.asset, step.quote)
    sends = (trace.venue, StepKind.WITHDRAW.value, report.asset)
    return sends == (step.venue, step.kind, step.asset)


def standing_for(cycle: Cycle, trace: Trace) -> Step | None:
    """Give the step that bears a request's number; None where it is planned, or written over, for that first.

    Each way home begins by a purchase in Korea, and may have taken the numbers of one that had asked for nothing.
    """
    assert trace.name is not None  # noqa: S101  whoever calls has its step's position
    step = Step.objects.filter(cycle=cycle, position=trace.name.position).first()
    begins = _is_purchase(trace) and trace.venue == cycle.korea_venue
    return None if step is not None and begins and not is_of(step, trace) else step


def _is_purchase(trace: Trace) -> bool:
    return isinstance(trace.report, OrderReport) and trace.report.side is Side.BUY


def give_up_what_bought_nothing(cycle: Cycle) -> None:
    """Give up a way home that has bought nothing, as judging did before another one was taken."""
    steps = Step.objects.filter(cycle=cycle, passage=Passage.RETURN).exclude(state__in=DONE_WITH)
    first = steps.order_by("position").first()
    if first is not None and first.kind == StepKind.BUY and not first.quantity_out:
        steps.update(state=StepState.ABANDONED)


def planned(cycle: Cycle, trace: Trace, *, actor: str) -> Step:
    """Write the steps that a request proves, and give its own.

    Beyond what is planned a purchase in Korea begins the way back, and a sale unwinds.
    """
    report = trace.report
    assert trace.name is not None  # noqa: S101  whoever calls has its step's position
    if not isinstance(report, OrderReport):
        raise MisfitError("a withdrawal of a step that is not planned")
    if report.side is Side.SELL:
        _plan_sale(cycle, trace.venue, report)
    else:
        _plan_return(cycle, trace, report.market.base, actor)
    step = Step.objects.filter(cycle=cycle, position=trace.name.position).first()
    if step is None:
        raise MisfitError(f"what lies before step {trace.name.position} is not shown")
    return step


def _plan_sale(cycle: Cycle, venue: str, report: OrderReport) -> None:
    """Write a sale that unwinds."""
    sale = StepPlan(
        passage=Passage.UNWIND,
        kind=StepKind.SELL,
        venue=venue,
        asset=report.market.base,
        quote=report.market.quote,
    )
    Step.objects.filter(cycle=cycle, state__in=[StepState.PENDING, StepState.RUNNING]).exclude(
        passage=Passage.UNWIND
    ).update(state=StepState.ABANDONED)
    write_steps(cycle, [sale])
    touch(cycle, plan=Plan.UNWIND)


def _plan_return(cycle: Cycle, trace: Trace, asset: str, actor: str) -> None:
    """Write the way back with the number that its purchase bears, and move there."""
    after = _free_before(cycle, trace)
    _await(cycle, actor)
    route = reference.transfer_route(asset, cycle.korea_venue, cycle.global_venue)
    steps = plan.return_steps(
        asset,
        global_venue=cycle.global_venue,
        korea_venue=cycle.korea_venue,
        network=route.network,
    )
    write_steps(cycle, steps, after=after)
    move(
        cycle,
        CycleStatus.REBALANCING_IN_PROGRESS,
        event=EVENT,
        actor=actor,
        reason=f"by {asset}",
        return_asset=asset,
        wake_at=Now(),
    )


def _free_before(cycle: Cycle, trace: Trace) -> int:
    """Give the number that a way home was written after; raise MisfitError where it is not shown to be free.

    A purchase that no venue took leaves no trace, and its number is not used again: of those there may be a few.
    """
    assert trace.name is not None  # noqa: S101  whoever calls has its step's position
    position, kept = trace.name.position, last_asked(cycle)
    if position <= kept or recovering.first_loose_call(cycle) is not None:
        raise MisfitError(
            f"step {position} is another one's, or what was asked before has not ended"
        )
    if position > kept + FEWEST:
        raise MisfitError(f"what lies before step {position} is not shown")
    return position - 1


def _await(cycle: Cycle, actor: str) -> None:
    """Let a cycle wait for a way back; what it was on before has been given up, carried home or sold back."""
    is_back = cycle.status == CycleStatus.REBALANCING_IN_PROGRESS
    out = Step.objects.filter(cycle=cycle, passage=Passage.OUTBOUND, state=StepState.ABANDONED)
    if not (is_back or cycle.status in ON_THE_WAY) or out.exists():
        raise MisfitError(f"a purchase that a cycle in {cycle.status} does not make")
    if is_back:
        rest = {"plan": Plan.RESUME, "return_asset": ""}
        move(cycle, CycleStatus.AWAITING_REBALANCE, event=EVENT, actor=actor, wake_at=Now(), **rest)
        return
    for status in ON_THE_WAY[ON_THE_WAY.index(CycleStatus(cycle.status)) + 1 :]:
        move(cycle, status, event=EVENT, actor=actor, wake_at=Now())
