"""Whether this database is where it was last in step with the venues: a restored one is not.

The database compares by itself and refuses intents (cycles/sql/home.sql, unbroken.sql); here is what follows from it.
A server that broke off cannot tell itself from a base backup, or a snapshot: this host can, by what it has seen (`witnessing`).
"""

from __future__ import annotations

import structlog
from django.db import connection
from django.utils.translation import gettext_noop

from cycles.models import Alert, Desk
from cycles.services import witnessing
from cycles.services.alerting import raise_alert

log = structlog.get_logger(__name__)

AWAY = gettext_noop(
    "this database was restored, is a standby that took over, or broke off with nobody to say that it forgot nothing, "
    "and has not caught up with the venues"
)
BROKEN = "broken"  # in the place of its mark, where a server broke off


def here() -> str:
    """Read where this database is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT kimp_home()")
        home: str = cursor.fetchone()[0]
    return home


def is_at_home() -> bool:
    """Say whether the desk is in step with its venues here, or would be by `vouch`; so is a database without a desk."""
    homes = Desk.objects.values_list("home", flat=True)
    return all(home == here() or _may_vouch(home) for home in homes)


def has_forgotten() -> bool:
    """Say whether this database, which seems at home, or only to have broken off, lacks what this host has seen.

    So does a primary of before, where this host has seen the desk at home on the standby that took over, or any copy of
    a time before the desk caught up elsewhere. What was seen before it caught up here is held against nothing.
    """
    row = Desk.objects.values_list("home", "home_settled_at").first()
    home, settled_at = row or ("", None)
    if settled_at is None or not home or not _is_same_place(home):
        return False
    if witnessing.lacks_own(home):
        return True
    seen = witnessing.recall(home)
    if seen is None or seen.seen_at <= settled_at:
        return False
    return seen.home != home or not witnessing.is_kept(seen)  # the one: settled anew, elsewhere


def vouch() -> bool:
    """Make a server whole that broke off, if this host has seen it to the last; say whether the desk is at home."""
    home = _home()
    if not home or home == here():
        return bool(home)
    if not _may_vouch(home):
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT kimp_make_whole()")
        is_whole: bool = cursor.fetchone()[0]
    log.info("home.vouched", home=home, is_whole=is_whole)
    return is_whole


def witness() -> None:
    """Keep what this host sees of a desk that is at home."""
    if home := _home():
        witnessing.keep(home)


def _home() -> str:
    return Desk.objects.values_list("home", flat=True).first() or ""


def _is_same_place(home: str) -> bool:
    """Say whether cluster, timeline, database and table are those of home."""
    return home.rpartition("-")[0] == here().rpartition("-")[0]


def _may_vouch(home: str) -> bool:
    if not (_is_same_place(home) and here().endswith(f"-{BROKEN}")):
        return False
    seen = witnessing.recall(home)
    return seen is not None and seen.home == home and witnessing.vouches(seen)


def leave() -> None:
    """Say that the desk is not in step: no intent is written until it is settled again."""
    Desk.objects.filter(pk=1).update(home="")


def settle() -> None:
    """Say that the desk is in step with its venues here: what was seen of it before tells nothing any more."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT kimp_settle_home()")
        Desk.objects.filter(pk=1).update(home=cursor.fetchone()[0])


def tell_away() -> None:
    """Tell people, once for each place and each time that it was left, in the caller's transaction."""
    home = _home()
    place = home if home and _is_same_place(home) else here()
    raise_alert(
        key=f"away:{place}",
        severity=Alert.Severity.CRITICAL,
        title="The database was restored, broke off, or a standby took over: the desk is halted",
        body=(
            "Orders and withdrawals that it lacks are not known here, and would be sent again. "
            "Stop all roles, run `manage.py catch_up`, read what it shows, then resume."
        ),
    )
