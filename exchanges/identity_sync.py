"""Keep the registry of assets: what venues list is compared with what is known and with what they said before.

A new name is proven by shipped facts or waits for a person; a proof ends at once when a venue changes
what it says. Only people bring one back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet

from exchanges import naming
from exchanges.identity.judging import Judgement, changed, disguised, judge
from exchanges.identity.listed import Standing
from exchanges.models import AssetIdentity, IdentityState, RuleChange
from exchanges.notices import Notice, Tell
from exchanges.values import Listing

SHIPPED, SYSTEM = "shipped facts", "system"
NOT_LISTED = "the venue lists it no more"


def keep_listings(
    venue: str, told: Sequence[Listing], assets: Iterable[str], *, now: datetime, tell: Tell
) -> int:
    """Keep what a venue lists of the desk's assets; returns how many names that are."""
    symbols = {naming.names(venue).symbol(asset) for asset in assets}
    rows = {(row.venue_symbol, row.venue_network): row for row in _rows(venue)}
    symbols |= {symbol for symbol, _network in rows}
    wanted = [one for one in told if one.symbol in symbols or disguised(one) is not None]
    if not wanted:  # a venue that lists none of them has told nothing
        return 0
    for listing in wanted:
        row = rows.pop((listing.symbol, listing.network), None)
        with transaction.atomic():
            if row is None:
                _add(listing, now, tell)
            else:
                _compare(row, listing, now, tell)
    for gone in rows.values():
        with transaction.atomic():
            _withdraw(gone, (Standing.UNPROVEN, NOT_LISTED), {}, now=now, tell=tell)
    naming.forget()
    return len(wanted)


def _rows(venue: str) -> QuerySet[AssetIdentity]:
    return AssetIdentity.objects.filter(venue=venue)


def _add(listing: Listing, now: datetime, tell: Tell) -> None:
    """Write a name that was not seen before."""
    made = AssetIdentity(
        venue=listing.venue,
        venue_symbol=listing.symbol,
        venue_network=listing.network,
        decided_at=now,
        first_seen_at=now,
        **_told(listing, now),
    )
    AssetIdentity.objects.bulk_create([made], ignore_conflicts=True)
    row = _rows(listing.venue).get(venue_symbol=listing.symbol, venue_network=listing.network)
    _prove_by_facts(row, judge(listing), now)
    found = disguised(listing)
    if found is not None:
        told = f"{row} has the contract of {found.asset} on {found.network}"
        key = f"identity:{row.pk}:disguised"
        body = "Renamed, or one coin under two tickers: nothing is done with it until a person proves it."
        tell(Notice(key=key, title=told, body=body))


def _told(listing: Listing, now: datetime) -> dict[str, Any]:
    """Give the columns that a venue's word fills."""
    return {
        "title": listing.title,
        "network_title": listing.network_title,
        "told_contract": listing.contract,
        "fetched_at": now,
    }


def _compare(row: AssetIdentity, listing: Listing, now: datetime, tell: Tell) -> None:
    """Note what a venue says of a name that is known; a proof that it contradicts ends."""
    change = changed(row.listing, listing)
    if change is None:
        _rows(row.venue).filter(pk=row.pk).update(fetched_at=now)
    elif row.state == IdentityState.PROVEN:
        _withdraw(row, change, _told(listing, now), now=now, tell=tell)
    else:
        _rows(row.venue).filter(pk=row.pk).update(version=F("version") + 1, **_told(listing, now))
    if row.state == IdentityState.UNPROVEN and not row.decided_by:
        _prove_by_facts(row, judge(listing), now)


def _prove_by_facts(row: AssetIdentity, judgement: Judgement, now: datetime) -> None:
    """Prove a name that nobody has decided on, if shipped facts do; else keep why they do not."""
    undecided = _rows(row.venue).filter(pk=row.pk, decided_by="", state=IdentityState.UNPROVEN)
    known = judgement.known
    if known is None:
        undecided.update(because=judgement.because)
        return
    try:
        with transaction.atomic():
            undecided.update(
                asset=known.asset,
                network=known.network,
                contract=known.contract,
                decimals=known.decimals,
                state=IdentityState.PROVEN,
                decided_by=SHIPPED,
                because=judgement.because,
                decided_at=now,
                version=F("version") + 1,
            )
    except IntegrityError:  # another name stands for it, or people proved otherwise
        because = f"another name is {known.asset} on {known.network} there already"
        undecided.update(because=because)


def _withdraw(
    row: AssetIdentity,
    change: tuple[Standing, str],
    told: dict[str, Any],
    *,
    now: datetime,
    tell: Tell,
) -> None:
    """End a proof, at once, and tell people; what was not proven stays as it is."""
    standing, because = change
    ended = (
        _rows(row.venue)
        .filter(pk=row.pk, state=IdentityState.PROVEN)
        .update(
            state=standing.value,
            decided_by=SYSTEM,
            because=because[:400],
            decided_at=now,
            version=F("version") + 1,
            **told,
        )
    )
    if not ended:
        return
    subject = f"{row.venue_symbol} on {row.venue_network}"
    RuleChange.objects.create(
        venue=row.venue,
        subject=subject,
        rule="identity",
        before=row.state,
        after=f"{standing.value}: {because}"[:400],
        noticed_at=now,
    )
    is_blocked = standing is Standing.BLOCKED
    effect = "Nothing is bought, sent or sold" if is_blocked else "Nothing is bought or sent"
    tell(
        Notice(
            key=f"identity:{row.pk}:{row.version + 1}",
            title=f"{subject} at {row.venue} is {standing.value.lower()}: {because}"[:160],
            body=f"{effect} under that name there until a person proves it (`manage.py identities`).",
            is_critical=is_blocked,
        )
    )
