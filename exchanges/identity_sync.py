"""Keep the registry of assets: what venues list is compared with what is known and with what they said before.

A new name is proven by shipped facts or waits for a person; a proof ends at once when a venue changes
what it says. Only people bring one back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
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
TOLD = ("title", "network_title", "told_contract", "fetched_at")  # as `_told` gives them
ENDED = ("state", "decided_by", "because", "decided_at", "version")
NOT_LISTED = "the venue lists it no more"

Contradictions = Mapping[int, tuple[Standing, str]]  # by row: what becomes of its proof, and why


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
    _end_contradicted([(rows[name], wanted[name]) for name in wanted if name in rows], asked, tell)
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
    gone = [row for name, row in rows.items() if name not in wanted]
    proven = [row.pk for row in gone if row.state == IdentityState.PROVEN]
    _withdraw(dict.fromkeys(proven, (Standing.UNPROVEN, NOT_LISTED)), {}, now=now, tell=tell)


def _end_contradicted(
    pairs: Sequence[tuple[AssetIdentity, Listing]],
    asked: Question,
    tell: Tell,
    *,
    keeps_words: bool = True,
) -> None:
    """End the proofs that the venue contradicts, by themselves and first: that counts whatever the rest comes to."""
    changes = [
        (row, listing, changed(row.listing, listing))
        for row, listing in pairs
        if row.state == IdentityState.PROVEN
    ]
    ended = {row.pk: change for row, _, change in changes if change is not None}
    if not ended:
        return
    told = {row.pk: listing for row, listing, _ in changes} if keeps_words else {}
    try:
        with transaction.atomic():
            if answers.newest(asked, pairs[0][0].venue, [answers.LISTINGS]):
                _withdraw(ended, told, now=asked.at, tell=tell)
    except ValidationError:  # such a word keeps no proof alive: they end without it
        if not keeps_words:
            raise
        _end_contradicted(pairs, asked, tell, keeps_words=False)
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


def _is_told(row: AssetIdentity, listing: Listing, now: datetime) -> None:
    """Let a row say what its venue says, or raise ValidationError: `bulk_update` casts, which would cut a long word."""
    told = _told(listing, now)
    for column, value in told.items():
        setattr(row, column, value)
    others = {field.name for field in row._meta.fields} - told.keys()  # noqa: SLF001  Django's documented API
    row.clean_fields(exclude=others)


def _compare(pairs: Sequence[tuple[AssetIdentity, Listing]], now: datetime) -> None:
    """Note what a venue says of names that are known; what is proven and contradicted has ended by now."""
    same, other, undecided = [], [], []
    for row, listing in pairs:
        if changed(row.listing, listing) is None:
            same.append(row.pk)
        elif row.state != IdentityState.PROVEN:
            _is_told(row, listing, now)
            row.version = F("version") + 1
            other.append(row)
        if row.state == IdentityState.UNPROVEN and not row.decided_by:
            undecided.append((row, judge(listing)))
    AssetIdentity.objects.bulk_update(other, [*TOLD, "version"])
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
            unproven |= _prove_alone(row, judgement, now)
    _say_why(unproven)


def _prove_alone(row: AssetIdentity, judgement: Judgement, now: datetime) -> dict[int, str]:
    """Prove one name by itself: the database refuses a statement whole, and which of its names it refuses is only told so.

    Gives why it is not proven.
    """
    known = judgement.known
    try:
        with transaction.atomic():
            _prove([(row, judgement)], now)
    except IntegrityError:
        told = f"another name is {known.asset} on {known.network} there already" if known else ""
        return {row.pk: told}
    return {}


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
    ended: Contradictions, told: Mapping[int, Listing], *, now: datetime, tell: Tell
) -> None:
    """End proofs, at once, with what their venue says now, and tell people; what people ended meanwhile stays as it is."""
    proven = AssetIdentity.objects.filter(pk__in=ended, state=IdentityState.PROVEN)
    proven.update(decided_by=SYSTEM)  # which proves nothing: from here on nobody else writes these
    rows = list(proven.filter(decided_by=SYSTEM).order_by("pk"))
    notices = []
    for row in rows:
        standing, because = ended[row.pk]
        notices.append(_ended(row, standing, because))
        if row.pk in told:
            _is_told(row, told[row.pk], now)
        row.state, row.decided_by = IdentityState(standing.value), SYSTEM
        row.because, row.decided_at, row.version = because[:400], now, F("version") + 1
    AssetIdentity.objects.bulk_update(rows, [*TOLD, *ENDED])
    RuleChange.objects.bulk_create(_change(row, now) for row in rows)
    for notice in notices:
        tell(notice)


def _change(row: AssetIdentity, now: datetime) -> RuleChange:
    return RuleChange(
        venue=row.venue,
        subject=_subject(row),
        rule="identity",
        before=IdentityState.PROVEN,
        after=f"{row.state}: {row.because}"[:400],
        noticed_at=now,
    )


def _ended(row: AssetIdentity, standing: Standing, because: str) -> Notice:
    """Say that a proof has ended; the row is as it was."""
    is_blocked = standing is Standing.BLOCKED
    effect = "Nothing is bought, sent or sold" if is_blocked else "Nothing is bought or sent"
    return Notice(
        key=f"identity:{row.pk}:{row.version + 1}",
        title=f"{_subject(row)} at {row.venue} is {standing.value.lower()}: {because}"[:160],
        body=f"{effect} under that name there until a person proves it (`manage.py identities`).",
        is_critical=is_blocked,
    )


def _subject(row: AssetIdentity) -> str:
    return f"{row.venue_symbol} on {row.venue_network}"
