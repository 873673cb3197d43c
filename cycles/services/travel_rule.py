"""Held deposits: a venue is told whose account they came from, at most once per ten minutes and deposit.

The attempt is written before it is made, by the database's clock, so that neither another process nor this
one after a crash asks again too early; what the venue does not believe is a person's.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from django.db.models import F
from django.db.models.functions import Now

from cycles import conf
from cycles.domain.progress import Progress, failed, waiting
from cycles.domain.words import FailureClass
from cycles.models import Alert, Cycle, DepositVerification, Step
from cycles.services.alerting import raise_alert
from exchanges import registry
from exchanges.errors import NotSentError, RefusedError, ThrottledError, VenueError
from exchanges.values import DepositReport, DepositStatus

AGAIN_SECONDS = Decimal(600)  # the venue's own limit, of market time
WHAT_TO_DO = (
    "Confirm the sender in the venue's own pages (same name and birth date at both venues), or ask its "
    "support; then let the cycle go on."
)
Outcome = DepositVerification.Outcome


def release(cycle: Cycle, step: Step, deposit: DepositReport, *, sender: str) -> Progress:
    """Verify a deposit that is held for want of its sender, or say what a person has to do.

    A wait has no delay of its own: the deposit is looked at as any other.
    """
    mine = _claim(step, deposit, sender)
    if mine is not None:
        return _told(cycle, mine, deposit)
    kept = DepositVerification.objects.get(
        venue=deposit.venue, venue_deposit_id=deposit.venue_deposit_id
    )
    return _progress(kept)


def _told(cycle: Cycle, mine: DepositVerification, deposit: DepositReport) -> Progress:
    """Tell the venue and go by what it says; by a newer attempt's outcome where this process slept meanwhile."""
    if _ask(mine, deposit):
        _tell_held(cycle, mine)
    else:
        mine.refresh_from_db()
    return _progress(mine)


def _claim(step: Step, deposit: DepositReport, sender: str) -> DepositVerification | None:
    """Take the next attempt for this process; None while the last one is too young."""
    row, is_new = DepositVerification.objects.get_or_create(
        venue=deposit.venue,
        venue_deposit_id=deposit.venue_deposit_id,
        defaults={"step": step, "sender": sender, "asked_at": Now()},
    )
    if is_new:
        return row
    due = DepositVerification.objects.filter(
        pk=row.pk, asked_at__lte=Now() - conf.scaled(AGAIN_SECONDS)
    )
    taken = due.update(asked_at=Now(), attempts=F("attempts") + 1, outcome=Outcome.ASKED, detail="")
    if not taken:
        return None
    row.refresh_from_db()
    return row


def _ask(row: DepositVerification, deposit: DepositReport) -> bool:
    """Tell the venue, once, and write down what it said; a lost reply counts as an attempt.

    False where a newer attempt has been made meanwhile: what came of that stays.
    """
    try:
        found = registry.venue(row.venue).verify_deposit(deposit, sender=row.sender)
    except RefusedError as error:
        row.outcome, row.detail = Outcome.REFUSED, str(error)
    except (NotSentError, ThrottledError) as error:
        row.outcome, row.detail = Outcome.UNKNOWN, f"not asked: {error}"
    except VenueError as error:
        row.outcome, row.detail = Outcome.UNKNOWN, str(error)
    else:
        is_held = found.status in {DepositStatus.HELD, DepositStatus.FAILED}
        row.outcome, row.detail = (Outcome.HELD if is_held else Outcome.RELEASED), found.detail
    row.detail = row.detail[:200]
    newest = DepositVerification.objects.filter(pk=row.pk, attempts=row.attempts)
    return bool(newest.update(outcome=row.outcome, detail=row.detail))


def _progress(row: DepositVerification) -> Progress:
    """Wait where the venue may yet release it, or was not heard; else it is a person's."""
    if row.outcome in {Outcome.HELD, Outcome.REFUSED}:
        return failed(
            FailureClass.TRAVEL_RULE_HOLD,
            f"{row.venue} holds the deposit: told that it came from {row.sender} it said "
            f"{row.detail!r}. {WHAT_TO_DO}",
        )
    return waiting(timedelta(0), f"{row.venue} was told where the deposit came from")


def _tell_held(cycle: Cycle, row: DepositVerification) -> None:
    """Tell people once per deposit that they are needed."""
    if row.outcome not in {Outcome.HELD, Outcome.REFUSED}:
        return
    raise_alert(
        key=f"travel-rule:{row.venue}:{row.venue_deposit_id}",
        severity=Alert.Severity.WARNING,
        title=f"{cycle.code}: {row.venue} holds a deposit under the travel rule",
        body=f"Told that it came from {row.sender}, it said {row.detail!r}. {WHAT_TO_DO}",
        cycle=cycle,
    )
