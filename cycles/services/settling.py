"""Facts become state: fills, credits and ends of steps, each in its caller's locked transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from django.db.models.functions import Coalesce, Now

from cycles.domain import postings
from cycles.domain.money import ZERO
from cycles.domain.postings import Holding, Line
from cycles.domain.words import AccountOwner, PostingKind, StepState
from cycles.errors import StaleVersionError, UncoveredError
from cycles.models import Alert, Cycle, ExchangeCall, Step
from cycles.services import booking, stepping
from cycles.services.alerting import raise_alert
from cycles.services.locking import lock_desk_account
from cycles.services.moving import touch
from cycles.services.stepping import Settlement, report_columns
from exchanges.values import (
    DepositReport,
    Market,
    OrderReport,
    Side,
    WithdrawalReport,
    WithdrawalStatus,
)


def order_settlement(
    cycle: Cycle, call: ExchangeCall, report: OrderReport, *, is_step_done: bool = False
) -> Settlement:
    """Give what a final order did: its fills, their posting, the step's totals."""
    given, got = _totals(report)
    return Settlement(
        cycle_id=cycle.pk,
        step_id=call.step_id,
        call_id=call.pk,
        report=report,
        key=f"order:{call.client_order_id}",
        kind=PostingKind.FILL,
        lines=postings.fill_lines(call.venue, report.market, report.side, report.fills),
        given=given,
        got=got,
        is_added=True,
        is_step_done=is_step_done,
    )


def sent_settlement(cycle: Cycle, call: ExchangeCall, report: WithdrawalReport) -> Settlement:
    """Give what an accepted withdrawal did: the quantity is in flight, the fee is spent."""
    return Settlement(
        cycle_id=cycle.pk,
        step_id=call.step_id,
        call_id=call.pk,
        report=report,
        key=f"sent:{call.client_order_id}",
        kind=PostingKind.SENT,
        lines=postings.sent_lines(
            call.venue,
            call.step.to_venue,
            call.step.asset,
            quantity=report.quantity,
            network_fee=report.network_fee,
        ),
        given=report.quantity + report.network_fee,
        got=report.quantity,
        is_added=False,
    )


def is_covered(settlement: Settlement, held: Sequence[Holding]) -> bool:
    """Say whether what the cycle owns pays for all that a settlement takes."""
    return not any(line.quantity + _own(held, line) < 0 for line in _own_lines(settlement.lines))


def left_after(settlement: Settlement, held: Sequence[Holding], venue: str, asset: str) -> Decimal:
    """Give what the cycle can spend of an asset at a venue once a settlement stands."""
    moved = [
        line.quantity
        for line in _own_lines(settlement.lines)
        if (line.venue, line.asset) == (venue, asset)
    ]
    return _own(held, Line(venue, asset, AccountOwner.CYCLE, ZERO)) + sum(moved, ZERO)


def _own_lines(lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if line.owner is AccountOwner.CYCLE]


def _own(held: Sequence[Holding], line: Line) -> Decimal:
    """Give what the cycle can spend where a line lies."""
    place = (line.venue, line.asset, AccountOwner.CYCLE)
    return sum((one.quantity for one in held if (one.venue, one.asset, one.owner) == place), ZERO)


def settle_order(cycle: Cycle, call: ExchangeCall, report: OrderReport) -> None:
    """Settle a final order whose outcome stands. Twice is once."""
    if not call.is_settled:
        _book(cycle, call, order_settlement(cycle, call, report))


def _book(cycle: Cycle, call: ExchangeCall, settlement: Settlement) -> None:
    """Book a settlement under the cycle's lock; what the cycle cannot pay the desk does."""
    lines = _covered(cycle, call, settlement.lines)
    (settled,) = stepping.settle([replace(settlement, lines=lines)])
    if not settled.version:
        raise StaleVersionError(seen=cycle.version, found=None)
    cycle.version = settled.version
    _forget_report(call)


def _covered(cycle: Cycle, call: ExchangeCall, lines: Sequence[Line]) -> Sequence[Line]:
    """Let the desk pay what the venue took beyond what the cycle has there, and tell people.

    A fee in a third asset, or one that has risen: the venue took it from the desk's own balance, or what
    the desk keeps there as dust. Raises UncoveredError, before anything is written, when neither suffices.
    """
    held = booking.holdings(cycle)
    short: list[Line] = []
    for line in _own_lines(lines):
        left = _own(held, line) + line.quantity
        if left < 0:
            short += _from_the_desk(call, line, -left)
    if not short:
        return lines
    raise_alert(
        key=f"short:{call.client_order_id}",
        severity=Alert.Severity.WARNING,
        title=f"{cycle.code}: {call.venue} took more than the cycle had",
        body="\n".join(f"{one.quantity:f} {one.asset} by the desk" for one in short[1::2]),
        cycle=cycle,
    )
    return postings.summed([*lines, *short])


def _from_the_desk(call: ExchangeCall, line: Line, missing: Decimal) -> list[Line]:
    """Take from the desk's own accounts there, dust last; raise UncoveredError when that is too little."""
    lock_desk_account(line.venue, line.asset)  # two that are short pay one after the other
    lines: list[Line] = []
    for owner in (AccountOwner.DESK, AccountOwner.DUST):
        part = min(missing, booking.desk_balance(line.venue, line.asset, owner))
        if part > 0:
            lines += postings.moved(
                line.venue, line.asset, part, origin=owner, target=AccountOwner.CYCLE
            )
            missing -= part
    if missing:
        raise UncoveredError(
            f"{line.venue} took {missing.normalize():f} {line.asset} more for {call.client_order_id} than the cycle "
            "and the desk have there: other cycles' coins; it is booked once the desk has as much there",
            venue=line.venue,
            asset=line.asset,
            missing=missing,
        )
    return lines


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
    _forget_report(call)


def _forget_report(call: ExchangeCall) -> None:
    """Mark a call settled that has another report now than was read."""
    call.is_settled = True
    for name in ("report", "venue_order_id"):
        # Read again as the database keeps them, if anyone asks. Gone already in a second run of a
        # transaction that was rolled back.
        call.__dict__.pop(name, None)


def settle_sent(cycle: Cycle, call: ExchangeCall, report: WithdrawalReport) -> None:
    """Settle an accepted withdrawal: the quantity is in flight, the fee is spent. Twice is once."""
    if call.is_settled:
        return
    if report.status is WithdrawalStatus.FAILED:  # the venue gave it back before we saw it go
        _mark_settled(call, report)
        touch(cycle)
        return
    _book(cycle, call, sent_settlement(cycle, call, report))


def settle_left(cycle: Cycle, call: ExchangeCall, report: WithdrawalReport) -> None:
    """Keep the report of a withdrawal that has left; what differs from what was posted is mended.

    A venue may take another fee than its rules told, and then more or less is on its way.
    """
    told = call.report
    quantity, network_fee = Decimal(told["quantity"]), Decimal(told["network_fee"])
    if (report.quantity, report.network_fee) != (quantity, network_fee):
        places = (call.venue, call.step.to_venue, call.step.asset)
        lines = postings.summed(
            [
                *postings.returned_lines(*places, quantity=quantity, network_fee=network_fee),
                *postings.sent_lines(
                    *places, quantity=report.quantity, network_fee=report.network_fee
                ),
            ]
        )
        lines = list(_covered(cycle, call, lines))
        # One that was dropped may leave again on other terms: each time is a fact of its own.
        key = f"left:{call.client_order_id}:{report.txid or ''}"[:160]
        booking.post(key, PostingKind.SENT, lines, cycle=cycle, step=call.step)
        Step.objects.filter(pk=call.step_id).update(
            quantity_in=report.quantity + report.network_fee, quantity_out=report.quantity
        )
    _mark_settled(call, report)


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
