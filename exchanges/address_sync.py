"""Fetch our own deposit addresses from the venues that own them, and who else lets us send there.

A venue's answer is a proposal; an answer other than before ends the old address at once, whatever it
was (rotated, or tampered with), and people are told. Nothing here confirms anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import F

from exchanges.models import AddressState, AllowedDestination, RegisteredAddress, RuleChange
from exchanges.models.addresses import masked
from exchanges.notices import Notice, Tell
from exchanges.values import DepositAddress

LIVE = (AddressState.PROPOSED, AddressState.CONFIRMED)
CHANGED = "the venue names another address"


def keep_addresses(told: Sequence[DepositAddress], *, now: datetime, tell: Tell) -> None:
    """Keep what an owning venue says are our addresses: as before, or as new proposals.

    What it names no more ends first, each by itself: that counts whatever the rest comes to.
    """
    if not told:
        return
    live = RegisteredAddress.objects.filter(venue=told[0].venue, state__in=LIVE)
    known = {(row.asset, row.network): row for row in live}
    same: list[int] = []
    new: list[RegisteredAddress] = []
    for one in told:
        row = known.get((one.asset, one.network))
        if row is not None and row.destination == one:
            same.append(row.pk)
            continue
        new.append(_proposal(one, now))
        if row is not None:
            with transaction.atomic():
                _retire(row, one, now, tell)
    with transaction.atomic():
        live.filter(pk__in=same).update(fetched_at=now)
        # Whoever fetches at the same moment proposes the same; one row is enough.
        RegisteredAddress.objects.bulk_create(new, ignore_conflicts=True)


def _proposal(told: DepositAddress, now: datetime) -> RegisteredAddress:
    return RegisteredAddress(
        venue=told.venue,
        asset=told.asset,
        network=told.network,
        address=told.address,
        memo=told.memo or "",
        proposed_at=now,
        fetched_at=now,
    )


def _retire(row: RegisteredAddress, told: DepositAddress, now: datetime, tell: Tell) -> None:
    """End an address that its venue names no more."""
    ended = RegisteredAddress.objects.filter(pk=row.pk, version=row.version, state__in=LIVE).update(
        state=AddressState.RETIRED,
        retired_at=now,
        retired_because=CHANGED,
        version=F("version") + 1,
    )
    if not ended:  # another has just done so
        return
    was_confirmed = row.state == AddressState.CONFIRMED
    is_memo = row.address == told.address
    what = "memo" if is_memo else "address"
    shown = "" if is_memo else f" It was {row.masked}, it reads {masked(told.address)}."
    tell(
        Notice(
            key=f"address:{row.code}:changed",
            title=f"{told.venue} names another {what} of ours for {told.asset} on {told.network}",
            body=(
                f"Rotated by the venue, or tampered with.{shown} Nothing is sent there until two people "
                "have compared the new proposal with the venue's own page and confirmed it "
                "(`manage.py addresses`)."
            ),
            is_critical=was_confirmed,
        )
    )


def keep_allowances(
    sender: str, told: Mapping[str, Iterable[DepositAddress]], *, now: datetime
) -> None:
    """Keep which of our live addresses a sending venue lists as allowed, by asset; its own are none of them."""
    listed = {
        (asset, one.network, one.address, one.memo or "")
        for asset, addresses in told.items()
        for one in addresses
    }
    live = RegisteredAddress.objects.filter(asset__in=list(told), state__in=LIVE)
    with transaction.atomic():
        rows = {row.pk: row for row in live.exclude(venue=sender).order_by("pk")}
        allowed = {
            pk
            for pk, row in rows.items()
            if (row.asset, row.network, row.address, row.memo) in listed
        }
        AllowedDestination.objects.bulk_create(
            [
                AllowedDestination(address=rows[pk], sender=sender, fetched_at=now)
                for pk in sorted(allowed)
            ],
            update_conflicts=True,
            unique_fields=["address", "sender"],
            update_fields=["fetched_at"],
        )
        gone = AllowedDestination.objects.filter(sender=sender, address__in=rows.keys() - allowed)
        ended = list(gone.values_list("address_id", flat=True))
        gone.filter(address__in=ended).delete()
        RuleChange.objects.bulk_create(
            RuleChange(
                venue=sender,
                subject=rows[pk].code,
                rule="allow-list",
                before="listed",
                after="not listed",
                noticed_at=now,
            )
            for pk in ended
        )
