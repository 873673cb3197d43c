"""What is told of people's accounts: whoever makes, opens or takes over one can be two people at once.

Nothing here prevents it; every change is an alert, so that the others know who did what to whom.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import structlog
from django.contrib.auth.models import Group, Permission, User

from cycles.models import Alert
from cycles.services.alerting import raise_alert
from cycles.services.correlating import new_id
from cycles.services.log_ins import shown

log = structlog.get_logger(__name__)

ADVICE = (
    "If nobody has asked for it, deactivate both accounts, halt the desk, and look at what they have "
    "confirmed and changed since."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What an account, or a group, may do. Two of them show what somebody changed between."""

    name: str
    rights: frozenset[str] = frozenset()
    password: str = ""  # its hash, compared and never shown


def standing(account: User) -> Standing:
    """Read what an account may do, from the database."""
    row = User.objects.get(pk=account.pk)
    flags = {name for name in ("is_active", "is_staff", "is_superuser") if getattr(row, name)}
    groups = {f"group {name}" for name in row.groups.values_list("name", flat=True)}
    permissions = _named(row.user_permissions.all())
    rights = frozenset(flags | groups | permissions)
    return Standing(name=row.get_username(), rights=rights, password=row.password)


def standing_of_group(group: Group) -> Standing:
    """Read what the members of a group may do, from the database."""
    row = Group.objects.get(pk=group.pk)
    return Standing(name=row.name, rights=frozenset(_named(row.permissions.all())))


def _named(permissions: Iterable[Permission]) -> set[str]:
    return {f"{one.content_type.app_label}.{one.codename}" for one in permissions}


def tell_made(what: str, after: Standing, *, by: User) -> None:
    """Tell that an account or a group is new; `what` is which of the two."""
    _tell(f"The {what} {after.name} was made", _gained(Standing(name=""), after), by, is_grave=True)


def tell_changed(what: str, before: Standing, after: Standing, *, by: User) -> None:
    """Tell what somebody changed of an account or a group; nothing if nothing that counts did.

    Grave is what lets somebody do more, and a password that is not the person's own doing.
    """
    gained, lost = (
        _gained(before, after),
        sorted(f"- {one}" for one in before.rights - after.rights),
    )
    lines = [*gained, *lost]
    if before.name != after.name:
        lines.append(f"renamed from {before.name}")
    has_other_password = before.password != after.password
    if has_other_password:
        lines.append("another password")
    is_taken_over = has_other_password and before.name != by.get_username()
    if lines:
        title = f"The {what} {after.name} was changed"
        _tell(title, lines, by, is_grave=bool(gained) or is_taken_over)


def tell_gone(what: str, before: Standing, *, by: User) -> None:
    """Tell that a group is no more."""
    _tell(f"The {what} {before.name} was deleted", [], by, is_grave=False)


def _gained(before: Standing, after: Standing) -> list[str]:
    return sorted(f"+ {one}" for one in after.rights - before.rights)


def _tell(title: str, lines: list[str], by: User, *, is_grave: bool) -> None:
    """Write the alert in the caller's transaction, and a line."""
    who, what = shown(by.get_username()), [shown(line) for line in lines]
    log.warning("account.changed", what=title, by=who, changes=what)
    raise_alert(
        key=f"account:{new_id()}",
        severity=Alert.Severity.CRITICAL if is_grave else Alert.Severity.WARNING,
        title=shown(title),
        body="\n".join([shown(title), f"By: {who}", *what, ADVICE]),
    )
