"""Facts become state: fills, credits and ends of steps, each in its caller's locked transaction."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from django.db.models import F
from django.db.models.functions import Coalesce, Now

from cycles.domain import postings
from cycles.domain.words import PostingKind, StepState
from cycles.models import Cycle, ExchangeCall, Fill, Step
from cycles.services import booking
from cycles.services.calling import report_columns
from cycles.services.moving import touch
from exchanges.values import DepositReport, Market, OrderReport, Side, WithdrawalReport


def settle_order(cycle: Cycle, call: ExchangeCall, report: OrderReport) -> None:
    """Settle a final order: its fills, their posting, the step's totals. Twice is once."""
    if call.is_settled:
        return
    Fill.objects.bulk_create([_fill(cycle, call, report, n) for n in range(len(report.fills))])
    lines = postings.fill_lines(call.venue, report.market, report.side, report.fills)
    booking.post(
        f"order:{call.client_order_id}", PostingKind.FILL, lines, cycle=cycle, step=call.step
    )
    given, got = _totals(report)
    Step.objects.filter(pk=call.step_id).update(
        quantity_in=F("quantity_in") + given, quantity_out=F("quantity_out") + got
    )
    _mark_settled(call, report)
    touch(cycle)


def _fill(cycle: Cycle, call: ExchangeCall, report: OrderReport, index: int) -> Fill:
    """Make the row of one execution."""
    fill = report.fills[index]
    return Fill(
        cycle=cycle,
        call=call,
        venue=report.venue,
        market=report.market.code,
        side=report.side.value,
        venue_fill_id=fill.venue_fill_id,
        price=fill.price,
        quantity=fill.quantity,
        notional=fill.notional,
        fee=fill.fee,
        fee_asset=fill.fee_asset,
        at=fill.at,
    )


def _totals(report: OrderReport) -> tuple[Decimal, Decimal]:
    """Give what an order took and what it yielded, fees in either asset counted in."""
    base = sum((fill.quantity for fill in report.fills), Decimal(0))
    quote = sum((fill.notional for fill in report.fills), Decimal(0))
    fees = dict.fromkeys((report.market.base, report.market.quote), Decimal(0))
    for fill in report.fills:
        fees[fill.fee_asset] = fees.get(fill.fee_asset, Decimal(0)) + fill.fee
    base_fee, quote_fee = fees[report.market.base], fees[report.market.quote]
    if report.side is Side.BUY:
        return quote + quote_fee, base - base_fee
    return base + base_fee, quote - quote_fee


def _mark_settled(call: ExchangeCall, report: OrderReport | WithdrawalReport) -> None:
    """Write the report a call was settled by."""
    ExchangeCall.objects.filter(pk=call.pk).update(is_settled=True, **report_columns(report))
    call.refresh_from_db()


def settle_sent(cycle: Cycle, call: ExchangeCall, report: WithdrawalReport) -> None:
    """Settle an accepted withdrawal: the quantity is in flight, the fee is spent. Twice is once."""
    if call.is_settled:
        return
    lines = postings.sent_lines(
        call.venue,
        call.step.to_venue,
        call.step.asset,
        quantity=report.quantity,
        network_fee=report.network_fee,
    )
    booking.post(
        f"sent:{call.client_order_id}", PostingKind.SENT, lines, cycle=cycle, step=call.step
    )
    Step.objects.filter(pk=call.step_id).update(
        quantity_in=report.quantity + report.network_fee, quantity_out=report.quantity
    )
    _mark_settled(call, report)
    touch(cycle)


def settle_returned(cycle: Cycle, call: ExchangeCall, report: WithdrawalReport) -> None:
    """Undo a withdrawal that the venue gave back after accepting it. Twice is once."""
    sent = call.report
    lines = postings.returned_lines(
        call.venue,
        call.step.to_venue,
        call.step.asset,
        quantity=Decimal(sent["quantity"]),
        network_fee=Decimal(sent["network_fee"]),
    )
    booking.post(
        f"returned:{call.client_order_id}", PostingKind.RETURNED, lines, cycle=cycle, step=call.step
    )
    Step.objects.filter(pk=call.step_id).update(quantity_in=0, quantity_out=0)
    _mark_settled(call, report)
    touch(cycle)


def settle_credit(
    cycle: Cycle, step: Step, deposits: Sequence[DepositReport], *, sent: Decimal
) -> Decimal:
    """Settle what was credited for what it is; returns the difference, which stands in suspense."""
    credited = sum((deposit.quantity for deposit in deposits), Decimal(0))
    lines = postings.credited_lines(step.venue, step.asset, sent=sent, credited=credited)
    booking.post(
        f"credit:{step.pk}:{step.venue}:{deposits[0].venue_deposit_id}",
        PostingKind.CREDITED,
        lines,
        cycle=cycle,
        step=step,
    )
    Step.objects.filter(pk=step.pk).update(quantity_in=sent, quantity_out=credited)
    return sent - credited


def finish_step(cycle: Cycle, step: Step) -> None:
    """End a step; the retry count starts anew. `cycle` must be locked."""
    Step.objects.filter(pk=step.pk).update(
        state=StepState.DONE, started_at=Coalesce("started_at", Now()), settled_at=Now()
    )
    touch(cycle, retry_count=0, failure_class="", failure_reason="")
    step.refresh_from_db()


def market_of(step: Step) -> Market:
    """Give the market a step trades on."""
    return Market(step.asset, step.quote)
