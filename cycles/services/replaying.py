"""What venues show of a cycle becomes its journal, its ledger and its steps, in the order in which it happened.

Whoever calls holds the cycle's lock in a transaction. A later request proves that the steps before it had
ended: nothing is concluded without one, and the rest is left to the workers, who look for themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models.functions import Coalesce, Greatest, Now

from cycles.domain.plan import client_order_id, sendable_quantity
from cycles.domain.words import CallOutcome, Operation, Passage, Plan, StepKind, StepState
from cycles.errors import CycleError
from cycles.models import Cycle, ExchangeCall, Step
from cycles.services import booking, replanning, sharing, unwound
from cycles.services.calling import Noted, write_outcome
from cycles.services.correlating import correlation
from cycles.services.intents import Intent
from cycles.services.matching import OPEN
from cycles.services.moving import touch, touch_if_dead
from cycles.services.recalling import History, Trace
from cycles.services.replanning import DONE_WITH, MisfitError
from cycles.services.settling import (
    finish_step,
    settle_credit,
    settle_left,
    settle_order,
    settle_returned,
    settle_sent,
)
from cycles.services.sighting import is_same_txid
from cycles.services.stepping import report_columns
from cycles.services.transferring import live_withdrawal
from exchanges import reference
from exchanges.errors import StaleReferenceError
from exchanges.models import AddressState, RegisteredAddress
from exchanges.values import DepositReport, OrderReport, WithdrawalReport, WithdrawalStatus

Report = OrderReport | WithdrawalReport
CAUGHT_UP = "caught_up"  # marks a request that was written after the fact


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One request that the journal had forgotten, or did not know the end of."""

    venue: str
    cycle: str
    own_id: str
    what: str
    did: str


def place(cycle: Cycle, trace: Trace, history: History, *, actor: str) -> Found | None:
    """Write one request of a cycle and what follows from it; None: it is known already.

    Raises MisfitError when it fits nowhere; then nothing of it is written.
    """
    try:
        with transaction.atomic():
            return _placed(cycle, trace, history, actor)
    except (CycleError, IntegrityError, StaleReferenceError) as error:
        cycle.refresh_from_db()
        told = replanning.told(error)
        raise MisfitError(f"{trace.venue} {trace.own_id or trace.venue_id}: {told}") from error


def _placed(cycle: Cycle, trace: Trace, history: History, actor: str) -> Found | None:
    if trace.times > 1:
        raise MisfitError(f"it is shown {trace.times} times, so one was sent again")
    call = ExchangeCall.objects.filter(client_order_id=trace.own_id).select_related("step").first()
    if call is not None:
        return _confirmed(cycle, call, trace)
    if trace.name is None:
        raise MisfitError("it bears no id of ours")
    step = _reached(cycle, trace, history, actor)
    return _written(cycle, step, trace, attempt=trace.name.attempt)


def _confirmed(cycle: Cycle, call: ExchangeCall, trace: Trace) -> Found | None:
    """Take a venue's word on a request that the journal has; None when it had it already."""
    if call.is_settled:
        return None
    if call.outcome in OPEN:
        write_outcome(call, Noted(outcome=CallOutcome.DONE, report=trace.report))
        touch_if_dead(cycle)
        call.refresh_from_db()
    if call.outcome != CallOutcome.DONE:
        raise MisfitError(f"the venue accepted what the journal holds for {call.outcome}")
    if call.missed_at is not None:
        ExchangeCall.objects.filter(pk=call.pk).update(missed_at=None)  # its venue knows it again
    return settled(cycle, call, trace)


def _reached(cycle: Cycle, trace: Trace, history: History, actor: str) -> Step:
    """Conclude what lay before a request, and give its step, ready for it."""
    assert trace.name is not None  # noqa: S101  told apart above
    replanning.resume(cycle, actor=actor)
    step = replanning.standing_for(cycle, trace)
    sale = trace if step is None and replanning.is_sale(trace) else None
    if step is None and sale is None:
        replanning.give_up_what_bought_nothing(cycle)
    for earlier in unfinished(cycle):
        if earlier.position < trace.name.position:
            conclude(cycle, earlier, history, unwound_by=sale)
    if step is None:
        step = replanning.planned(cycle, trace, actor=actor)
    step.refresh_from_db()
    _demand_fit(step, trace)
    if step.kind == StepKind.WITHDRAW:
        _demand_free(cycle, step, history)
    return step


def unfinished(cycle: Cycle) -> list[Step]:
    """Give the steps that have not ended, in order."""
    steps = Step.objects.filter(cycle=cycle).exclude(state__in=DONE_WITH)
    return list(steps.order_by("position"))


def _demand_fit(step: Step, trace: Trace) -> None:
    """Make sure that a request is what its step would have sent."""
    if not replanning.is_of(step, trace):
        raise MisfitError(f"it is not what step {step.position} does ({step})")


def _demand_free(cycle: Cycle, step: Step, history: History) -> None:
    """Make sure that a withdrawal step has none that stands; one that came back is undone first."""
    standing = live_withdrawal(step)
    if standing is None:
        return
    row = history.withdrawal(step.venue, standing.venue_order_id)
    if row is None or row.status is not WithdrawalStatus.FAILED:
        raise MisfitError(f"step {step.position} has a withdrawal already: {standing}")
    settle_returned(cycle, _with_step(standing), row)
    step.refresh_from_db()


def _written(cycle: Cycle, step: Step, trace: Trace, *, attempt: int) -> Found:
    """Write the journal's row of a request after the fact, and settle it.

    A cycle that unwinds sends nothing of its passages: whoever had let it unwind let it go on.
    """
    report = trace.report
    if cycle.plan == Plan.UNWIND and step.passage != Passage.UNWIND:
        touch(cycle, plan=Plan.RESUME)
    intent = _intent(cycle, step, report, attempt)
    call = ExchangeCall.objects.create(
        cycle=cycle,
        step=step,
        operation=intent.operation,
        venue=step.venue,
        attempt=attempt,
        client_order_id=intent.client_order_id,
        outcome=CallOutcome.DONE,
        fence=cycle.fence,
        fingerprint=intent.fingerprint(step.venue),
        request=intent.payload,
        destination=intent.destination,
        intended_at=report.created_at or cycle.started_at,
        noted_at=Now(),
        **report_columns(report),
        **correlation(),
    )
    Step.objects.filter(pk=step.pk).update(
        attempt=Greatest("attempt", attempt),
        state=StepState.RUNNING,
        started_at=Coalesce("started_at", call.intended_at),
    )
    call.refresh_from_db()
    return settled(cycle, _with_step(call), trace)


def _intent(cycle: Cycle, step: Step, report: Report, attempt: int) -> Intent:
    """Give what the journal keeps of a request: as the venue tells it, and marked as such."""
    own_id = client_order_id(cycle.pk, position=step.position, attempt=attempt)
    asked: dict[str, object] = {CAUGHT_UP: True, "quantity": str(report.quantity)}
    if isinstance(report, OrderReport):
        asked |= {"market": report.market.code, "side": report.side.value}
        return Intent(operation=Operation.PLACE_ORDER, payload=asked, client_order_id=own_id)
    address = _address(step, report)
    asked |= {
        "asset": step.asset,
        "network": step.network,
        "network_fee": str(report.network_fee),
        "to_venue": step.to_venue,
        "destination": address.destination.fingerprint,
    }
    return Intent(
        operation=Operation.WITHDRAW,
        payload=asked,
        client_order_id=own_id,
        destination=address,
    )


def _address(step: Step, report: WithdrawalReport) -> RegisteredAddress:
    """Give our address that a withdrawal went to; where the venue names it, it must be that one."""
    address = RegisteredAddress.objects.filter(
        venue=step.to_venue,
        asset=step.asset,
        network=step.network,
        state=AddressState.CONFIRMED,
    ).first()
    if address is None:
        raise MisfitError(f"no confirmed {step.asset} address of ours at {step.to_venue}")
    if report.address not in {None, address.address}:
        raise MisfitError(f"it went to another address than {address.code}")
    return address


def settled(cycle: Cycle, call: ExchangeCall, trace: Trace) -> Found:
    """Book what a request came to, if it has come to its end; its outcome stands already."""
    report, did = trace.report, "settled"
    if isinstance(report, WithdrawalReport):
        settle_sent(cycle, call, report)
        if report.status is WithdrawalStatus.FAILED:
            did = "settled: it came back"
        told = f"{report.quantity:f} {report.asset} to {call.step.to_venue}"
    else:
        if report.is_final:
            settle_order(cycle, call, report)
        else:
            did = "noted: it has not ended"
        told = f"{report.side.value} {report.executed_quantity:f} {report.market.code}"
    return Found(
        venue=trace.venue, cycle=cycle.code, own_id=call.client_order_id, what=told, did=did
    )


def _with_step(call: ExchangeCall) -> ExchangeCall:
    """Read a call's step anew: its totals move by expressions."""
    return ExchangeCall.objects.select_related("step").get(pk=call.pk)


def conclude(
    cycle: Cycle, step: Step, history: History, *, unwound_by: Trace | None = None
) -> None:
    """End a step that a later request, or what venues show of it, proves to have ended; `unwound_by`: by a sale instead."""
    if unwound_by is not None and unwound.gives_up(cycle, step, unwound_by, history):
        Step.objects.filter(pk=step.pk).update(state=StepState.ABANDONED)
        return
    step.refresh_from_db()
    if step.kind == StepKind.WITHDRAW:
        _conclude_withdrawal(cycle, step, history)
    elif step.kind == StepKind.DEPOSIT:
        _conclude_deposit(cycle, step, history)
    elif step.kind == StepKind.BUY and not step.quantity_out:
        raise MisfitError(f"step {step.position} shows nothing, and a later one does")
    finish_step(cycle, step)


def _conclude_withdrawal(cycle: Cycle, step: Step, history: History) -> None:
    call = live_withdrawal(step)
    if call is None:
        adopt(cycle, step, only(likely(cycle, step, history), step))
        call = live_withdrawal(step)
    row = history.withdrawal(step.venue, call.venue_order_id) if call else None
    if call is None or row is None or not row.txid or row.status is not WithdrawalStatus.DONE:
        raise MisfitError(f"step {step.position}: its withdrawal has not left by what is shown")
    settle_left(cycle, _with_step(call), row)


def _conclude_deposit(cycle: Cycle, step: Step, history: History) -> None:
    sender = Step.objects.get(cycle=cycle, position=step.position - 1)
    call = live_withdrawal(sender)
    if call is not None:
        call = _with_newest_txid(cycle, call, history)
    credited = _own_credits(step, call, history) if call and call.report["txid"] else ()
    if call is None or not credited:
        raise MisfitError(f"step {step.position}: the credit of what was sent is not shown")
    settle_credit(cycle, step, credited, sent=Decimal(call.report["quantity"]))


def _with_newest_txid(cycle: Cycle, call: ExchangeCall, history: History) -> ExchangeCall:
    """Take the transaction that its venue shows now: one that was dropped may have gone out anew since."""
    row = history.withdrawal(call.venue, call.venue_order_id)
    if row is None or not row.txid or row.status is not WithdrawalStatus.DONE:
        return call
    if is_same_txid(row.txid, call.report["txid"]):
        return call
    settle_left(cycle, _with_step(call), row)
    return _with_step(call)


def _own_credits(step: Step, call: ExchangeCall, history: History) -> Sequence[DepositReport]:
    """Give a withdrawal's part of what its transaction was credited as."""
    txid, mine = call.report["txid"], sharing.sent_by(call)
    along = history.sent_in(call.venue, step.asset, txid)
    others = [(row.venue_withdrawal_id, row.quantity) for row in along]
    rows = history.credits(step.venue, step.asset, txid)
    return sharing.divided(rows, mine, [one for one in others if one[0] != mine[0]])


def likely(cycle: Cycle, step: Step, history: History) -> list[WithdrawalReport]:
    """Give the withdrawals without an id of ours that are exactly what a step would have sent, none of before its cycle."""
    alike = [
        row
        for row in history.unnamed_withdrawals(step.venue)
        if row.asset == step.asset and row.network in {"", step.network}
    ]
    ordered_at = _first_ordered_at(cycle, step.venue, history) if alike else None
    if not alike:
        return []
    rules = {(row.venue, row.asset, row.network): row for row in reference.known_networks()}.get(
        (step.venue, step.asset, step.network)
    )
    held = booking.held_by_cycle(cycle, step.venue, step.asset)
    own = [
        row
        for row in alike
        if rules is not None
        and row.quantity == sendable_quantity(held, replace(rules, withdraw_fee=row.network_fee))
        and not (ordered_at and row.created_at and row.created_at < ordered_at)
    ]
    return unknown(own)


def _first_ordered_at(cycle: Cycle, venue: str, history: History) -> datetime | None:
    """Give when a cycle first ordered at a venue, by that venue's clock, in whole seconds: as some tell their withdrawals."""
    stamps = [
        one.report.created_at
        for one in history.named()
        if one.name and one.name.cycle_id == cycle.pk and one.venue == venue
    ]
    told = [at.replace(microsecond=0) for at in stamps if at]
    return min(told, default=None)


def unknown(rows: Sequence[WithdrawalReport]) -> list[WithdrawalReport]:
    """Give those of withdrawals that no call of the journal stands for, by one read."""
    venues, ids = {row.venue for row in rows}, [row.venue_withdrawal_id for row in rows]
    sent = ExchangeCall.objects.filter(
        venue__in=venues, operation=Operation.WITHDRAW, venue_order_id__in=ids
    ).exclude(venue_order_id="")  # as its index says
    known = set(sent.values_list("venue", "venue_order_id")) if ids else set()
    return [row for row in rows if (row.venue, row.venue_withdrawal_id) not in known]


def only(rows: Sequence[WithdrawalReport], step: Step) -> WithdrawalReport:
    """Give the only one, of those that did not come back; which of several it is a person tells."""
    stand = [row for row in rows if row.status is not WithdrawalStatus.FAILED]
    if len(stand) != 1:
        told = f"{len(stand)} withdrawals" if stand else "no withdrawal"
        raise MisfitError(f"step {step.position}: {told} at {step.venue} can be its own")
    return stand[0]


def adopt(cycle: Cycle, step: Step, row: WithdrawalReport) -> Found:
    """Write a withdrawal without an id of ours as a step's next attempt."""
    step.refresh_from_db()
    trace = Trace(venue=step.venue, report=row, name=None)
    return _written(cycle, step, trace, attempt=step.attempt + 1)
