"""Whether this database is where it was last in step with the venues: a restored one is not.

The database compares by itself and refuses intents (cycles/sql/home.sql); here is what follows from it.
"""

from __future__ import annotations

from django.db import connection
from django.utils.translation import gettext_noop

from cycles.models import Alert, Desk
from cycles.services.alerting import raise_alert

AWAY = gettext_noop(
    "this database was restored, or is a standby that took over, and has not caught up with the venues"
)


def here() -> str:
    """Read where this database is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT kimp_home()")
        home: str = cursor.fetchone()[0]
    return home


def is_at_home() -> bool:
    """Say whether the desk is in step with its venues here; so is a database without a desk."""
    homes = Desk.objects.values_list("home", flat=True)
    return all(home == here() for home in homes)


def leave() -> None:
    """Say that the desk is not in step: no intent is written until it is settled again."""
    Desk.objects.filter(pk=1).update(home="")


def settle() -> None:
    """Say that the desk is in step with its venues here."""
    Desk.objects.filter(pk=1).update(home=here())


def tell_away() -> None:
    """Tell people, once for each place, that the database is another, in the caller's transaction."""
    raise_alert(
        key=f"away:{here()}",
        severity=Alert.Severity.CRITICAL,
        title="The database was restored, or a standby took over: the desk is halted",
        body=(
            "Orders and withdrawals that it lacks are not known here, and would be sent again. "
            "Stop all roles, run `manage.py catch_up`, read what it shows, then resume."
        ),
    )
