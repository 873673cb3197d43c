"""Fetch reference data from the venues and keep it: identities, rules, wallets, our own addresses, routes.

Each venue call happens outside any transaction; what it told is then written at once, with a notice to
people where it must not go unseen, unless something newer was kept meanwhile (`answers`). A venue that does not answer leaves its rows as they were (they grow
stale, which callers see) and is named as a problem.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar

from django.db.models import QuerySet

from exchanges import registry
from exchanges.address_sync import keep_addresses, keep_allowances
from exchanges.answers import asking
from exchanges.errors import RefusalReason, RefusedError, VenueError
from exchanges.identity_sync import keep_listings
from exchanges.models import MarketRule, NetworkRule, TransferRoute
from exchanges.notices import Tell
from exchanges.port import Venue
from exchanges.rule_sync import keep_markets, keep_networks
from exchanges.values import Market

P = ParamSpec("P")
T = TypeVar("T")
ASSETS = ("BTC", "ETH", "XRP", "SOL", "USDT")
NETWORK_OF = {"BTC": "BTC", "ETH": "ETH", "XRP": "XRP", "SOL": "SOL", "USDT": "TRX"}
# network: (expected, overdue) seconds from our request to a tradable credit; operators may change rows
TRANSFER_SECONDS = {
    "BTC": (2400, 10800),
    "ETH": (600, 3600),
    "XRP": (120, 1200),
    "SOL": (180, 1200),
    "TRX": (240, 1800),
}


def markets_at(venue: str) -> tuple[Market, ...]:
    """Give the markets that the desk trades at a venue."""
    if venue == registry.GLOBAL_VENUE:
        return tuple(Market(asset, "USDT") for asset in ASSETS if asset != "USDT")
    return tuple(Market(asset, "KRW") for asset in ASSETS)


READ_AGAIN_AFTER = timedelta(seconds=5)  # rules just read are not read again


@dataclass(slots=True, kw_only=True)
class SyncCounts:
    """How many rows were written, and in words what could not be."""

    identities: int = 0
    markets: int = 0
    networks: int = 0
    addresses: int = 0
    routes: int = 0
    left_off_at: str = ""  # the part that there was no time for
    problems: list[str] = field(default_factory=list)
    key_rejected: dict[str, str] = field(default_factory=dict)  # what a venue said of our key


def sync_markets(
    now: datetime,
    *,
    tell: Tell,
    begin_with: str = "",
    may_go_on: Callable[[], bool] = lambda: True,
) -> SyncCounts:
    """Fetch everything for the desk's assets and keep it; problems are collected, not raised.

    `tell` gets what people must know, inside the transaction that writes it. Part by part, from the one named
    on, and one at least; the counts name the part that it might not go on to.
    """
    counts = SyncCounts()
    parts = _parts(counts, now, tell)
    names = list(parts)
    first = names.index(begin_with) if begin_with in parts else 0
    for number, name in enumerate(names[first:] + names[:first]):
        if number and not may_go_on():
            counts.left_off_at = name
            break
        parts[name]()
    _add_routes(counts)
    return counts


def _parts(counts: SyncCounts, now: datetime, tell: Tell) -> dict[str, Callable[[], None]]:
    """Give what is fetched, part by part: of each venue, then what each lets us send to the others' addresses."""
    parts: dict[str, Callable[[], None]] = {}
    for code in registry.desk_venues():
        parts |= {
            f"{code} limits": _of(code, counts, lambda venue: _ask(counts, venue.learn_limits)),
            f"{code} assets": _of(
                code, counts, lambda venue: _sync_identities(venue, counts, now, tell)
            ),
            f"{code} markets": _of(
                code,
                counts,
                lambda venue: _keep_markets(venue, markets_at(venue.code), counts, now),
            ),
            f"{code} networks": _of(
                code, counts, lambda venue: _keep_networks(venue, ASSETS, counts, now)
            ),
            f"{code} addresses": _of(
                code, counts, lambda venue: _sync_addresses(venue, counts, now, tell)
            ),
        }
    for code in registry.desk_venues():
        parts[f"{code} allowances"] = _of(
            code, counts, lambda venue: _sync_allowances(venue, counts, now)
        )
    return parts


def _of(code: str, counts: SyncCounts, fetch: Callable[[Venue], object]) -> Callable[[], None]:
    """Let a part of a venue be fetched, if it can be asked at all."""

    def part() -> None:
        venue = _ask(counts, registry.venue, code)
        if venue is not None:
            fetch(venue)

    return part


def refresh(venue_code: str, asset: str, now: datetime, *, is_order: bool) -> SyncCounts:
    """Read one asset's markets, or its networks, again; what was read a moment ago is not."""
    counts = SyncCounts()
    venue = _ask(counts, registry.venue, venue_code)
    if venue is None:
        return counts
    if is_order:
        _refresh_markets(venue, asset, counts, now)
    elif not _is_fresh(NetworkRule.objects.filter(venue=venue_code, asset=asset), now):
        _keep_networks(venue, [asset], counts, now)
    return counts


def _refresh_markets(venue: Venue, asset: str, counts: SyncCounts, now: datetime) -> None:
    mine = [market for market in markets_at(venue.code) if market.base == asset]
    rows = MarketRule.objects.filter(venue=venue.code, market__in=[one.code for one in mine])
    if not _is_fresh(rows, now):
        _keep_markets(venue, mine, counts, now)


def _is_fresh(rows: QuerySet[MarketRule] | QuerySet[NetworkRule], now: datetime) -> bool:
    return rows.filter(fetched_at__gt=now - READ_AGAIN_AFTER).exists()


def _ask(counts: SyncCounts, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """Ask a venue; what goes wrong is noted and gives None."""
    try:
        return method(*args, **kwargs)
    except VenueError as error:
        if str(error) not in counts.problems:
            counts.problems.append(str(error))
        if isinstance(error, RefusedError) and error.reason is RefusalReason.KEY:
            counts.key_rejected[error.venue] = str(error)
        return None


def _sync_identities(venue: Venue, counts: SyncCounts, now: datetime, tell: Tell) -> None:
    asked = asking(now)
    told = _ask(counts, venue.listings)
    if told is None:
        return
    kept = keep_listings(venue.code, told, ASSETS, asked=asked, tell=tell)
    if not kept:
        counts.problems.append(f"{venue.code} lists none of the desk's assets")
    counts.identities += kept


def _keep_markets(
    venue: Venue, markets: Iterable[Market], counts: SyncCounts, now: datetime
) -> None:
    asked = asking(now)
    found = [_ask(counts, venue.market_rules, market) for market in markets]
    told = [rules for rules in found if rules is not None]
    keep_markets(told, asked)
    counts.markets += len(told)


def _keep_networks(venue: Venue, assets: Iterable[str], counts: SyncCounts, now: datetime) -> None:
    asked = asking(now)
    found = [_ask(counts, venue.network_rules, asset) or () for asset in assets]
    told = [row for rows in found for row in rows]
    keep_networks(told, asked)
    counts.networks += len(told)


def _sync_addresses(venue: Venue, counts: SyncCounts, now: datetime, tell: Tell) -> None:
    asked, told = asking(now), []
    for asset, network in NETWORK_OF.items():
        found = _ask(counts, venue.deposit_address, asset, network=network)
        if found is None:
            counts.problems.append(f"no deposit address for {asset} on {network} at {venue.code}")
            continue
        told.append(found)
    keep_addresses(told, asked=asked, tell=tell)
    counts.addresses += len(told)


def _sync_allowances(sender: Venue, counts: SyncCounts, now: datetime) -> None:
    """Note which of our addresses elsewhere this venue lets us withdraw to."""
    asked = asking(now)
    found = {asset: _ask(counts, sender.withdrawal_addresses, asset) for asset in ASSETS}
    told = {asset: rows for asset, rows in found.items() if rows is not None}
    keep_allowances(sender.code, told, asked=asked)


def _add_routes(counts: SyncCounts) -> None:
    """Add the usual route of each asset, to each Korean venue and back, where both know the network."""
    known = set(NetworkRule.objects.values_list("venue", "asset", "network"))
    routes: list[TransferRoute] = []
    for korea in registry.korea_venues():
        for asset, network in NETWORK_OF.items():
            ends = (registry.GLOBAL_VENUE, korea)
            if all((venue, asset, network) in known for venue in ends):
                routes += _both_ways(ends, asset, network)
                continue
            told = f"no route for {asset}: {network} is not known at both {' and '.join(ends)}"
            counts.problems.append(told)
    TransferRoute.objects.bulk_create(routes, ignore_conflicts=True)
    counts.routes += len(routes)


def _both_ways(ends: tuple[str, str], asset: str, network: str) -> Iterator[TransferRoute]:
    expected, overdue = TRANSFER_SECONDS[network]
    for from_venue, to_venue in (ends, ends[::-1]):
        yield TransferRoute(
            asset=asset,
            from_venue=from_venue,
            to_venue=to_venue,
            network=network,
            expected_seconds=expected,
            overdue_seconds=overdue,
        )
