"""What a verb would do, before it is done: shown by every door."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext as _

from cycles.domain.postings import Holding
from cycles.domain.recovery import Option, OptionKind
from cycles.domain.words import CycleStatus, Verb
from cycles.errors import NotFoundError
from cycles.models import Cycle, ExchangeCall
from cycles.services import booking, disclaiming, recovering
from exchanges.sentences import Sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Effects, limits and options of one verb on one cycle now."""

    verb: Verb
    cycle: Cycle
    is_possible: bool
    why_not: str
    status_after: str
    effects: tuple[str, ...]
    will_not: tuple[str, ...]
    holdings: tuple[Holding, ...]
    open_calls: tuple[ExchangeCall, ...]
    options: tuple[Option, ...]


Texts = tuple[str, tuple[str, ...], tuple[str, ...]]


def preview(verb: Verb, cycle_id: UUID) -> Preview:
    """Say what a verb would do to a cycle; changes nothing."""
    cycle = Cycle.objects.filter(pk=cycle_id).select_related("policy", "assignee").first()
    if cycle is None:
        raise NotFoundError("there is no cycle %(id)s", id=cycle_id)
    options = recovering.options(cycle)
    calls = tuple(recovering.open_calls(cycle))
    why_not = _objection(verb, cycle, options)
    status_after, effects, will_not = TEXTS[verb](cycle)
    return Preview(
        verb=verb,
        cycle=cycle,
        is_possible=not why_not,
        why_not=why_not,
        status_after=status_after,
        effects=effects,
        will_not=will_not,
        holdings=booking.holdings(cycle),
        open_calls=calls,
        options=options,
    )


def _objection(verb: Verb, cycle: Cycle, options: tuple[Option, ...]) -> str:
    """Give what speaks against the verb, or nothing."""
    if cycle.status != CycleStatus.DEAD_LETTER:
        return Sentence("%(code)s is not a dead letter", code=cycle.code)
    if verb is Verb.UNWIND:
        return next(o.why_not for o in options if o.kind is OptionKind.UNWIND)
    return ""


def _redrive(cycle: Cycle) -> Texts:
    return (
        CycleStatus.RETRY_PENDING,
        (
            _("It goes on as %(status)s, at the step where it stopped.")
            % {"status": cycle.get_resume_status_display()},
            _("The retry count starts anew."),
            _("A request with an unknown outcome is looked up first, never sent again."),
        ),
        (_("It does not place an order now, change its plan or its history."),),
    )


def _unwind(cycle: Cycle) -> Texts:
    return (
        CycleStatus.RETRY_PENDING,
        (
            _("Its coins are sold back where they are, at market, within a widening limit."),
            _(
                "Then it ends with its money at the desk, as FAILED unless it had come home, or waits on with KRW in hand."
            ),
        ),
        (_("It does not move coins between venues."),),
    )


def _resolve(cycle: Cycle) -> Texts:
    return (
        CycleStatus.COMPLETED,
        (
            _("You state what happened outside of kimp; your evidence is kept."),
            _("Settled by hand: what you name replaces its holdings and goes to the desk."),
            *_settled_with(cycle),
            _never_accepted(cycle),
        ),
        (_("It asks no venue and moves no money."),),
    )


def _settled_with(cycle: Cycle) -> tuple[str, ...]:
    """Say which accepted requests end by that too, or why it is refused."""
    calls, accepted = disclaiming.unended(cycle)
    if calls:
        text = _(
            "Settled by hand: refused while %(calls)s is open: state first whether it was accepted, or redrive."
        )
        return (text % {"calls": _named(calls)},)
    if not accepted:
        return ()
    text = _(
        "By that nothing more is booked of %(calls)s: name all that came of it, and see that it is over at its venue."
    )
    return (*_learnt_late(cycle), text % {"calls": _named(accepted)})


def _learnt_late(cycle: Cycle) -> tuple[str, ...]:
    """Say of which requests something was learnt that nobody knew when the cycle died."""
    calls = disclaiming.learnt_late(cycle)
    text = _(
        "Of %(calls)s something was learnt only after the cycle died: a redrive settles what came of it."
    )
    return (text % {"calls": _named(calls)},) if calls else ()


def _never_accepted(cycle: Cycle) -> str:
    """Say which requests the statement would be about, or why it is refused."""
    calls, lost = disclaiming.would_state(cycle)
    if why := disclaiming.objection(cycle):
        return Sentence("Never accepted: cannot be stated now: %(why)s", why=why)
    if calls:
        text = _("Never accepted: stated of %(calls)s alone; the cycle stays a dead letter.")
    elif any(disclaiming.was_seen(order) for order in lost):
        text = _(
            "Never accepted: states that nothing came of %(calls)s, which was accepted and seen resting, and is not found any more; the cycle stays a dead letter."
        )
    elif lost:
        text = _(
            "Never accepted: states that nothing came of %(calls)s, which was accepted and never shown; the cycle stays a dead letter."
        )
    else:
        return _("Never accepted: the open request is closed and the cycle stays a dead letter.")
    return text % {"calls": _named((*calls, *lost))}


def _named(calls: Sequence[ExchangeCall]) -> str:
    """Name requests in a sentence."""
    named = _("%(operation)s %(call)s at %(venue)s")
    return ", ".join(
        named
        % {
            "operation": call.get_operation_display(),
            "call": call.client_order_id,
            "venue": call.venue,
        }
        for call in calls
    )


def _write_off(cycle: Cycle) -> Texts:
    return (
        CycleStatus.FAILED,
        (
            _("Everything it owns is posted to written off: a loss."),
            _("The cycle ends as FAILED and cannot be revived."),
            *_given_up_with(cycle),
        ),
        (_("It does not look for the money, nor sell anything."),),
    )


def _given_up_with(cycle: Cycle) -> tuple[str, ...]:
    """Say which requests end by that too, and as what, or why it is refused."""
    calls, accepted = disclaiming.unended(cycle)
    if calls and accepted:
        text = _("Refused while %(calls)s is not booked and another request is open: redrive.")
        return (text % {"calls": _named(accepted)},)
    if calls and (why := disclaiming.objection(cycle)):
        return (Sentence("Cannot be written off now: %(why)s", why=why),)
    if calls:
        text = _("With evidence %(calls)s, which is open, ends as never accepted.")
        return (text % {"calls": _named(calls)},)
    if not accepted:
        return ()
    text = _(
        "With evidence nothing more is booked of %(calls)s, which was accepted: whatever came of it is given up."
    )
    return (*_learnt_late(cycle), text % {"calls": _named(accepted)})


def _acknowledge(cycle: Cycle) -> Texts:
    return (
        "",
        (_("It is assigned to you, and others see that."),),
        (_("It does not change status or plan."),),
    )


TEXTS: dict[Verb, Callable[[Cycle], Texts]] = {
    Verb.REDRIVE: _redrive,
    Verb.UNWIND: _unwind,
    Verb.RESOLVE: _resolve,
    Verb.WRITE_OFF: _write_off,
    Verb.ACKNOWLEDGE: _acknowledge,
}
