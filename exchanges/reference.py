"""Reference data as values: rules that are fresh enough to trade on, and where coins may be sent."""

from __future__ import annotations

from datetime import datetime, timedelta

from exchanges.errors import StaleReferenceError
from exchanges.models import MarketRule, NetworkRule, RegisteredAddress, TransferRoute
from exchanges.values import Market, MarketRules, NetworkRules

OLDEST = timedelta(hours=24)


def market_rules(venue: str, market: Market, now: datetime) -> MarketRules:
    """Give how a venue trades a market. Raises StaleReferenceError if unknown or over 24 h old."""
    row = MarketRule.objects.filter(venue=venue, market=market.code).first()
    if row is None or now - row.fetched_at > OLDEST:
        raise _stale(f"the rules of {market.code} at {venue}", row)
    return row.rules()


def network_rules(venue: str, asset: str, network: str, now: datetime) -> NetworkRules:
    """Give how an asset moves at a venue. Raises StaleReferenceError if unknown or over 24 h old."""
    row = NetworkRule.objects.filter(venue=venue, asset=asset, network=network).first()
    if row is None or now - row.fetched_at > OLDEST:
        raise _stale(f"the rules of {asset} on {network} at {venue}", row)
    return row.rules()


def registered_address(owner_venue: str, asset: str, network: str) -> RegisteredAddress:
    """Give our confirmed deposit address at a venue, the last one seen there.

    Only such an address may be withdrawn to; its `destination` is the value that a request carries.
    Raises StaleReferenceError if there is none.
    """
    rows = RegisteredAddress.objects.filter(
        venue=owner_venue, asset=asset, network=network, confirmed_at__isnull=False
    )
    row = rows.order_by("-fetched_at", "-pk").first()
    if row is None:
        told = f"no confirmed address for {asset} on {network} at {owner_venue}: run sync_markets"
        raise StaleReferenceError(told)
    return row


def transfer_route(asset: str, from_venue: str, to_venue: str) -> TransferRoute:
    """Give the quickest allowed way of an asset between venues.

    Raises StaleReferenceError if there is none.
    """
    routes = TransferRoute.objects.filter(
        asset=asset, from_venue=from_venue, to_venue=to_venue, is_allowed=True
    )
    row = routes.order_by("expected_seconds", "pk").first()
    if row is None:
        raise StaleReferenceError(f"no allowed route for {asset} from {from_venue} to {to_venue}")
    return row


def _stale(what: str, row: MarketRule | NetworkRule | None) -> StaleReferenceError:
    age = "were never fetched" if row is None else "are more than 24 h old"
    return StaleReferenceError(f"{what} {age}: run sync_markets")
