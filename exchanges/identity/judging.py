"""Is this venue's name that asset? Facts are compared with what is known; what does not fit is unproven."""

from __future__ import annotations

from dataclasses import dataclass

from exchanges.identity.known import (
    BY_CHAIN,
    CONTRACTS,
    NETWORK_TITLES,
    SPELLINGS,
    TITLES,
    KnownAsset,
    asset_called,
)
from exchanges.identity.listed import Standing
from exchanges.values import Listing


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a listing is by the shipped facts; `known` only where it is proven."""

    standing: Standing
    because: str
    known: KnownAsset | None = None


def judge(listing: Listing) -> Judgement:
    """Compare a listing with what is known for certain; every fact the venue tells must agree."""
    asset = asset_called(listing.venue, listing.symbol)
    network = SPELLINGS.get(listing.venue, {}).get(listing.network)
    known = BY_CHAIN.get((asset or "", network or ""))
    if known is None:
        return _unproven(f"nothing is known of {listing.symbol} on {listing.network}")
    if listing.title.strip().casefold() not in TITLES[known.asset]:
        return _unproven(f"{listing.venue} calls it {listing.title!r}")
    title = listing.network_title.strip().casefold()
    if title and title not in NETWORK_TITLES[known.network]:
        return _unproven(f"{listing.venue} calls the network {listing.network_title!r}")
    if listing.contract is not None and listing.contract != known.contract:
        return _unproven(f"its contract is not that of {known.asset} on {known.network}")
    return Judgement(standing=Standing.PROVEN, because=known.source, known=known)


def _unproven(because: str) -> Judgement:
    return Judgement(standing=Standing.UNPROVEN, because=because)


def changed(before: Listing, now: Listing) -> tuple[Standing, str] | None:
    """Say what a venue's change makes of a proof: another contract is another coin."""
    if before.contract != now.contract:
        if now.contract is None:
            return Standing.UNPROVEN, "the contract is told no more"
        if before.contract is not None:
            return (
                Standing.BLOCKED,
                f"the contract has changed from {_name(before)} to {_name(now)}",
            )
    for what, was, told in (
        ("asset", before.title, now.title),
        ("network", before.network_title, now.network_title),
    ):
        if was != told:
            return Standing.UNPROVEN, f"the {what} was called {was!r} and is called {told!r}"
    return None


def _name(listing: Listing) -> str:
    return listing.contract or "none"


def disguised(listing: Listing) -> KnownAsset | None:
    """Give the known asset whose contract a venue lists under a ticker of another: renamed, or a trap."""
    network = SPELLINGS.get(listing.venue, {}).get(listing.network, "")
    found = CONTRACTS.get((network, listing.contract or ""))
    if found is None or asset_called(listing.venue, listing.symbol) == found.asset:
        return None
    return found
