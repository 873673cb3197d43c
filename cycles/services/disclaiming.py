"""What a person may state of requests: that they were never accepted, or that nothing came of them.

A form lies open while the desk goes on learning: what is learnt of a dead letter's order meanwhile does not turn
a statement about one request into one about another.
"""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from cycles.domain.words import CallOutcome, FailureClass, Operation
from cycles.models import Cycle, ExchangeCall
from cycles.services import recovering, seeing
from cycles.services.reconciling import may_arrive_for
from exchanges.sentences import Sentence
from exchanges.values import OrderStatus


def would_state(cycle: Cycle) -> tuple[list[ExchangeCall], list[ExchangeCall]]:
    """Give what a statement would be about: open requests, or, while none is open, accepted orders never shown.

    Never about both: that a cancel did not arrive says nothing of its order.
    """
    calls = recovering.open_calls(cycle)
    return calls, [] if calls else _lost_orders(cycle)


def _lost_orders(cycle: Cycle) -> list[ExchangeCall]:
    """Give the orders that a venue accepted, as far as is known without a fill, and has not shown since."""
    orders = [
        call
        for call in recovering.unsettled_calls(cycle)
        if call.operation == Operation.PLACE_ORDER
    ]
    return [
        call
        for call in orders
        if call.report["status"] == OrderStatus.OPEN.value and not _tells_of_a_fill(call.report)
    ]


def objection(cycle: Cycle) -> str:
    """Say why nobody may state it now of what it would be about, or nothing."""
    calls, lost = would_state(cycle)
    found = [_too_early(cycle, call) for call in (*calls, *lost)]
    found += [_is_known(cycle, order) for order in lost]
    return next(filter(None, found), "")


def _too_early(cycle: Cycle, call: ExchangeCall) -> str:
    """Say that a venue may still accept, or show, a request."""
    left = may_arrive_for(call, given_up_at=cycle.status_since)
    if left <= timedelta(0):
        return ""
    return Sentence(
        "%(venue)s may still accept %(call)s: look at it again, and state it, in %(seconds)s s",
        venue=call.venue,
        call=call.client_order_id,
        seconds=math.ceil(left.total_seconds()),
    )


def _is_known(cycle: Cycle, order: ExchangeCall) -> str:
    """Say that a venue has an order, by a look or by its cancel, or that this is to be looked up first."""
    cancels = cancels_of(order)
    if seeing.has_shown_order(order) or any(
        _tells_of_a_fill(one.report) for one in cancels.filter(outcome=CallOutcome.DONE)
    ):
        return Sentence(
            "%(venue)s has shown %(call)s: redrive the cycle, so that it is settled by what came of it",
            venue=order.venue,
            call=order.client_order_id,
        )
    if _is_looked_for(cycle, order, cancels):
        return ""
    if cancels:
        return Sentence(
            "%(call)s was seen resting at %(venue)s, which was asked to cancel it: redrive the cycle, so that it is "
            "asked for, and state it once nothing of it was found",
            venue=order.venue,
            call=order.client_order_id,
        )
    return Sentence(
        "that %(venue)s accepted %(call)s became known only after the cycle died: redrive it, so that the order is "
        "asked for, and state it once nothing of it was found",
        venue=order.venue,
        call=order.client_order_id,
    )


def _is_looked_for(cycle: Cycle, order: ExchangeCall, cancels: QuerySet[ExchangeCall]) -> bool:
    """Say whether a worker asked for an order after the last that was learnt of it, and died of finding nothing.

    Of one that was never seen to rest it is enough that nothing was learnt of it since the cycle died.
    """
    learnt = [order.noted_at, *cancels.values_list("noted_at", flat=True)]
    if any(at is not None and at > cycle.status_since for at in learnt):
        return False
    return not cancels or cycle.failure_class == FailureClass.UNKNOWN_ORDER


def cancels_of(order: ExchangeCall) -> QuerySet[ExchangeCall]:
    """Choose the cancels of an order: one is sent only of what was seen to rest."""
    return ExchangeCall.objects.filter(
        cycle=order.cycle_id,
        operation=Operation.CANCEL_ORDER,
        request__cancels=order.client_order_id,
    )


def _tells_of_a_fill(report: dict[str, Any]) -> bool:
    """Say whether an order had executed when it was reported."""
    is_filled = report["status"] == OrderStatus.FILLED.value
    return is_filled or bool(Decimal(report["executed_quantity"]))
