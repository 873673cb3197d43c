"""Keep the registry of assets: what venues list is compared with what is known and with what they said before.

A new name is proven by shipped facts or waits for a person; a proof ends at once when a venue changes
what it says. Only people bring one back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet

from exchanges import answers, naming
from exchanges.answers import Question
from exchanges.identity.judging import Judgement, changed, disguised, judge
from exchanges.identity.listed import Standing
from exchanges.models import AssetIdentity, IdentityState, RuleChange
from exchanges.notices import Notice, Tell
from exchanges.values import Listing

SHIPPED, SYSTEM = "shipped facts", "system"
PROOF = (
    "asset", "network", "contract", "decimals", "state", "decided_by", "because", "decided_at", "version",
)  # fmt: skip
NOT_LISTED = "the venue lists it no more"


def keep_listings(
    venue: str, told: Sequence[Listing], assets: Iterable[str], *, asked: Question, tell: Tell
) -> int:
    """Keep what a venue lists of the desk's assets; returns how many names that are.

    Where another list was kept since the question was asked, this one is not: it may be an older one.
    """
    symbols = {naming.names(venue).symbol(asset) for asset in assets}
    rows = _by_name(_rows(venue))
    symbols |= {symbol for symbol, _network in rows}
    wanted = {
        (one.symbol, one.network): one
        for one in told
        if one.symbol in symbols or disguised(one) is not None
    }
    if not wanted:  # a venue that lists none of them has told nothing
        return 0
    _end_contradicted(((rows[name], wanted[name]) for name in wanted if name in rows), asked, tell)
    with transaction.atomic():
        if answers.newest(asked, venue, [answers.LISTINGS]):
            _keep(venue, wanted, asked.at, tell)
    naming.forget()
    return len(wanted)


def _keep(venue: str, wanted: Mapping[tuple[str, str], Listing], now: datetime, tell: Tell) -> None:
    """Write a venue's list; nobody else keeps one of it until the transaction ends."""
    known = _by_name(_rows(venue))
    new = [listing for name, listing in wanted.items() if name not in known]
    _add(new, now)
    rows = _by_name(_rows(venue))
    _tell_disguises(new, rows, tell)
    _compare([(rows[name], listing) for name, listing in wanted.items()], now)
    for name in sorted(rows.keys() - wanted.keys()):
        _withdraw(rows[name], (Standing.UNPROVEN, NOT_LISTED), {}, now=now, tell=tell)


def _end_contradicted(
    pairs: Iterable[tuple[AssetIdentity, Listing]], asked: Question, tell: Tell
) -> None:
    """End each proof that the venue contradicts, by itself and first: it counts whatever the rest comes to."""
    for row, listing in pairs:
        change = changed(row.listing, listing)
        if change is not None and row.state == IdentityState.PROVEN:
            with transaction.atomic():
                if answers.newest(asked, row.venue, [answers.LISTINGS]):
                    _withdraw(row, change, _told(listing, asked.at), now=asked.at, tell=tell)
            naming.forget()


def _rows(venue: str) -> QuerySet[AssetIdentity]:
    return AssetIdentity.objects.filter(venue=venue)


def _by_name(rows: Iterable[AssetIdentity]) -> dict[tuple[str, str], AssetIdentity]:
    return {(row.venue_symbol, row.venue_network): row for row in rows}


def _add(listings: Iterable[Listing], now: datetime) -> None:
    """Write names that were not seen before."""
    made = [
        AssetIdentity(
            venue=listing.venue,
            venue_symbol=listing.symbol,
            venue_network=listing.network,
            decided_at=now,
            first_seen_at=now,
            **_told(listing, now),
        )
        for listing in listings
    ]
    AssetIdentity.objects.bulk_create(made, ignore_conflicts=True)


def _tell_disguises(
    listings: Iterable[Listing], rows: Mapping[tuple[str, str], AssetIdentity], tell: Tell
) -> None:
    """Tell people of new names for what is known under another."""
    body = (
        "Renamed, or one coin under two tickers: nothing is done with it until a person proves it."
    )
    for listing in listings:
        found = disguised(listing)
        if found is not None:
            row = rows[listing.symbol, listing.network]
            told = f"{row} has the contract of {found.asset} on {found.network}"
            tell(Notice(key=f"identity:{row.pk}:disguised", title=told, body=body))


def _told(listing: Listing, now: datetime) -> dict[str, Any]:
    """Give the columns that a venue's word fills."""
    return {
        "title": listing.title,
        "network_title": listing.network_title,
        "told_contract": listing.contract,
        "fetched_at": now,
    }


def _compare(pairs: Sequence[tuple[AssetIdentity, Listing]], now: datetime) -> None:
    """Note what a venue says of names that are known; what is proven and contradicted has ended by now."""
    same, undecided = [], []
    for row, listing in pairs:
        if changed(row.listing, listing) is None:
            same.append(row.pk)
        elif row.state != IdentityState.PROVEN:
            told = _told(listing, now)
            _rows(row.venue).filter(pk=row.pk).update(version=F("version") + 1, **told)
        if row.state == IdentityState.UNPROVEN and not row.decided_by:
            undecided.append((row, judge(listing)))
    AssetIdentity.objects.filter(pk__in=same).update(fetched_at=now)
    _prove_by_facts(undecided, now)


def _prove_by_facts(judged: Sequence[tuple[AssetIdentity, Judgement]], now: datetime) -> None:
    """Prove names that nobody has decided on, where shipped facts do; else keep why they do not."""
    provable = [(row, judgement) for row, judgement in judged if judgement.known is not None]
    unproven = {row.pk: told.because for row, told in judged if told.known is None}
    try:
        with transaction.atomic():
            _prove(provable, now)
    except IntegrityError:  # another name stands for one of them, or people proved otherwise
        for row, judgement in provable:
            _prove_alone(row, judgement, now)
    _say_why(unproven)


def _prove_alone(row: AssetIdentity, judgement: Judgement, now: datetime) -> None:
    known = judgement.known
    try:
        with transaction.atomic():
            _prove([(row, judgement)], now)
    except IntegrityError:
        told = f"another name is {known.asset} on {known.network} there already" if known else ""
        _say_why({row.pk: told})


def _prove(judged: Sequence[tuple[AssetIdentity, Judgement]], now: datetime) -> None:
    """Prove names in one statement, those that are still undecided."""
    for row, judgement in judged:
        known = judgement.known
        if known is None:
            continue
        row.asset, row.network = known.asset, known.network
        row.contract, row.decimals = known.contract, known.decimals
        row.state, row.decided_by = IdentityState.PROVEN, SHIPPED
        row.because, row.decided_at, row.version = judgement.because, now, F("version") + 1
    _undecided().bulk_update([row for row, _ in judged], PROOF)


def _say_why(because: Mapping[int, str]) -> None:
    """Keep why names are not proven, in one statement, where it is not known yet."""
    rows = [row for row in _undecided().filter(pk__in=because) if row.because != because[row.pk]]
    for row in rows:
        row.because = because[row.pk]
    _undecided().bulk_update(rows, ["because"])


def _undecided() -> QuerySet[AssetIdentity]:
    return AssetIdentity.objects.filter(decided_by="", state=IdentityState.UNPROVEN)


def _withdraw(
    row: AssetIdentity,
    change: tuple[Standing, str],
    told: dict[str, Any],
    *,
    now: datetime,
    tell: Tell,
) -> None:
    """End a proof, at once, and tell people; what was not proven stays as it is."""
    if row.state != IdentityState.PROVEN:
        return
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
