"""WITHDRAW and DEPOSIT steps: coins leave for a registered address of our own and are credited there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import structlog
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from cycles.domain.plan import client_order_id, is_lost, is_too_much, sendable_quantity
from cycles.domain.progress import GO_ON, Progress, Turn, failed, waiting
from cycles.domain.shown import plain
from cycles.domain.words import CallOutcome, FailureClass, Operation, StepKind, StepState
from cycles.models import Cycle, ExchangeCall, Step
from cycles.services import (
    booking,
    calling,
    overdue,
    reacting,
    retrying,
    seeing,
    sharing,
    travel_rule,
)
from cycles.services.calling import Noted
from cycles.services.intents import withdrawal_intent
from cycles.services.locking import in_transaction
from cycles.services.moving import Lease, lock_for_decision
from cycles.services.seeing import Sight
from cycles.services.settling import (
    finish_step,
    is_covered,
    sent_settlement,
    settle_credit,
    settle_left,
    settle_returned,
    settle_sent,
)
from cycles.services.sighting import is_same_txid
from exchanges import destinations, reference, registry
from exchanges.errors import VenueError
from exchanges.models import RegisteredAddress
from exchanges.values import (
    DepositReport,
    DepositStatus,
    NetworkRules,
    WithdrawalReport,
    WithdrawalRequest,
    WithdrawalStatus,
)

log = structlog.get_logger(__name__)


def live_withdrawal(step: Step) -> ExchangeCall | None:
    """Give the accepted withdrawal that this step stands on, unless the venue gave it back."""
    call = (
        _aged()
        .filter(step=step, operation=Operation.WITHDRAW, outcome=CallOutcome.DONE)
        .order_by("-attempt")
        .first()
    )
    if call is None or call.report["status"] == WithdrawalStatus.FAILED.value:
        return None
    return call


def _aged() -> QuerySet[ExchangeCall]:
    """Give calls with their age, by the database's clock: a host's own may be wrong by hours."""
    return ExchangeCall.objects.annotate(age=Now() - F("intended_at"))


def withdraw(lease: Lease, cycle: Cycle, step: Step) -> Progress:
    """Send the step's withdrawal, or see how the one that was sent is doing."""
    call = live_withdrawal(step) if step.attempt else None
    if call is None:
        return _send(lease, cycle, step)
    return _follow(lease, step, call)


def settle_accepted(lease: Lease, call: ExchangeCall) -> Progress:
    """Settle a withdrawal that was adopted by reconciling: its report stands in the journal."""
    report = _stored_report(call)

    def work() -> None:
        cycle = lock_for_decision(lease)
        settle_sent(cycle, ExchangeCall.objects.select_related("step").get(pk=call.pk), report)

    in_transaction(work)
    return _came_back(call) if report.status is WithdrawalStatus.FAILED else GO_ON


def _came_back(call: ExchangeCall) -> Progress:
    """Leave it to the ladder when a withdrawal that was given back is sent anew."""
    return failed(
        FailureClass.WALLET_CLOSED,
        f"{call.venue} gave the withdrawal {call.client_order_id} back",
    )


def _stored_report(call: ExchangeCall) -> WithdrawalReport:
    """Read the journal's report back; the quantities are what the ledger needs."""
    kept = call.report
    return WithdrawalReport(
        venue=call.venue,
        venue_withdrawal_id=kept["venue_withdrawal_id"],
        client_withdrawal_id=kept["client_withdrawal_id"],
        asset=kept["asset"],
        network=kept["network"],
        quantity=Decimal(kept["quantity"]),
        network_fee=Decimal(kept["network_fee"]),
        status=WithdrawalStatus(kept["status"]),
        txid=kept["txid"],
        address=None,
        created_at=None,
    )


def _send(lease: Lease, cycle: Cycle, step: Step) -> Progress:
    """Check both wallets, then intend, send once and note."""
    now = registry.utc_now()
    rules = reference.network_rules(step.venue, step.asset, step.network, now)
    arrival = reference.network_rules(step.to_venue, step.asset, step.network, now)
    if not (rules.withdraw_is_open and arrival.deposit_is_open):
        shut = step.venue if not rules.withdraw_is_open else step.to_venue
        return failed(FailureClass.WALLET_CLOSED, f"the {step.asset} wallet of {shut} is closed")
    held = booking.held_by_cycle(cycle, step.venue, step.asset)
    quantity = sendable_quantity(held, rules)
    if not quantity:
        return failed(
            FailureClass.REFUSED_RULES,
            f"{held} {step.asset} is less than {step.venue} sends ({rules.withdraw_minimum} after fee)",
        )
    misfit = _misfit(quantity, rules, arrival)
    if misfit:
        return failed(FailureClass.REFUSED_RULES, misfit)
    address = destinations.confirmed_address(
        step.venue, step.to_venue, step.asset, step.network, now
    )
    if arrival.memo_is_required and not address.memo:
        return failed(
            FailureClass.POLICY_DENIED,
            f"our {step.asset} address at {step.to_venue} has no memo, and {step.network} wants one",
        )
    return _request(lease, cycle, step, quantity, (rules, address))


def _misfit(quantity: Decimal, rules: NetworkRules, arrival: NetworkRules) -> str:
    """Say why a quantity must not be sent although the sender would take it; nothing if it may."""
    if is_too_much(quantity, rules):
        return (
            f"{rules.venue} sends {rules.withdraw_maximum} {rules.asset} at most in one withdrawal"
        )
    if is_lost(quantity, arrival):
        return (
            f"{arrival.venue} does not credit less than {arrival.deposit_minimum} {arrival.asset}: "
            f"{plain(quantity)} would be lost"
        )
    return ""


def _request(
    lease: Lease,
    cycle: Cycle,
    step: Step,
    quantity: Decimal,
    terms: tuple[NetworkRules, RegisteredAddress],
) -> Progress:
    """Send one withdrawal to a registered address."""
    rules, address = terms
    request = WithdrawalRequest(
        destination=address.destination,
        quantity=quantity,
        network_fee=rules.withdraw_fee,
        client_withdrawal_id=client_order_id(
            cycle.pk, position=step.position, attempt=step.attempt + 1
        ),
    )
    call = calling.intend(lease, step, withdrawal_intent(request, address))
    request = replace(request, send_before=calling.send_before(call))
    noted = calling.called(call, lambda: registry.venue(step.venue).withdraw(request))

    pace = overdue.poll_delay()
    is_back = _note_sent(lease, cycle, call, noted, wake_in=pace)
    if isinstance(noted.report, WithdrawalReport) and (
        noted.report.status is WithdrawalStatus.FAILED
    ):
        return _came_back(call)
    if noted.outcome == CallOutcome.DONE:
        return waiting(pace, "the withdrawal was sent", is_handed_back=is_back)
    return calling.after(noted, call, f"withdrawal of {step.asset} from {step.venue}")


def _note_sent(
    lease: Lease, cycle: Cycle, call: ExchangeCall, noted: Noted, *, wake_in: timedelta
) -> bool:
    """Note a withdrawal; one that was accepted is settled by what the cycle was seen to own, or under its lock.

    True where the cycle has been handed back with that: nothing is left to do but to wait.
    """
    report = noted.report
    if not isinstance(report, WithdrawalReport):
        calling.note(lease, call, noted)
        return False
    if report.status is not WithdrawalStatus.FAILED:
        sent = sent_settlement(cycle, call, report)
        settlement = replace(sent, version=cycle.version + 1, wake_in=wake_in)
        if is_covered(settlement, booking.holdings(cycle)) and calling.book(
            lease, call, noted, settlement
        ):
            return True
    calling.note(lease, call, noted, lambda locked, written: settle_sent(locked, written, report))
    return False


def _follow(lease: Lease, step: Step, call: ExchangeCall) -> Progress:
    """Look at an accepted withdrawal: still pending, gone with a txid, or given back."""
    try:
        row = _seen(call)
    except VenueError as error:
        return overdue.untold(step, call, error)
    if row is None or row.status is WithdrawalStatus.PENDING:
        return overdue.waiting_for(step, call, "the withdrawal has not left yet")
    if row.status is WithdrawalStatus.FAILED:
        return _given_back(lease, call, row)
    if not row.txid:  # the credit is found by it, and nothing else
        return overdue.waiting_for(step, call, "the withdrawal has no transaction id yet")

    quoted = Decimal(call.request["network_fee"])

    def work() -> None:
        cycle = lock_for_decision(lease)
        written = ExchangeCall.objects.select_related("step").get(pk=call.pk)
        settle_left(cycle, written, row)
        finish_step(cycle, step)

    in_transaction(work)
    if row.network_fee != quoted:
        reacting.terms_changed(step.venue, step.asset)
    return GO_ON


def _seen(call: ExchangeCall) -> WithdrawalReport | None:
    """Give an accepted withdrawal as its venue last showed it."""
    rows = seeing.withdrawals(call).rows
    return next((row for row in rows if row.venue_withdrawal_id == call.venue_order_id), None)


def _given_back(lease: Lease, call: ExchangeCall, row: WithdrawalReport) -> Progress:
    """Undo a withdrawal in the ledger that its venue cancelled or rejected."""

    def work() -> None:
        cycle = lock_for_decision(lease)
        written = ExchangeCall.objects.select_related("step").get(pk=call.pk)
        settle_returned(cycle, written, row)

    in_transaction(work)
    return _came_back(call)


def deposit(lease: Lease, cycle: Cycle, step: Step) -> Progress:
    """Look for the credit of what was sent, by txid; settle it for what it is."""
    sender = Step.objects.get(cycle=cycle, position=step.position - 1, kind=StepKind.WITHDRAW)
    call = live_withdrawal(sender)
    if call is None:
        return failed(FailureClass.BUG, "a DEPOSIT step without an accepted withdrawal")
    try:
        sight = seeing.deposits(step.venue, call)
        mine = sharing.own_part(call, sight)
        if mine == () and overdue.overdue_by(call) is not None:
            sender_says = _asked_again(call)
            if sender_says is not None and sender_says.status is WithdrawalStatus.FAILED:
                return _came_back_late(lease, call, sender_says)
            call = _with_newest_txid(lease, call, sender_says)
            sight = seeing.deposits(step.venue, call)
            mine = sharing.own_part(call, sight)
    except VenueError as error:
        return overdue.untold(step, call, error)
    if mine is None:
        return overdue.waiting_for(step, call, "what else left in the transaction is looked for")
    if sight.rows and not mine:
        return _not_mine(step, call, sight)
    return _credited(lease, cycle, step, call, replace(sight, rows=mine))


def _credited(
    lease: Lease, cycle: Cycle, step: Step, call: ExchangeCall, mine: Sight[DepositReport]
) -> Progress:
    """Settle what was credited of a withdrawal, once that is all, or wait."""
    credited = [row for row in mine.rows if row.status is DepositStatus.CREDITED]
    sent = Decimal(call.report["quantity"])
    total = sum((row.quantity for row in credited), Decimal(0))
    # Less than was sent may be the first of several parts: it is settled once nothing more can come.
    is_all = len(credited) == len(mine.rows) and _is_late(call, mine)
    if credited and (total >= sent or is_all):
        return _settle(lease, step, credited, sent)
    return _not_yet(cycle, step, call, mine.rows)


def _is_late(call: ExchangeCall, sight: Sight[DepositReport]) -> bool:
    """Say whether a look began once nothing more could come."""
    return sight.as_of is not None and overdue.overdue_by(call, at=sight.as_of) is not None


def _not_mine(step: Step, call: ExchangeCall, sight: Sight[DepositReport]) -> Progress:
    """Wait while what a transaction brought is others'; whose it is that nobody sent is a person's to say."""
    if _is_late(call, sight) and not sharing.are_of_others(call, sight.rows):
        return failed(
            FailureClass.CREDIT_MISMATCH,
            f"{step.venue} credited other quantities than were sent in one transaction: whose they are it does not tell",
        )
    return overdue.waiting_for(step, call, "the deposit is not credited yet")


def _asked_again(call: ExchangeCall) -> WithdrawalReport | None:
    """Give what the sender says of a withdrawal that has left and does not arrive."""
    try:
        return _seen(call)
    except VenueError:
        return None  # the next look asks again


def _came_back_late(lease: Lease, call: ExchangeCall, row: WithdrawalReport) -> Progress:
    """Undo a withdrawal that its venue gave back after it had left: a person looks before it is sent again.

    It is theirs in the same commit: who found it undone only would send it at once.
    """
    found = failed(
        FailureClass.UNKNOWN_WITHDRAWAL,
        f"{call.venue} gave the withdrawal {call.client_order_id} back after it had told its transaction: "
        "see that it does not arrive after all, then redrive",
    )

    def work() -> Progress:
        cycle = lock_for_decision(lease)
        settle_returned(cycle, ExchangeCall.objects.select_related("step").get(pk=call.pk), row)
        Step.objects.filter(pk=call.step_id).update(state=StepState.RUNNING, settled_at=None)
        return retrying.fail_within(cycle, found, actor=lease.owner)

    return in_transaction(work)


def _with_newest_txid(
    lease: Lease, call: ExchangeCall, row: WithdrawalReport | None
) -> ExchangeCall:
    """Take the transaction that the sender names now: one that was dropped goes out under another id."""
    if row is None or not row.txid or is_same_txid(row.txid, call.report["txid"]):
        return call

    def work() -> None:
        cycle = lock_for_decision(lease)
        settle_left(cycle, ExchangeCall.objects.select_related("step").get(pk=call.pk), row)

    in_transaction(work)
    log.warning("withdrawal.sent_anew", client_order_id=call.client_order_id, txid=row.txid)
    return _aged().select_related("step").get(pk=call.pk)


def _settle(lease: Lease, step: Step, credited: Sequence[DepositReport], sent: Decimal) -> Progress:
    """Post the credit; a difference stands in suspense, and stops the cycle for a person with that."""

    def work() -> Progress:
        cycle = lock_for_decision(lease)
        difference = settle_credit(cycle, step, credited, sent=sent)
        finish_step(cycle, step)
        if not difference:
            return GO_ON
        told = f"{step.venue} credited {plain(difference)} {step.asset} less than was sent"
        found = failed(FailureClass.CREDIT_MISMATCH, told)
        return retrying.fail_within(cycle, found, actor=lease.owner)

    return in_transaction(work)


def _not_yet(
    cycle: Cycle, step: Step, call: ExchangeCall, mine: Sequence[DepositReport]
) -> Progress:
    """Wait for a credit, or say why waiting is not enough."""
    held = [row for row in mine if row.status in {DepositStatus.HELD, DepositStatus.FAILED}]
    if held and held[0].wants_sender:
        progress = travel_rule.release(cycle, step, held[0], sender=call.venue)
        is_waiting = progress.turn is Turn.WAIT
        return overdue.waiting_for(step, call, progress.reason) if is_waiting else progress
    if held:
        return failed(
            FailureClass.TRAVEL_RULE_HOLD,
            f"{step.venue} holds the deposit ({held[0].detail}): it wants a person",
        )
    return overdue.waiting_for(step, call, "the deposit is not credited yet")
