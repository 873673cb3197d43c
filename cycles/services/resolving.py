"""Ends by hand: an operator states what happened, with evidence, or gives the money up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from django.db.models import TextChoices
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from cycles.domain import postings
from cycles.domain.money import ZERO
from cycles.domain.postings import Line
from cycles.domain.words import (
    AccountOwner,
    CallOutcome,
    CycleStatus,
    PostingKind,
    Verb,
)
from cycles.errors import InvalidInputError, NotAllowedNowError, UnresolvedCallError
from cycles.models import Cycle, ExchangeCall, Intervention
from cycles.services import booking, closing, disclaiming, recovering, seeing, valuing
from cycles.services.calling import Noted, write_outcome
from cycles.services.intervening import Actor, demand_dead_letter, intervene
from cycles.services.locking import in_transaction
from cycles.services.moving import lock_for_operator, move, touch
from exchanges import reference, registry

LONGEST_ERROR = 2000


class ResolutionOutcome(TextChoices):
    """What an operator may state."""

    CALL_ABSENT = "CALL_ABSENT", _("the open request was never accepted")
    COMPLETED = "COMPLETED", _("settled by hand")


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What something the cycle held became, by hand."""

    venue: str
    asset: str
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The statement. `received`, of COMPLETED alone: empty, what the cycle holds goes to the desk as it is."""

    outcome: ResolutionOutcome
    evidence: str
    received: tuple[Received, ...] = ()


def resolve(
    cycle_id: UUID, *, actor: Actor, reason: str, seen_version: int, resolution: Resolution
) -> Intervention:
    """Write down what happened outside of kimp: a call that never was, or a cycle settled by hand."""
    _demand_sound(resolution)
    received = tuple(
        replace(part, venue=part.venue.strip().lower(), asset=part.asset.strip().upper())
        for part in resolution.received
    )
    resolution = replace(resolution, received=received)

    def work() -> Intervention:
        cycle = lock_for_operator(cycle_id, seen_version=seen_version)
        _demand_possible(cycle, received)
        made = intervene(
            Verb.RESOLVE,
            actor=actor,
            reason=reason,
            cycle=cycle,
            seen_version=seen_version,
            payload=_payload(resolution, cycle),
        )
        demand_dead_letter(cycle, Verb.RESOLVE)
        if resolution.outcome is ResolutionOutcome.CALL_ABSENT:
            _close_calls(cycle, resolution.evidence)
            touch(cycle, assignee=actor.user, acknowledged_at=Now())
        else:
            _complete(cycle, actor, made, resolution)
        return made

    return in_transaction(work)


def _demand_sound(resolution: Resolution) -> None:
    """Raise InvalidInputError for a statement without evidence, or one that contradicts itself."""
    if not resolution.evidence.strip():
        raise InvalidInputError("name the evidence: an order id, a txid, a ticket of the venue")
    if resolution.received and resolution.outcome is not ResolutionOutcome.COMPLETED:
        raise InvalidInputError(
            "what its holdings became goes with settled by hand (COMPLETED) only: leave it out to state "
            "that the open request was never accepted"
        )


def _demand_possible(cycle: Cycle, received: tuple[Received, ...]) -> None:
    """Raise InvalidInputError where something cannot be what a venue of the desk has given.

    The books are kept for ever: a name that no venue knows would stand in them, and stop the desk.
    """
    places = [(part.venue, part.asset) for part in received]
    for part in received:
        name = f"{part.quantity} {part.asset} at {part.venue}"
        if part.quantity <= 0:
            raise InvalidInputError(
                "what was received must be above zero: %(what)s is not", what=name
            )
        if part.venue not in registry.desk_venues():
            raise InvalidInputError(
                "there is no venue %(name)r: %(known)s",
                name=part.venue,
                known=", ".join(registry.desk_venues()),
            )
        known = _assets(cycle, part.venue)
        if part.asset not in known:
            raise InvalidInputError(
                "%(venue)s has no %(asset)r that the desk knows: %(known)s",
                venue=part.venue,
                asset=part.asset,
                known=", ".join(sorted(known)),
            )
        if places.count((part.venue, part.asset)) > 1:
            raise InvalidInputError(
                "%(asset)s at %(venue)s is named twice: give its sum",
                asset=part.asset,
                venue=part.venue,
            )


def _assets(cycle: Cycle, venue: str) -> frozenset[str]:
    """Give the assets that a cycle may have got at a venue."""
    held = {held.asset for held in booking.holdings(cycle)}
    known = reference.known_assets() | held | {"USDT"}
    return known | {"KRW"} if venue in registry.korea_venues() else known - {"KRW"}


def _payload(resolution: Resolution, cycle: Cycle) -> dict[str, object]:
    """Give what the intervention keeps of a statement."""
    return {
        "outcome": resolution.outcome.value,
        "evidence": resolution.evidence,
        "requests": [call.client_order_id for call in _stated_of(resolution, cycle)],
        "received": [
            {"venue": part.venue, "asset": part.asset, "quantity": str(part.quantity)}
            for part in resolution.received
        ],
    }


def _stated_of(resolution: Resolution, cycle: Cycle) -> list[ExchangeCall]:
    """Give the requests that a statement is about. What the holdings became tells also what came of every request."""
    if resolution.outcome is ResolutionOutcome.CALL_ABSENT:
        calls, lost = disclaiming.would_state(cycle)
        return [*calls, *lost]
    return disclaiming.unended(cycle)[1] if resolution.received else []


def _close_calls(cycle: Cycle, evidence: str) -> None:
    """Close what has no known outcome, on a person's evidence: nobody sees that before its time.

    An open call was never accepted; of an order that was, and that its venue never showed, nothing came.
    """
    calls, lost = disclaiming.would_state(cycle)
    if not calls and not lost:
        raise NotAllowedNowError("%(code)s has no request with an unknown outcome", code=cycle.code)
    if why := disclaiming.objection(cycle):
        raise NotAllowedNowError(why)
    for call in calls:
        write_outcome(call, Noted(outcome=CallOutcome.ABSENT, error=_told(call, evidence)))
    _settle(lost, evidence)


def _settle(calls: Sequence[ExchangeCall], evidence: str) -> None:
    """Book nothing more of accepted requests, on a person's word; looks alone told so of one that is open.

    What is learnt of a dead letter's request makes a form stale: who filled it in has seen all of that.
    """
    for call in calls:
        if call.outcome != CallOutcome.DONE:
            write_outcome(call, Noted(outcome=CallOutcome.DONE, report=seeing.told_of(call)))
        told = _told(call, evidence)
        ExchangeCall.objects.filter(pk=call.pk).update(is_settled=True, error=told)


def _told(call: ExchangeCall, evidence: str) -> str:
    """Give what a person states of a call, after what was known of it."""
    stated = f"by an operator: {evidence}"
    return (f"{call.error}; {stated}" if call.error else stated)[:LONGEST_ERROR]


def is_stated_absent(cycle: Cycle) -> bool:
    """Say whether a person has stated of a dead letter, since it died, that its open request never was."""
    return Intervention.objects.filter(
        cycle=cycle,
        verb=Verb.RESOLVE,
        payload__outcome=ResolutionOutcome.CALL_ABSENT.value,
        at__gte=cycle.status_since,
    ).exists()


def _demand_settled(cycle: Cycle) -> None:
    """Raise while something that a venue accepted is missing in the ledger."""
    if recovering.open_calls(cycle) or recovering.unsettled_calls(cycle):
        raise UnresolvedCallError(
            "%(code)s has a request that its venue accepted and the ledger does not know yet: redrive it, so that "
            "it is settled first, or state as settled by hand all that its holdings became",
            code=cycle.code,
        )


def _complete(cycle: Cycle, actor: Actor, made: Intervention, resolution: Resolution) -> None:
    """Book what the holdings became, hand it to the desk, and complete the cycle."""
    calls, _accepted = disclaiming.unended(cycle)
    if calls:
        raise UnresolvedCallError(
            "%(code)s has a request with an unknown outcome: state first whether it was accepted",
            code=cycle.code,
        )
    _settle(_stated_of(resolution, cycle), resolution.evidence)
    _demand_settled(cycle)
    if resolution.received:
        booking.post(
            f"resolved:{cycle.pk}:{made.pk}",
            PostingKind.RESOLVED,
            _replaced(cycle, resolution.received),
            cycle=cycle,
            memo=resolution.evidence[:200],
        )
    _leave_flight(cycle, made)
    closing.close(
        cycle,
        CycleStatus.COMPLETED,
        event=Verb.RESOLVE.value,
        actor=actor.name,
        reason=made.reason,
    )


def _replaced(cycle: Cycle, received: tuple[Received, ...]) -> list[Line]:
    """Give the lines that turn all the cycle owns into what was received, through conversion."""
    lines: list[Line] = []
    for held in booking.holdings(cycle):
        lines += [
            Line(held.venue, held.asset, held.owner, -held.quantity),
            Line(held.venue, held.asset, AccountOwner.CONVERSION, held.quantity),
        ]
    for part in received:
        lines += [
            Line(part.venue, part.asset, AccountOwner.CYCLE, part.quantity),
            Line(part.venue, part.asset, AccountOwner.CONVERSION, -part.quantity),
        ]
    return postings.summed(lines)


def _leave_flight(cycle: Cycle, made: Intervention) -> None:
    """Count what is in flight or in suspense as arrived: the operator says that all is settled.

    What was credited beyond what was sent stands in suspense below zero: it is there, and is earned with that.
    """
    lines: list[Line] = []
    for held in booking.holdings(cycle):
        if held.owner is AccountOwner.CYCLE:
            continue
        target = AccountOwner.CYCLE if held.quantity > 0 else AccountOwner.CONVERSION
        lines += postings.moved(
            held.venue, held.asset, held.quantity, origin=held.owner, target=target
        )
    booking.post(
        f"arrived:{cycle.pk}:{made.pk}", PostingKind.RESOLVED, postings.summed(lines), cycle=cycle
    )


def write_off(
    cycle_id: UUID, *, actor: Actor, reason: str, seen_version: int, evidence: str = ""
) -> Intervention:
    """Give up everything the cycle owns; a request that is open, or not booked yet, needs evidence that it is over."""

    def work() -> Intervention:
        cycle = lock_for_operator(cycle_id, seen_version=seen_version)
        calls, accepted = disclaiming.unended(cycle)
        requests = [call.client_order_id for call in calls or accepted]
        made = intervene(
            Verb.WRITE_OFF,
            actor=actor,
            reason=reason,
            cycle=cycle,
            seen_version=seen_version,
            payload={"evidence": evidence, "requests": requests},
        )
        demand_dead_letter(cycle, Verb.WRITE_OFF)
        _end_requests(cycle, evidence)
        _give_up(cycle, actor, made)
        return made

    return in_transaction(work)


def _end_requests(cycle: Cycle, evidence: str) -> None:
    """End what is open, or else what is accepted and not booked, on evidence: never both, as with a statement."""
    calls, accepted = disclaiming.unended(cycle)
    if calls and not evidence.strip():
        raise UnresolvedCallError(
            "%(code)s has a request with an unknown outcome: name the evidence that it is over",
            code=cycle.code,
        )
    if calls:
        _close_calls(cycle, evidence)
        _demand_settled(cycle)
        return
    if accepted and not evidence.strip():
        raise UnresolvedCallError(
            "%(code)s has a request that its venue accepted and the ledger does not know yet: redrive it, so that "
            "it is settled first, or name the evidence that all of it is lost",
            code=cycle.code,
        )
    _settle(accepted, evidence)


def _give_up(cycle: Cycle, actor: Actor, made: Intervention) -> None:
    """Post everything to written off and fail the cycle."""
    held = booking.holdings(cycle)
    lines = postings.handed_over_lines(held, target=AccountOwner.WRITTEN_OFF)
    booking.post(
        f"write_off:{cycle.pk}", PostingKind.WRITE_OFF, lines, cycle=cycle, memo=made.reason[:200]
    )
    usdt, krw = closing.realised_pnl(cycle, valuing.prices_for(cycle))
    move(
        cycle,
        CycleStatus.FAILED,
        event=Verb.WRITE_OFF.value,
        actor=actor.name,
        reason=made.reason,
        realised_pnl_usdt=usdt,
        realised_pnl_krw=krw,
        money_at_risk_krw=ZERO,
    )
