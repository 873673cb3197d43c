"""BUY and SELL steps: marketable limit orders, immediate-or-cancel, until nothing worth trading is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import QuerySet
from django.db.models.functions import Now

from cycles.domain.depth import walk_notional
from cycles.domain.money import ratio_bps
from cycles.domain.plan import buy_order, client_order_id, is_worthless, sell_order
from cycles.domain.postings import Holding
from cycles.domain.progress import GO_ON, Progress, failed, not_asked, waiting
from cycles.domain.words import CallOutcome, FailureClass, Operation, StepKind, StepState
from cycles.models import Alert, Cycle, ExchangeCall, Step
from cycles.services import believing, booking, calling, seeing
from cycles.services.alerting import raise_alert
from cycles.services.calling import Noted
from cycles.services.desk import database_now
from cycles.services.intents import Intent, order_intent
from cycles.services.locking import in_transaction
from cycles.services.moving import Lease, lock_for_decision
from cycles.services.settling import (
    finish_step,
    is_covered,
    left_after,
    market_of,
    order_settlement,
    settle_order,
)
from cycles.services.standing import Standing
from cycles.services.stepping import Report, Settlement
from exchanges import reference, registry
from exchanges.errors import StaleReferenceError, VenueError
from exchanges.port import Venue
from exchanges.values import Book, MarketRules, OrderReport, OrderRequest, OrderStatus

LOOK_AGAIN = timedelta(milliseconds=200)
WATCHED = timedelta(seconds=2)  # an order that is watched: its cycle is woken when it ends
FRESH = timedelta(seconds=1)  # a streamed book that an order may be based on; an older one is read
NOT_STREAMED = timedelta(0)
CANCEL_AFTER = timedelta(seconds=10)
PATIENCE = timedelta(minutes=2)  # with an accepted order that does not end; then the ladder has it
MAX_ATTEMPTS = 20  # orders of one step before the retry ladder has its say
WIDEST_SLIPPAGE = 10  # times the policy's limit, for selling what is already there


def adopt(lease: Lease, seen: Standing, call: ExchangeCall, report: Report) -> bool:
    """Commit what a look-up found of an order that its worker never noted, with all that it brought about.

    False, and nothing is written, where one statement does not do, or the cycle is not as it was seen: its outcome
    is written alone then, and settled after that.
    """
    is_left_behind = (
        call.operation == Operation.PLACE_ORDER and call.outcome == CallOutcome.INTENDED
    )
    if not (is_left_behind and isinstance(report, OrderReport) and report.is_final):
        return False
    settlement = order_settlement(seen.cycle, call, report)
    held = booking.holdings(seen.cycle)
    if not is_covered(settlement, held):
        return False
    is_done = bool(report.executed_quantity) and _is_all_spent(seen.step, settlement, held)
    settlement = replace(settlement, is_step_done=is_done, version=seen.cycle.version)
    if calling.book(lease, call, Noted(outcome=CallOutcome.DONE, report=report), settlement):
        call.outcome = CallOutcome.DONE
    return call.is_settled


def _is_all_spent(step: Step | None, settlement: Settlement, held: Sequence[Holding]) -> bool:
    """Say whether a settlement leaves its step, if that is the next one still, nothing worth an order at any price."""
    if step is None or step.pk != settlement.step_id:
        return False
    try:
        rules = reference.market_rules(step.venue, market_of(step), registry.utc_now())
    except StaleReferenceError:
        return False
    left = left_after(settlement, held, step.venue, _spent_asset(step))
    return is_worthless(rules, left, buys=step.kind == StepKind.BUY)


def settle_open_order(lease: Lease, call: ExchangeCall) -> Progress:
    """Read an accepted order until it is final, then settle it. One that is known to rest is not read."""
    venue, market = registry.venue(call.venue), market_of(call.step)
    asked_at = database_now()
    try:
        if seeing.still_rests(call, asked_at):
            _mark_found(call)
            return _hurry(lease, venue, call, asked_at, found=OrderStatus.OPEN)
        if seeing.age_of(call, asked_at) > PATIENCE:
            asked_at = database_now()  # after that look, which may have hidden it
        report = venue.order(market, client_order_id=call.client_order_id)
    except VenueError as error:
        return not_asked(call.venue, error)
    if report is not None:
        _mark_found(call)
    if report is None or not report.is_final:
        return _hurry(lease, venue, call, asked_at, found=report.status if report else None)

    def work() -> None:
        cycle = lock_for_decision(lease)
        locked = ExchangeCall.objects.select_related("step").get(pk=call.pk)
        settle_order(cycle, locked, report)

    in_transaction(work)
    return GO_ON


def _hurry(
    lease: Lease,
    venue: Venue,
    call: ExchangeCall,
    asked_at: datetime,
    *,
    found: OrderStatus | None,
) -> Progress:
    """Cancel an order that rests although it should not; its re-read tells what became of it.

    One that has been accepted does show, and end; when it does not for long, people are told.
    """
    rests = found is OrderStatus.OPEN
    resting_for = seeing.age_of(call, asked_at)
    if rests and resting_for >= CANCEL_AFTER and not _is_cancelled(call):
        return _cancel(lease, venue, call)
    if resting_for > PATIENCE:
        return _given_up(lease, call, asked_at, found)
    delay = LOOK_AGAIN if resting_for < seeing.OWN_READS else WATCHED
    return waiting(delay, "the order is not final yet")


def _given_up(
    lease: Lease, call: ExchangeCall, asked_at: datetime, found: OrderStatus | None
) -> Progress:
    """Leave an order to people: only what its venue did not find when it was asked is marked as such."""
    if found is not None:
        told = f"{call.venue} accepted {call.client_order_id} and shows it {found.value} still"
        return failed(FailureClass.UNKNOWN_ORDER, told)
    _mark_missed(lease, call, asked_at)
    return failed(
        FailureClass.UNKNOWN_ORDER,
        f"{call.venue} accepted {call.client_order_id} and does not say what became of it",
    )


def _mark_missed(lease: Lease, call: ExchangeCall, asked_at: datetime) -> None:
    """Write when an accepted order's venue was asked for it last, and knew of none: while the lease holds."""
    held = {"cycle__fence": lease.fence, "cycle__lease_owner": lease.owner}
    ExchangeCall.objects.filter(pk=call.pk, **held).update(missed_at=asked_at)


def _mark_found(call: ExchangeCall) -> None:
    """Write that an accepted order's venue knows it, whatever comes of that, and whoever has its cycle by now."""
    if call.missed_at is not None:
        ExchangeCall.objects.filter(pk=call.pk).update(missed_at=None)


def _is_cancelled(call: ExchangeCall) -> bool:
    """Say whether a cancel of the step's order has been sent lately: one needs time to be seen."""
    return ExchangeCall.objects.filter(
        step_id=call.step_id,
        operation=Operation.CANCEL_ORDER,
        intended_at__gt=Now() - CANCEL_AFTER,
    ).exists()


def _cancel(lease: Lease, venue: Venue, call: ExchangeCall) -> Progress:
    """Ask the venue to cancel an order, once."""
    step = Step.objects.get(pk=call.step_id)
    market = market_of(step)
    cancel_id = client_order_id(
        call.cycle_id, position=step.position, attempt=step.attempt + 1, prefix="c"
    )
    intent = Intent(
        operation=Operation.CANCEL_ORDER,
        payload={"market": market.code, "cancels": call.client_order_id},
        client_order_id=cancel_id,
    )
    cancel = calling.intend(lease, step, intent)
    noted = calling.called(
        cancel, lambda: venue.cancel_order(market, client_order_id=call.client_order_id)
    )
    calling.note(lease, cancel, noted)
    return waiting(LOOK_AGAIN, "a resting order was cancelled")


def trade(lease: Lease, cycle: Cycle, step: Step) -> Progress:
    """Send the step's next order, or end the step when nothing worth trading is left."""
    objection = registry.objection(step.venue, step.asset, may_end=step.kind == StepKind.SELL)
    if objection:
        return failed(FailureClass.POLICY_DENIED, objection)
    now = registry.utc_now()
    try:
        # What a first order took may still stand in a streamed book: the next one has it read anew.
        newest = NOT_STREAMED if step.attempt else FRESH
        book = registry.book(step.venue, market_of(step), newest=newest)
        rules = reference.market_rules(step.venue, market_of(step), now)
    except VenueError as error:
        return not_asked(step.venue, error)
    # A book that is not believed says nothing of what is left to trade: a step must not end on it.
    doubt = believing.doubt_of(book, cycle.policy)
    if doubt:
        return failed(
            FailureClass.TRANSIENT,
            f"the {step.asset} book of {step.venue} is not believed: {doubt}",
        )
    if step.kind == StepKind.BUY:
        return _buy(lease, cycle, step, book, rules)
    return _sell(lease, cycle, step, book, rules)


def _buy(lease: Lease, cycle: Cycle, step: Step, book: Book, rules: MarketRules) -> Progress:
    """Spend what the cycle holds of the quote asset; a limit may stop the passage here."""
    spend = booking.held_by_cycle(cycle, step.venue, step.quote)
    limit = _slippage_left(cycle, step, book)
    walk = walk_notional(book.asks, spend)
    begun = step.quantity_out > 0
    if begun and limit <= 0:  # the market has run away from what is left to buy
        return _end(lease, step, begun=True)
    if not begun and walk is not None and walk.slippage_bps > limit:
        return failed(
            FailureClass.SLIPPAGE_LIMIT,
            f"buying {step.asset} at {step.venue} would slip {walk.slippage_bps} bps",
        )

    def order(spend: Decimal) -> OrderRequest | None:
        order_id = _next_id(cycle, step)
        return buy_order(book, rules, spend=spend, max_slippage_bps=limit, order_id=order_id)

    request = order(spend)
    is_worn_out = _is_worn_out(cycle, step)
    if request is None or (begun and is_worn_out):
        return _end(lease, step, begun=begun)
    if is_worn_out:
        return failed(FailureClass.SLIPPAGE_LIMIT, f"{step.asset} does not fill at {step.venue}")
    return _send(lease, cycle, step, request, book, is_spent=lambda left: not order(left))


def _slippage_left(cycle: Cycle, step: Step, book: Book) -> Decimal:
    """Give the bps a BUY may still slip: the limit counts from where its first order began."""
    limit: Decimal = cycle.policy.max_slippage_bps
    if not step.reference_price or not book.asks or not step.quantity_out:
        return limit
    return limit - ratio_bps(book.asks[0].price, step.reference_price)


def _is_worn_out(cycle: Cycle, step: Step) -> bool:
    """Count the step's orders since the cycle last went on: a retry has its attempts anew."""
    if step.attempt < MAX_ATTEMPTS:
        return False
    return _orders(step).filter(intended_at__gte=cycle.status_since).count() >= MAX_ATTEMPTS


def _orders(step: Step) -> QuerySet[ExchangeCall]:
    """Give the step's orders but for those that never got to the venue: they tell nothing of the book."""
    return ExchangeCall.objects.filter(step=step, operation=Operation.PLACE_ORDER).exclude(
        outcome=CallOutcome.NOT_SENT
    )


def _sell(lease: Lease, cycle: Cycle, step: Step, book: Book, rules: MarketRules) -> Progress:
    """Sell what is there; never stopped by the slippage limit, which widens with each attempt."""
    quantity = booking.held_by_cycle(cycle, step.venue, step.asset)
    tries = _orders(step).count() if step.attempt else 0
    width = min(1 + tries, WIDEST_SLIPPAGE)
    limit = cycle.policy.max_slippage_bps * width

    def order(quantity: Decimal) -> OrderRequest | None:
        order_id = _next_id(cycle, step)
        return sell_order(book, rules, quantity=quantity, max_slippage_bps=limit, order_id=order_id)

    request = order(quantity)
    if request is None:
        worthless = quantity * book.bids[0].price < rules.minimum_notional
        return _end(lease, step, begun=step.quantity_out > 0 or worthless)
    if _is_worn_out(cycle, step):
        return failed(FailureClass.SLIPPAGE_LIMIT, f"{step.asset} does not sell at {step.venue}")
    if width == 3:
        _warn_widening(cycle, step)
    return _send(lease, cycle, step, request, book, is_spent=lambda left: not order(left))


def _warn_widening(cycle: Cycle, step: Step) -> None:
    """Tell people that selling needs a wider limit."""
    raise_alert(
        key=f"widening:{cycle.code}:{step.position}",
        severity=Alert.Severity.WARNING,
        title=f"{cycle.code}: selling {step.asset} at {step.venue} needs a wider limit",
        cycle=cycle,
    )


def _next_id(cycle: Cycle, step: Step) -> str:
    """Give the client order id of the step's next attempt."""
    return client_order_id(cycle.pk, position=step.position, attempt=step.attempt + 1)


def _send(
    lease: Lease,
    cycle: Cycle,
    step: Step,
    request: OrderRequest,
    book: Book,
    *,
    is_spent: Callable[[Decimal], bool],
) -> Progress:
    """Intend, send once, note; settle at once where the venue's answer is final.

    With its last fill the step ends in the same commit: when what is left is not worth another order.
    """
    top = book.asks if step.kind == StepKind.BUY else book.bids
    call = calling.intend(lease, step, order_intent(request, reference_price=top[0].price))
    request = replace(request, send_before=calling.send_before(call))
    noted = calling.called(call, lambda: registry.venue(step.venue).place_order(request))
    report = noted.report
    if isinstance(report, OrderReport) and report.is_final:
        _settle(lease, cycle, call, noted, report, is_spent)
    else:
        calling.note(lease, call, noted)
    if noted.outcome == CallOutcome.DONE and not call.is_settled:
        return GO_ON
    return calling.after(noted, call, f"{step.kind} of {step.asset} at {step.venue}")


def _settle(
    lease: Lease,
    cycle: Cycle,
    call: ExchangeCall,
    noted: Noted,
    report: OrderReport,
    is_spent: Callable[[Decimal], bool],
) -> None:
    """Settle a final order by what the cycle was seen to own; under its lock where that does not do."""
    given = _spent_asset(call.step)
    settlement = order_settlement(cycle, call, report)
    held = booking.holdings(cycle)
    if is_covered(settlement, held):
        left = left_after(settlement, held, call.venue, given)
        is_done = bool(report.executed_quantity) and is_spent(left)
        settlement = replace(settlement, is_step_done=is_done, version=cycle.version + 1)
        if calling.book(lease, call, noted, settlement):
            if is_done:
                call.step.state = StepState.DONE
            return

    def settle(locked: Cycle, written: ExchangeCall) -> None:
        settle_order(locked, written, report)
        left = booking.held_by_cycle(locked, call.venue, given)
        if report.executed_quantity and is_spent(left):
            finish_step(locked, call.step)

    calling.note(lease, call, noted, settle)


def _spent_asset(step: Step) -> str:
    """Give what a step gives for what it gets."""
    return step.quote if step.kind == StepKind.BUY else step.asset


def _end(lease: Lease, step: Step, *, begun: bool) -> Progress:
    """End a step that has done what it could; one that did nothing fails instead."""
    if not begun:
        return failed(
            FailureClass.REFUSED_RULES,
            f"nothing worth a {step.kind} of {step.asset} at {step.venue}: below its minimum",
        )

    def work() -> None:
        finish_step(lock_for_decision(lease), step)

    in_transaction(work)
    return GO_ON
