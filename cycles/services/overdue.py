"""How long a transfer may take: what takes longer is told, and nothing is assumed of it."""

from __future__ import annotations

from datetime import datetime, timedelta

from cycles import conf
from cycles.domain.words import FailureClass
from cycles.models import Alert, ExchangeCall, Step
from cycles.services.alerting import raise_alert
from exchanges import reference


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
