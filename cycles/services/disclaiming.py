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

from cycles.domain.words import CallOutcome, Operation, Verb
from cycles.models import Cycle, ExchangeCall, Intervention, SeenOrder
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


def unended(cycle: Cycle) -> tuple[list[ExchangeCall], list[ExchangeCall]]:
    """Give what keeps a cycle from its end: requests that are open, and accepted ones that the ledger does not know.

    An open one was accepted if looks had shown it when the cycle died, though its venue does not find it when asked:
    of what they show only since, nobody can have named what came of it.
    """
    calls = recovering.open_calls(cycle)
    shown = [call for call in calls if seeing.told_of(call, by=cycle.status_since)]
    still_open = [call for call in calls if call not in shown]
    return still_open, [*shown, *recovering.unsettled_calls(cycle)]


def objection(cycle: Cycle) -> str:
    """Say why nobody may state it now of what it would be about, or nothing."""
    calls, lost = would_state(cycle)
    found = [_too_early(cycle, call) for call in (*calls, *lost)]
    found += [_was_accepted(call) for call in calls]
    found += [_is_known(order) for order in lost]
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


def _was_accepted(call: ExchangeCall) -> str:
    """Say that looks have shown what an open request asked for; that an order is shown tells nothing of its cancel.

    Of an order that rested, and is shown no more, it may be stated once its venue was asked for it and knew of none.
    """
    if seeing.told_of(call) is None:
        return ""
    seen = seeing.sighting_of(call) if call.operation == Operation.PLACE_ORDER else None
    if seen is None or seeing.stands(seen):
        return Sentence(
            "%(venue)s has shown %(call)s, so it was accepted: redrive the cycle, so that it is settled by what came of "
            "it; where its venue does not find it when asked, settle it by hand",
            venue=call.venue,
            call=call.client_order_id,
        )
    if _is_looked_for(call, seen):
        return ""
    return _to_be_asked_for(call, seen)


def _is_known(order: ExchangeCall) -> str:
    """Say that a venue has an order, by a look or by its cancel, or that this is to be looked up first."""
    seen = seeing.sighting_of(order)
    if _is_shown(order, seen):
        return Sentence(
            "%(venue)s has shown %(call)s: redrive the cycle, so that it is settled by what came of it",
            venue=order.venue,
            call=order.client_order_id,
        )
    if _is_looked_for(order, seen):
        return ""
    return _to_be_asked_for(order, seen)


def _is_shown(order: ExchangeCall, seen: SeenOrder | None) -> bool:
    """Say whether the newest look shows an order, or anything ever told of a fill of it."""
    if seen and seeing.stands(seen):
        return True
    done = cancels_of(order).filter(outcome=CallOutcome.DONE)
    return any(_tells_of_a_fill(one.report) for one in done)


def _to_be_asked_for(order: ExchangeCall, seen: SeenOrder | None) -> Sentence:
    """Say why an order is to be asked for before anything is stated of it."""
    if cancels_of(order):
        return Sentence(
            "%(call)s was seen resting at %(venue)s, which was asked to cancel it: redrive the cycle, so that it is "
            "asked for, and state it once nothing of it was found",
            venue=order.venue,
            call=order.client_order_id,
        )
    if seen:
        return Sentence(
            "%(call)s was seen resting at %(venue)s, though the newest look does not show it: redrive the cycle, so "
            "that it is asked for, and state it once nothing of it was found",
            venue=order.venue,
            call=order.client_order_id,
        )
    return Sentence(
        "%(venue)s accepted %(call)s, and was not asked since what became of it: redrive the cycle, so that it is "
        "asked for, and state it once nothing of it was found",
        venue=order.venue,
        call=order.client_order_id,
    )


def _is_looked_for(order: ExchangeCall, seen: SeenOrder | None) -> bool:
    """Say whether a venue was asked for an order, and knew of none, after the last that was learnt of it."""
    missed = order.missed_at
    learnt = [order.noted_at, *cancels_of(order).values_list("noted_at", flat=True)]
    if seen:
        learnt.append(seen.changed_at)
    return missed is not None and all(at < missed for at in learnt if at)


def was_seen(order: ExchangeCall) -> bool:
    """Say whether an order was ever seen to rest: by a look, or because it was to be cancelled."""
    return seeing.sighting_of(order) is not None or cancels_of(order).exists()


def learnt_late(cycle: Cycle) -> list[ExchangeCall]:
    """Give accepted requests that the ledger does not know, of which something was learnt after their cycle died."""
    calls = recovering.unsettled_calls(cycle)
    return [call for call in calls if _is_learnt_late(cycle, call)]


def _is_learnt_late(cycle: Cycle, call: ExchangeCall) -> bool:
    """Say whether an outcome of a request, or of its cancel, was noted after its cycle died, not by a person's word."""
    learnt = (call, *cancels_of(call))
    late = [one for one in learnt if one.noted_at and one.noted_at > cycle.status_since]
    return any(not _is_stated(one) for one in late)


def _is_stated(call: ExchangeCall) -> bool:
    """Say whether a person has stated of a request that it was never accepted."""
    named = {"verb": Verb.RESOLVE, "payload__requests__contains": [call.client_order_id]}
    is_absent = call.outcome == CallOutcome.ABSENT
    return is_absent and Intervention.objects.filter(cycle=call.cycle_id, **named).exists()


def cancels_of(order: ExchangeCall) -> QuerySet[ExchangeCall]:
    """Choose the cancels of an order: one is sent only of what was seen to rest."""
    return ExchangeCall.objects.filter(
        cycle=order.cycle_id,
        operation=Operation.CANCEL_ORDER,
        request__cancels=order.client_order_id,
    )


def _tells_of_a_fill(report: dict[str, Any] | None) -> bool:
    """Say whether an order had executed when it was reported; the answer to a cancel reports nothing of it."""
    if report is None:
        return False
    is_filled = report["status"] == OrderStatus.FILLED.value
    return is_filled or bool(Decimal(report["executed_quantity"]))
