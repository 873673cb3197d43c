"""A simulation's two stand-ins: they confirm what the simulated venues propose, so that it needs no people.

A LIVE database refuses them, whatever is asked of this module.
"""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from cycles.domain.words import Channel, DeskKind, Verb
from cycles.errors import PolicyDeniedError
from cycles.models import AddressConfirmation, Intervention
from cycles.services import desk
from cycles.services.addressing import STAND_INS
from cycles.services.correlating import correlation
from cycles.services.locking import locked
from exchanges.models import AddressState, RegisteredAddress

REASON = "an address of a simulated venue, confirmed by the simulation"


def confirm_simulated() -> int:
    """Confirm every proposal of a simulated desk; returns how many there were.

    Written in sets: a simulation begins with many. Raises PolicyDeniedError on a LIVE desk.
    """
    if desk.current().kind != DeskKind.SIMULATED:
        raise PolicyDeniedError(
            "on a LIVE desk people confirm addresses, nobody stands in for them"
        )
    with transaction.atomic():
        rows = list(locked(RegisteredAddress.objects.filter(state=AddressState.PROPOSED)))
        for name in STAND_INS:
            _confirm_all(_person(name), rows)
        RegisteredAddress.objects.filter(pk__in=[row.pk for row in rows]).update(
            state=AddressState.CONFIRMED, confirmed_at=Now(), version=F("version") + 1
        )
    return len(rows)


def _person(name: str) -> User:
    """Give a stand-in's user, who cannot log in."""
    user, is_new = User.objects.get_or_create(
        username=name, defaults={"first_name": "Simulation", "is_active": False}
    )
    if is_new:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    return user


def _confirm_all(user: User, rows: list[RegisteredAddress]) -> None:
    """Confirm all of them as one of the two, each under an intervention of its own."""
    done = AddressConfirmation.objects.filter(user=user, address__in=rows)
    already = set(done.values_list("address_id", flat=True))
    waiting = [row for row in rows if row.pk not in already]
    acts = Intervention.objects.bulk_create([_act(user, row) for row in waiting])
    AddressConfirmation.objects.bulk_create(
        AddressConfirmation(
            address=row,
            user=user,
            intervention=act,
            seen_version=row.version,
            fingerprint=row.destination.fingerprint,
            is_simulated=True,
            at=Now(),
        )
        for row, act in zip(waiting, acts, strict=True)
    )
    RegisteredAddress.objects.filter(pk__in=[row.pk for row in waiting]).update(
        version=F("version") + 1
    )
    for row in waiting:
        row.version += 1


def _act(user: User, row: RegisteredAddress) -> Intervention:
    """Make one intervention."""
    return Intervention(
        verb=Verb.CONFIRM_ADDRESS,
        user=user,
        actor=user.get_username(),
        channel=Channel.SYSTEM,
        reason=REASON,
        seen_version=row.version,
        payload={"address": row.code, "fingerprint": row.destination.fingerprint},
        at=Now(),
        **correlation(),
    )
