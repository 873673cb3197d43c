"""Where coins may be sent: an address of ours that people, the sender and the registry of assets vouch for.

The database judges every withdrawal by the same rules once more (cycles/sql/addresses.sql).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from exchanges import naming
from exchanges.errors import StaleReferenceError, UnconfirmedError
from exchanges.identity.names import Names
from exchanges.models import AddressState, AllowedDestination, NetworkRule, RegisteredAddress
from exchanges.recent import recent
from exchanges.reference import OLDEST, quickest_networks
from exchanges.sentences import Sentence


def confirmed_address(
    sender: str, owner: str, asset: str, network: str, now: datetime
) -> RegisteredAddress:
    """Give our address at `owner` that `sender` may withdraw to; its `destination` is what a request carries.

    Two people have confirmed it, the sender's own allow-list has it, and the registry of assets vouches
    for both ends. Raises UnconfirmedError that says what is missing, StaleReferenceError if any of it was
    fetched more than 24 h ago.
    """
    row, allowance = _entry(sender, owner, asset, network)
    ends = _ends()
    objection = _names_objection(ends, (sender, owner), asset, network) or _address_objection(
        row, allowance, _what(asset, network, owner), sender
    )
    if any(venue not in ends for venue in (sender, owner)):
        raise StaleReferenceError("the assets of a venue were never fetched: run sync_markets")
    if objection or row is None or allowance is None:
        raise UnconfirmedError(objection)
    if now - min(row.fetched_at, allowance.fetched_at) > OLDEST:
        raise StaleReferenceError(
            Sentence(
                "our address for %(what)s was fetched more than 24 h ago: run sync_markets",
                what=_what(asset, network, owner),
            )
        )
    return row


@recent
def _entry(
    sender: str, owner: str, asset: str, network: str
) -> tuple[RegisteredAddress | None, AllowedDestination | None]:
    """Read our address and whether `sender` lists it."""
    rows = RegisteredAddress.objects.filter(venue=owner, asset=asset, network=network)
    row = rows.exclude(state=AddressState.RETIRED).first()
    return row, AllowedDestination.objects.filter(address=row, sender=sender).first()


_ends = recent(naming.read)


def _names_objection(
    ends: Mapping[str, Names], venues: tuple[str, str], asset: str, network: str
) -> str:
    """Say which end of a transfer the registry of assets does not vouch for; nothing if both are proven."""
    objections = [
        (ends.get(venue) or Names(venue=venue)).objection(asset, network) for venue in venues
    ]
    return next((objection for objection in objections if objection), "")


def _address_objection(
    row: RegisteredAddress | None, allowance: AllowedDestination | None, what: Sentence, sender: str
) -> str:
    """Say what an address lacks for a withdrawal from `sender`; nothing if it may be sent to."""
    if row is None:
        return Sentence(
            "no confirmed address for %(what)s: fetch one (sync_markets), then two people confirm it",
            what=what,
        )
    if row.state != AddressState.CONFIRMED:
        return Sentence(
            "no confirmed address for %(what)s: %(code)s waits for two people (manage.py addresses)",
            what=what,
            code=row.code,
        )
    if allowance is None:
        return Sentence(
            "%(sender)s does not list %(code)s, our address for %(what)s: allow it in its own pages",
            sender=sender,
            code=row.code,
            what=what,
        )
    return ""


def _what(asset: str, network: str, venue: str) -> Sentence:
    return Sentence(
        "%(asset)s on %(network)s at %(venue)s", asset=asset, network=network, venue=venue
    )


def _no_memo(what: Sentence) -> str:
    """Say that what is bought could not be sent there: it would be credited to nobody."""
    return Sentence("our address for %(what)s has no memo, and that network wants one", what=what)


def barred_ways(from_venue: str, to_venue: str) -> dict[str, str]:
    """Give the assets that may not travel between two venues now, on their quickest route, and why.

    By the registry of assets and the address book; in five queries, however many assets there are.
    """
    quickest = quickest_networks(from_venue, to_venue)
    live = RegisteredAddress.objects.filter(venue=to_venue).exclude(state=AddressState.RETIRED)
    addresses = {(row.asset, row.network): row for row in live}
    allowed = AllowedDestination.objects.filter(sender=from_venue, address__in=live)
    allowances = {row.address_id: row for row in allowed}
    memos = NetworkRule.objects.filter(venue=to_venue, memo_is_required=True)
    wants_memo = set(memos.values_list("asset", "network"))
    ends = naming.read()
    barred = {}
    for asset, network in quickest.items():
        row = addresses.get((asset, network))
        objection = _names_objection(
            ends, (from_venue, to_venue), asset, network
        ) or _address_objection(
            row,
            allowances.get(row.pk) if row else None,
            _what(asset, network, to_venue),
            from_venue,
        )
        if not objection and row and not row.memo and (asset, network) in wants_memo:
            objection = _no_memo(_what(asset, network, to_venue))
        if objection:
            barred[asset] = objection
    return barred
