"""What a sale of an unwind proves of the step before it: that it had ended, or that it was given up."""

from __future__ import annotations

from decimal import Decimal

from cycles.domain.money import ZERO
from cycles.domain.words import Passage, StepKind
from cycles.models import Cycle, Step
from cycles.services import booking
from cycles.services.recalling import History, Trace
from cycles.services.transferring import live_withdrawal
from exchanges.values import OrderReport


def gives_up(cycle: Cycle, step: Step, sale: Trace, history: History) -> bool:
    """Say whether an unwind's sale came instead of the rest of a step; else the step had ended before it."""
    return not (
        _has_sold_back(step)
        or _has_left(step)
        or _was_carried(cycle, step, sale, history)
        or _is_last_of_home(step, sale)
    )


def _has_sold_back(step: Step) -> bool:
    """Say whether a step is a sale of an unwind that sold: another one comes after it, and not instead."""
    return step.passage == Passage.UNWIND and bool(step.quantity_out)


def _has_left(step: Step) -> bool:
    """Say whether a transfer step's coins are on their way: an unwind waits for their arrival."""
    if step.kind == StepKind.DEPOSIT:
        step = Step.objects.get(cycle_id=step.cycle_id, position=step.position - 1)
    return live_withdrawal(step) is not None


def _is_last_of_home(step: Step, sale: Trace) -> bool:
    """Say whether a way home sold what it carried, before a sale elsewhere: of coins that it had left behind."""
    is_sale_home = (step.passage, step.kind) == (Passage.RETURN, StepKind.SELL)
    return is_sale_home and step.venue != sale.venue and step.quantity_out > 0


def _was_carried(cycle: Cycle, step: Step, sale: Trace, history: History) -> bool:
    """Say whether a sale, where a withdrawal goes, is of more than the cycle has there: then that had arrived."""
    report = sale.report
    if not isinstance(report, OrderReport) or step.kind != StepKind.WITHDRAW:
        return False
    is_there = (step.to_venue, step.asset) == (sale.venue, report.market.base)
    held = booking.held_by_cycle(cycle, sale.venue, report.market.base)
    return is_there and _offered(sale, history) > held


def _offered(sale: Trace, history: History) -> Decimal:
    """Give how much a sale's step had at least: what all its orders sold, or one of them asked to sell.

    The first may have filled nothing, or no more than lay there before; a large sale asks for a part at a time.
    """
    assert sale.name is not None  # noqa: S101  it has been placed by its name
    step = (sale.name.cycle_id, sale.name.position)
    orders = [
        one.report
        for one in history.named()
        if one.name and (one.name.cycle_id, one.name.position) == step
    ]
    sales = [one for one in orders if isinstance(one, OrderReport)]
    sold = sum((one.executed_quantity for one in sales), ZERO)
    return max([sold, *(one.quantity for one in sales)])
