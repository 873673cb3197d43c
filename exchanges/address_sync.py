"""Fetch our own deposit addresses from the venues that own them, and who else lets us send there.

A venue's answer is a proposal; an answer other than before ends the old address at once, whatever it
was (rotated, or tampered with), and people are told. Nothing here confirms anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import F

from exchanges.models import AddressState, AllowedDestination, RegisteredAddress, RuleChange
from exchanges.models.addresses import masked
from exchanges.notices import Notice, Tell
from exchanges.values import DepositAddress

LIVE = (AddressState.PROPOSED, AddressState.CONFIRMED)
CHANGED = "the venue names another address"


def keep_address(told: DepositAddress, *, now: datetime, tell: Tell) -> None:
    """Keep what the owning venue says is our address: as before, or as a new proposal."""
    live = RegisteredAddress.objects.filter(
        venue=told.venue, asset=told.asset, network=told.network, state__in=LIVE
    )
    with transaction.atomic():
        row = live.first()
        if row is not None and row.destination == told:
            live.filter(pk=row.pk).update(fetched_at=now)
            return
        if row is not None:
            _retire(row, told, now, tell)
        proposal = RegisteredAddress(
            venue=told.venue,
            asset=told.asset,
            network=told.network,
            address=told.address,
            memo=told.memo or "",
            proposed_at=now,
            fetched_at=now,
        )
        # Whoever fetches at the same moment proposes the same; one row is enough.
        RegisteredAddress.objects.bulk_create([proposal], ignore_conflicts=True)


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
    sender: str, asset: str, told: Iterable[DepositAddress], *, now: datetime
) -> None:
    """Keep which of our live addresses a sending venue lists as allowed; its own are none of them."""
    listed = {(one.network, one.address, one.memo or "") for one in told}
    rows = RegisteredAddress.objects.filter(asset=asset, state__in=LIVE).exclude(venue=sender)
    with transaction.atomic():
        for row in rows:
            if (row.network, row.address, row.memo) in listed:
                AllowedDestination.objects.update_or_create(
                    address=row, sender=sender, defaults={"fetched_at": now}
                )
                continue
            gone, _ = AllowedDestination.objects.filter(address=row, sender=sender).delete()
            if gone:
                RuleChange.objects.create(
                    venue=sender,
                    subject=row.code,
                    rule="allow-list",
                    before="listed",
                    after="not listed",
                    noticed_at=now,
                )
