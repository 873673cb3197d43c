"""Fetch our own deposit addresses from the venues that own them, and who else lets us send there.

A venue's answer is a proposal; an answer other than before ends the old address at once, whatever it
was (rotated, or tampered with), and people are told. Nothing here confirms anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import F

from exchanges import answers
from exchanges.answers import Question
from exchanges.models import AddressState, AllowedDestination, RegisteredAddress, RuleChange
from exchanges.models.addresses import masked
from exchanges.notices import Notice, Tell
from exchanges.values import DepositAddress

LIVE = (AddressState.PROPOSED, AddressState.CONFIRMED)
CHANGED = "the venue names another address"


def keep_addresses(told: Sequence[DepositAddress], *, asked: Question, tell: Tell) -> None:
    """Keep what an owning venue says are our addresses: as before, or as new proposals.

    What it names no more ends first, by itself: that counts whatever the rest comes to. Where another
    answer was kept since the question was asked, this one is not: it may be what the venue said before.
    """
    if not told:
        return
    venue = told[0].venue
    live = RegisteredAddress.objects.filter(venue=venue, state__in=LIVE)
    known = {(row.asset, row.network): row for row in live}
    is_of = {one: known.get((one.asset, one.network)) for one in told}
    other = [one for one, row in is_of.items() if row is not None and row.destination != one]
    if other:
        with transaction.atomic():
            newest = _newest(other, asked)
            _retire({row.pk: one for one in newest if (row := is_of[one])}, asked, tell)
    with transaction.atomic():
        newest = _newest(told, asked)
        rows = {one: is_of[one] for one in newest}
        same = [row.pk for one, row in rows.items() if row is not None and row.destination == one]
        new = [one for one, row in rows.items() if row is None or row.destination != one]
        live.filter(pk__in=same).update(fetched_at=asked.at)
        # An older release fetches without a question: one row is enough.
        RegisteredAddress.objects.bulk_create(
            [_proposal(one, asked.at) for one in new], ignore_conflicts=True
        )


def _newest(told: Iterable[DepositAddress], asked: Question) -> list[DepositAddress]:
    """Give those of a venue's addresses that may be kept, until the transaction ends."""
    by_name = {answers.address(one.asset, one.network): one for one in told}
    newest = answers.newest(asked, next(iter(by_name.values())).venue, by_name)
    return [one for name, one in by_name.items() if name in newest]


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


def _retire(told: Mapping[int, DepositAddress], asked: Question, tell: Tell) -> None:
    """End addresses, by row, that their venue names no more, whoever confirms them at this moment."""
    live = RegisteredAddress.objects.filter(pk__in=told, state__in=LIVE)
    live.update(retired_because=CHANGED)  # from here on nobody else writes these
    rows = list(live.order_by("pk"))
    live.update(
        state=AddressState.RETIRED,
        retired_at=asked.at,
        version=F("version") + 1,
    )
    for row in rows:  # the others a person has just ended
        tell(_rotated(row, told[row.pk]))


def _rotated(row: RegisteredAddress, told: DepositAddress) -> Notice:
    """Say that a venue names another address; the row is as it was."""
    is_memo = row.address == told.address
    what = "memo" if is_memo else "address"
    shown = "" if is_memo else f" It was {row.masked}, it reads {masked(told.address)}."
    return Notice(
        key=f"address:{row.code}:changed",
        title=f"{told.venue} names another {what} of ours for {told.asset} on {told.network}",
        body=(
            f"Rotated by the venue, or tampered with.{shown} Nothing is sent there until two people "
            "have compared the new proposal with the venue's own page and confirmed it "
            "(`manage.py addresses`)."
        ),
        is_critical=row.state == AddressState.CONFIRMED,
    )


def keep_allowances(
    sender: str, told: Mapping[str, Iterable[DepositAddress]], *, asked: Question
) -> None:
    """Keep which of our live addresses a sending venue lists as allowed, by asset; its own are none of them."""
    with transaction.atomic():
        newest = answers.newest(asked, sender, map(answers.allow_list, told))
        assets = [asset for asset in told if answers.allow_list(asset) in newest]
        listed = {
            (asset, one.network, one.address, one.memo or "")
            for asset in assets
            for one in told[asset]
        }
        live = RegisteredAddress.objects.filter(asset__in=assets, state__in=LIVE)
        rows = {row.pk: row for row in live.exclude(venue=sender).order_by("pk")}
        allowed = {
            pk
            for pk, row in rows.items()
            if (row.asset, row.network, row.address, row.memo) in listed
        }
        AllowedDestination.objects.bulk_create(
            [
                AllowedDestination(address=rows[pk], sender=sender, fetched_at=asked.at)
                for pk in sorted(allowed)
            ],
            update_conflicts=True,
            unique_fields=["address", "sender"],
            update_fields=["fetched_at"],
        )
        _end_allowances(sender, [row for pk, row in rows.items() if pk not in allowed], asked)


def _end_allowances(sender: str, rows: Iterable[RegisteredAddress], asked: Question) -> None:
    """Forget that a venue listed these, and note of which it did."""
    codes = {row.pk: row.code for row in rows}
    gone = AllowedDestination.objects.filter(sender=sender, address__in=codes)
    ended = list(gone.values_list("address_id", flat=True))
    gone.filter(address__in=ended).delete()
    RuleChange.objects.bulk_create(
        RuleChange(
            venue=sender,
            subject=codes[pk],
            rule="allow-list",
            before="listed",
            after="not listed",
            noticed_at=asked.at,
        )
        for pk in ended
    )
