"""Fetch reference data from the venues and keep it: rules, wallets, our own addresses, routes.

Each venue call happens outside any transaction; what it told is then written at once. A venue that does
not answer leaves its rows as they were (they grow stale, which callers see) and is named as a problem.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import ParamSpec, TypeVar

from exchanges import registry
from exchanges.errors import VenueError
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
MARKETS = {
    registry.GLOBAL_VENUE: tuple(Market(asset, "USDT") for asset in ASSETS if asset != "USDT"),
    registry.KOREA_VENUE: tuple(Market(asset, "KRW") for asset in ASSETS),
}


@dataclass(slots=True, kw_only=True)
class SyncCounts:
    """How many rows were written, and in words what could not be."""

    markets: int = 0
    networks: int = 0
    addresses: int = 0
    routes: int = 0
    problems: list[str] = field(default_factory=list)


def sync_markets(now: datetime) -> SyncCounts:
    """Fetch everything for the desk's assets and keep it; problems are collected, not raised."""
    counts = SyncCounts()
    opened = [_ask(counts, registry.venue, code) for code in registry.VENUES]
    venues = [venue for venue in opened if venue is not None]
    for venue in venues:
        _sync_rules(venue, counts, now)
        _sync_addresses(venue, counts, now)
    for venue in venues:
        _confirm_addresses(venue, counts, now)
    _add_routes(counts)
    return counts


def _ask(counts: SyncCounts, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """Ask a venue; what goes wrong is noted and gives None."""
    try:
        return method(*args, **kwargs)
    except VenueError as error:
        if str(error) not in counts.problems:
            counts.problems.append(str(error))
        return None


def _sync_rules(venue: Venue, counts: SyncCounts, now: datetime) -> None:
    for market in MARKETS[venue.code]:
        rules = _ask(counts, venue.market_rules, market)
        if rules is not None:
            _keep_market(rules, now)
            counts.markets += 1
    for asset in ASSETS:
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
    NetworkRule.objects.update_or_create(
        venue=rules.venue,
        asset=rules.asset,
        network=rules.network,
        defaults={
            "withdraw_is_open": rules.withdraw_is_open,
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
    """Add the usual route of each asset, both ways, where both venues know the network."""
    for asset, network in NETWORK_OF.items():
        known = NetworkRule.objects.filter(asset=asset, network=network)
        venues = set(known.values_list("venue", flat=True))
        if not venues.issuperset(registry.VENUES):
            counts.problems.append(f"no route for {asset}: {network} is not known at both venues")
            continue
        expected, overdue = TRANSFER_SECONDS[network]
        for from_venue, to_venue in (registry.VENUES, registry.VENUES[::-1]):
            TransferRoute.objects.get_or_create(
                asset=asset,
                from_venue=from_venue,
                to_venue=to_venue,
                network=network,
                defaults={"expected_seconds": expected, "overdue_seconds": overdue},
            )
            counts.routes += 1
