"""Fetch reference data from the venues and keep it: rules, wallets, our own addresses, routes.

Each venue call happens outside any transaction; what it told is then written at once. A venue that does
not answer leaves its rows as they were (they grow stale, which callers see) and is named as a problem.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar

from django.db.models import QuerySet

from exchanges import registry
from exchanges.errors import RefusalReason, RefusedError, VenueError
from exchanges.models import MarketRule, NetworkRule, RegisteredAddress, TransferRoute
from exchanges.port import Venue
from exchanges.values import Market, MarketRules, NetworkRules

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


# A wallet that refused stays closed here for this long, for a status page may trail by minutes.
REFUSED_STAYS_CLOSED = timedelta(minutes=10)
READ_AGAIN_AFTER = timedelta(seconds=5)  # rules just read are not read again


@dataclass(slots=True, kw_only=True)
class SyncCounts:
    """How many rows were written, and in words what could not be."""

    markets: int = 0
    networks: int = 0
    addresses: int = 0
    routes: int = 0
    problems: list[str] = field(default_factory=list)
    key_rejected: dict[str, str] = field(default_factory=dict)  # what a venue said of our key


def sync_markets(now: datetime) -> SyncCounts:
    """Fetch everything for the desk's assets and keep it; problems are collected, not raised."""
    counts = SyncCounts()
    opened = [_ask(counts, registry.venue, code) for code in registry.desk_venues()]
    venues = [venue for venue in opened if venue is not None]
    for venue in venues:
        _ask(counts, venue.learn_limits)
        _sync_rules(venue, counts, now)
        _sync_addresses(venue, counts, now)
    for venue in venues:
        _confirm_addresses(venue, counts, now)
    _add_routes(counts)
    return counts


def note_closed(venue: str, asset: str, network: str, now: datetime) -> None:
    """Keep in mind that a venue refused a withdrawal for a closed wallet: the way is closed here."""
    NetworkRule.objects.filter(venue=venue, asset=asset, network=network).update(
        withdraw_is_open=False, refused_at=now
    )


def refresh(venue_code: str, asset: str, now: datetime, *, is_order: bool) -> SyncCounts:
    """Read one asset's markets, or its networks, again; what was read a moment ago is not."""
    counts = SyncCounts()
    venue = _ask(counts, registry.venue, venue_code)
    if venue is None:
        return counts
    if is_order:
        _refresh_markets(venue, asset, counts, now)
    elif not _is_fresh(NetworkRule.objects.filter(venue=venue_code, asset=asset), now):
        _sync_networks(venue, asset, counts, now)
    return counts


def _refresh_markets(venue: Venue, asset: str, counts: SyncCounts, now: datetime) -> None:
    for market in markets_at(venue.code):
        rows = MarketRule.objects.filter(venue=venue.code, market=market.code)
        if market.base == asset and not _is_fresh(rows, now):
            _sync_market(venue, market, counts, now)


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


def _sync_rules(venue: Venue, counts: SyncCounts, now: datetime) -> None:
    for market in markets_at(venue.code):
        _sync_market(venue, market, counts, now)
    for asset in ASSETS:
        _sync_networks(venue, asset, counts, now)


def _sync_market(venue: Venue, market: Market, counts: SyncCounts, now: datetime) -> None:
    rules = _ask(counts, venue.market_rules, market)
    if rules is not None:
        _keep_market(rules, now)
        counts.markets += 1


def _sync_networks(venue: Venue, asset: str, counts: SyncCounts, now: datetime) -> None:
    rows = _ask(counts, venue.network_rules, asset) or ()
    for row in rows:
        _keep_network(row, now)
    counts.networks += len(rows)


def _keep_market(rules: MarketRules, now: datetime) -> None:
    MarketRule.objects.update_or_create(
        venue=rules.venue,
        market=rules.market.code,
        defaults={
            "price_steps": [[f"{floor:f}", f"{step:f}"] for floor, step in rules.price_steps],
            "quantity_step": rules.quantity_step,
            "minimum_notional": rules.minimum_notional,
            "taker_fee_rate": rules.taker_fee_rate,
            "buy_fee_in_quote": rules.buy_fee_in_quote,
            "is_open": rules.is_open,
            "fetched_at": now,
        },
    )


def _keep_network(rules: NetworkRules, now: datetime) -> None:
    refused = NetworkRule.objects.filter(
        venue=rules.venue,
        asset=rules.asset,
        network=rules.network,
        refused_at__gt=now - REFUSED_STAYS_CLOSED,
    )
    NetworkRule.objects.update_or_create(
        venue=rules.venue,
        asset=rules.asset,
        network=rules.network,
        defaults={
            "withdraw_is_open": rules.withdraw_is_open and not refused.exists(),
            "deposit_is_open": rules.deposit_is_open,
            "withdraw_fee": rules.withdraw_fee,
            "withdraw_minimum": rules.withdraw_minimum,
            "withdraw_step": rules.withdraw_step,
            "memo_is_required": rules.memo_is_required,
            "confirmations": rules.confirmations,
            "fetched_at": now,
        },
    )


def _sync_addresses(venue: Venue, counts: SyncCounts, now: datetime) -> None:
    for asset, network in NETWORK_OF.items():
        found = _ask(counts, venue.deposit_address, asset, network=network)
        if found is None:
            counts.problems.append(f"no deposit address for {asset} on {network} at {venue.code}")
            continue
        RegisteredAddress.objects.update_or_create(
            venue=venue.code,
            asset=asset,
            network=network,
            address=found.address,
            memo=found.memo or "",
            defaults={"fetched_at": now},
        )
        counts.addresses += 1


def _confirm_addresses(sender: Venue, counts: SyncCounts, now: datetime) -> None:
    """Confirm those addresses at other venues that this venue lets us withdraw to."""
    for asset in ASSETS:
        for allowed in _ask(counts, sender.withdrawal_addresses, asset) or ():
            RegisteredAddress.objects.exclude(venue=sender.code).filter(
                asset=allowed.asset,
                network=allowed.network,
                address=allowed.address,
                memo=allowed.memo or "",
                confirmed_at__isnull=True,
            ).update(confirmed_at=now)


def _add_routes(counts: SyncCounts) -> None:
    """Add the usual route of each asset, to each Korean venue and back, where both know the network."""
    for korea in registry.korea_venues():
        for asset, network in NETWORK_OF.items():
            _add_both_ways(counts, (registry.GLOBAL_VENUE, korea), asset, network)


def _add_both_ways(counts: SyncCounts, venues: tuple[str, str], asset: str, network: str) -> None:
    known = NetworkRule.objects.filter(asset=asset, network=network, venue__in=venues)
    if known.count() < len(venues):
        told = f"no route for {asset}: {network} is not known at both {' and '.join(venues)}"
        counts.problems.append(told)
        return
    expected, overdue = TRANSFER_SECONDS[network]
    for from_venue, to_venue in (venues, venues[::-1]):
        TransferRoute.objects.get_or_create(
            asset=asset,
            from_venue=from_venue,
            to_venue=to_venue,
            network=network,
            defaults={"expected_seconds": expected, "overdue_seconds": overdue},
        )
        counts.routes += 1
