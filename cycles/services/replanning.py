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
from cycles.services.moving import move, touch
from cycles.services.rebalancing import write_steps
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
        _plan_return(cycle, trace.venue, report, actor)
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


def _plan_return(cycle: Cycle, venue: str, report: OrderReport, actor: str) -> None:
    """Write the way back, and move there."""
    if venue != cycle.korea_venue or cycle.status not in ON_THE_WAY:
        raise MisfitError(f"a purchase that a cycle in {cycle.status} does not make")
    for status in ON_THE_WAY[ON_THE_WAY.index(CycleStatus(cycle.status)) + 1 :]:
        move(cycle, status, event=EVENT, actor=actor, wake_at=Now())
    asset = report.market.base
    route = reference.transfer_route(asset, cycle.korea_venue, cycle.global_venue)
    steps = plan.return_steps(
        asset,
        global_venue=cycle.global_venue,
        korea_venue=cycle.korea_venue,
        network=route.network,
    )
    write_steps(cycle, steps)
    move(
        cycle,
        CycleStatus.REBALANCING_IN_PROGRESS,
        event=EVENT,
        actor=actor,
        reason=f"by {asset}",
        return_asset=asset,
        wake_at=Now(),
    )
