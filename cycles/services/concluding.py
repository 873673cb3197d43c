"""A cycle that the venues show to have come home ends, so that what it gave back is there for those after it.

It ends only where all is shown: each step done, nothing worth an order left. Of a cycle whose end is not
whole nothing is concluded: the workers, or a person, look for themselves.
"""

from __future__ import annotations

from decimal import Decimal

import structlog
from django.db import IntegrityError, transaction

from cycles.domain.money import floored
from cycles.domain.states import FINAL
from cycles.domain.words import CycleStatus, Passage, Plan, StepKind, StepState
from cycles.errors import CycleError
from cycles.models import Cycle, Step
from cycles.services import (
    booking,
    closing,
    rebalancing,
    recovering,
    replanning,
    replaying,
    unwinding,
)
from cycles.services.moving import move
from cycles.services.recalling import History
from cycles.services.replanning import MisfitError
from cycles.services.settling import finish_step
from cycles.services.transferring import live_withdrawal
from exchanges import reference
from exchanges.errors import StaleReferenceError
from exchanges.values import Market

log = structlog.get_logger(__name__)

REASON = "the venues show that it came home"


def is_ended(cycle: Cycle, history: History, *, actor: str) -> bool:
    """End a cycle if the venues show that nothing of it is left to do; else leave it as it was."""
    if cycle.status in FINAL or cycle.status in replanning.PARKED:
        return False
    if recovering.first_loose_call(cycle) is not None:
        return False
    try:
        with transaction.atomic():
            for step in replaying.unfinished(cycle):
                _conclude(cycle, step, history)
            _close(cycle, actor)
    except (CycleError, IntegrityError, StaleReferenceError) as error:
        log.debug("caught_up.not_ended", code=cycle.code, reason=replanning.told(error))
        cycle.refresh_from_db()
        return False
    return True


def _conclude(cycle: Cycle, step: Step, history: History) -> None:
    """End a step that has done all it can; raise MisfitError when that is not shown."""
    is_shown = {
        StepKind.BUY.value: False,  # what it bought would have gone on
        StepKind.WITHDRAW.value: live_withdrawal(step) is not None,
        StepKind.DEPOSIT.value: True,  # its credit is looked for below
        StepKind.SELL.value: _is_sold_out(cycle, step),
    }
    if not is_shown[step.kind]:
        raise MisfitError(f"step {step.position} is not shown to have ended")
    if step.kind == StepKind.SELL:
        finish_step(cycle, step)
    else:
        replaying.conclude(cycle, step, history)


def _is_sold_out(cycle: Cycle, step: Step) -> bool:
    """Say whether what is left to sell is too little for another order, at the price it sold for."""
    if not step.quantity_out:
        return False
    left = booking.held_by_cycle(cycle, step.venue, step.asset)
    known = reference.rulebook().markets.get((step.venue, Market(step.asset, step.quote).code))
    if known is None:
        return not left
    rules = known.rules()
    price: Decimal = step.quantity_out / step.quantity_in
    return floored(left, rules.quantity_step) * price < rules.minimum_notional


def _close(cycle: Cycle, actor: str) -> None:
    """Close the books of a cycle whose steps are done; raise MisfitError if it is not at its end."""
    if closing.not_dust(cycle):
        raise MisfitError("it owns what cannot be handed over")
    target = CycleStatus.COMPLETED
    on_the_way_back = cycle.status == CycleStatus.REBALANCING_IN_PROGRESS
    if cycle.plan == Plan.UNWIND and not _has_come_home(cycle):
        if unwinding.waits_in_korea(cycle):
            raise MisfitError("it waits in Korea for another way back")
        target = CycleStatus.FAILED
    elif on_the_way_back:
        if rebalancing.rest_to_carry(cycle):
            raise MisfitError("what is left in Korea waits for another way back")
        move(cycle, CycleStatus.REBALANCE_TRADE_COMPLETED, event=replanning.EVENT, actor=actor)
    elif cycle.status != CycleStatus.REBALANCE_TRADE_COMPLETED:
        raise MisfitError(f"{cycle.status} is no end")
    held = closing.close(cycle, target, event=replanning.EVENT, actor=actor, reason=REASON)
    rebalancing.tell_rest(cycle, held)


def _has_come_home(cycle: Cycle) -> bool:
    """Say whether its way home was gone to its end: then an unwind only sold what that had left behind."""
    if cycle.status != CycleStatus.REBALANCING_IN_PROGRESS:
        return cycle.status == CycleStatus.REBALANCE_TRADE_COMPLETED
    last = Step.objects.filter(cycle=cycle, passage=Passage.RETURN).order_by("position").last()
    return last is not None and (last.kind, last.state) == (StepKind.SELL, StepState.DONE)
