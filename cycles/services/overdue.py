"""Waiting for a transfer under way: what takes longer than it should is told, and nothing is assumed of it."""

from __future__ import annotations

from datetime import datetime, timedelta

from cycles import conf
from cycles.domain.progress import Progress, Turn, not_asked, waiting
from cycles.domain.words import FailureClass, WatchKind
from cycles.models import Alert, ExchangeCall, Step
from cycles.services import looking
from cycles.services.alerting import raise_alert
from exchanges import reference
from exchanges.errors import VenueError


def poll_delay() -> timedelta:
    """Give how long a transfer is left alone, unless its cycle is woken: it reads what was seen."""
    return looking.pace(WatchKind.DEPOSITS)


def waiting_for(step: Step, call: ExchangeCall, reason: str) -> Progress:
    """Wait; beyond the route's measured time alert, and assume nothing."""
    age = overdue_by(call)
    if age is not None:
        tell(step, call, age)
    return waiting(poll_delay(), reason)


def untold(step: Step, call: ExchangeCall, error: VenueError) -> Progress:
    """Wait on while a venue tells nothing of a transfer under way: no retry can hasten it, and nothing is at stake.

    A key that may not even read is a person's to mend.
    """
    progress = not_asked(step.venue, error)
    if progress.turn is Turn.WAIT or progress.failure is FailureClass.KEY_REJECTED:
        return progress
    return waiting_for(step, call, progress.reason)


def overdue_by(call: ExchangeCall, *, at: datetime | None = None) -> timedelta | None:
    """Give a withdrawal's age, now or at an instant, once it is beyond its route's measured time."""
    sender = call.step
    most = reference.overdue_seconds(sender.asset, sender.venue, sender.to_venue, sender.network)
    if most is None:
        return None
    age: timedelta = at - call.intended_at if at else vars(call)["age"]  # annotated
    return age if age > conf.scaled(most) else None


def tell(step: Step, call: ExchangeCall, age: timedelta) -> None:
    """Tell people once that a transfer takes longer than its network ever should."""
    raise_alert(
        key=f"overdue:{call.client_order_id}",
        severity=Alert.Severity.CRITICAL,
        title=f"{call.cycle.code}: transfer of {step.asset} is overdue",
        body=(
            f"Class: {FailureClass.TRANSFER_OVERDUE.value}\n"
            f"{call.venue} > {call.step.to_venue} on {call.step.network}, sent {age} ago. "
            "Nothing is assumed: the cycle keeps waiting for the credit."
        ),
        cycle=call.cycle,
    )
