"""Reference data as values: rules that are fresh enough to trade on, and the routes between venues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from django.db.models import Q
from django.utils.translation import gettext_noop

from exchanges.errors import StaleReferenceError
from exchanges.models import MarketRule, NetworkRule, TransferRoute
from exchanges.recent import recent
from exchanges.sentences import Sentence
from exchanges.values import Market, MarketRules, NetworkRules

OLDEST = timedelta(hours=24)
NEVER_FETCHED = gettext_noop(
    "the rules of %(what)s at %(venue)s were never fetched: run sync_markets"
)
TOO_OLD = gettext_noop(
    "the rules of %(what)s at %(venue)s are more than 24 h old: run sync_markets"
)
Rule = TypeVar("Rule", MarketRule, NetworkRule)


def market_rules(venue: str, market: Market, now: datetime) -> MarketRules:
    """Give how a venue trades a market. Raises StaleReferenceError if unknown or over 24 h old."""
    row = _market_row(venue, market.code)
    return _fresh(row, now, market.code, venue).rules()


def taker_fee_rate(venue: str, market: Market) -> Decimal:
    """Give the fee of a market as it was told last, however long ago; 0 where it never was."""
    row = _market_row(venue, market.code)
    return row.rules().taker_fee_rate if row is not None else Decimal(0)


def network_rules(venue: str, asset: str, network: str, now: datetime) -> NetworkRules:
    """Give how an asset moves at a venue. Raises StaleReferenceError if unknown or over 24 h old."""
    row = _network_row(venue, asset, network)
    return _fresh(row, now, f"{asset} ({network})", venue).rules()


@recent
def _market_row(venue: str, market: str) -> MarketRule | None:
    return MarketRule.objects.filter(venue=venue, market=market).first()


@recent
def _network_row(venue: str, asset: str, network: str) -> NetworkRule | None:
    return NetworkRule.objects.filter(venue=venue, asset=asset, network=network).first()


def transfer_route(asset: str, from_venue: str, to_venue: str) -> TransferRoute:
    """Give the quickest allowed way of an asset between venues.

    Raises StaleReferenceError if there is none.
    """
    routes = TransferRoute.objects.filter(
        asset=asset, from_venue=from_venue, to_venue=to_venue, is_allowed=True
    )
    row = routes.order_by("expected_seconds", "pk").first()
    return _allowed(row, asset, from_venue, to_venue)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """The rules and routes as one reading found them, for whoever weighs many assets at once.

    Its methods give and raise what the functions of the same names do.
    """

    markets: Mapping[tuple[str, str], MarketRule]
    networks: Mapping[tuple[str, str, str], NetworkRule]
    routes: Mapping[tuple[str, str, str], TransferRoute]

    def market_rules(self, venue: str, market: Market, now: datetime) -> MarketRules:
        """Give how a venue trades a market."""
        row = self.markets.get((venue, market.code))
        return _fresh(row, now, market.code, venue).rules()

    def network_rules(self, venue: str, asset: str, network: str, now: datetime) -> NetworkRules:
        """Give how an asset moves at a venue."""
        row = self.networks.get((venue, asset, network))
        return _fresh(row, now, f"{asset} ({network})", venue).rules()

    def transfer_route(self, asset: str, from_venue: str, to_venue: str) -> TransferRoute:
        """Give the quickest allowed way of an asset between venues."""
        row = self.routes.get((asset, from_venue, to_venue))
        return _allowed(row, asset, from_venue, to_venue)


def known_markets() -> frozenset[tuple[str, str]]:
    """Give venue and code of every market whose rules were ever fetched."""
    return frozenset(MarketRule.objects.values_list("venue", "market"))


def known_assets() -> frozenset[str]:
    """Give what a venue trades or moves, or a route carries, however long ago that was told."""
    bases = [Market.parse(code).base for _, code in known_markets()]
    moved = NetworkRule.objects.values_list("asset", flat=True)
    carried = TransferRoute.objects.values_list("asset", flat=True)
    return frozenset(bases).union(moved, carried)


def known_networks() -> list[NetworkRules]:
    """Give how every asset moves, as each venue last told, however long ago."""
    return [row.rules() for row in NetworkRule.objects.order_by("venue", "asset", "network")]


def rulebook() -> Rulebook:
    """Read all rules and routes, in three queries."""
    routes = TransferRoute.objects.filter(is_allowed=True).order_by("-expected_seconds", "-pk")
    return Rulebook(
        markets={(row.venue, row.market): row for row in MarketRule.objects.all()},
        networks={(row.venue, row.asset, row.network): row for row in NetworkRule.objects.all()},
        # The quickest of a way comes last, and stays.
        routes={(row.asset, row.from_venue, row.to_venue): row for row in routes},
    )


def overdue_seconds(asset: str, from_venue: str, to_venue: str, network: str) -> int | None:
    """Give how long a transfer may take, on a route that is not allowed any more too; None: unknown."""
    routes = TransferRoute.objects.filter(
        asset=asset, from_venue=from_venue, to_venue=to_venue, network=network
    )
    return routes.values_list("overdue_seconds", flat=True).first()


def closed_ways(from_venue: str, to_venue: str) -> frozenset[str]:
    """Give the assets that cannot go from one venue to the other now: a wallet or a market is closed.

    A wallet on their quickest route, or their market at either venue; as the venues last told: what they
    told nothing of is not among them.
    """
    is_shut = Q(venue=from_venue, withdraw_is_open=False) | Q(venue=to_venue, deposit_is_open=False)
    closed = set(NetworkRule.objects.filter(is_shut).values_list("asset", "network"))
    quickest = quickest_networks(from_venue, to_venue)
    shut = MarketRule.objects.filter(venue__in=[from_venue, to_venue], is_open=False)
    return frozenset(
        [way[0] for way in quickest.items() if way in closed]
        + [Market.parse(code).base for code in shut.values_list("market", flat=True)]
    )


def quickest_networks(from_venue: str, to_venue: str) -> dict[str, str]:
    """Give the network of each asset's quickest allowed route, by asset."""
    routes = TransferRoute.objects.filter(
        from_venue=from_venue, to_venue=to_venue, is_allowed=True
    ).order_by("-expected_seconds", "-pk")
    return dict(routes.values_list("asset", "network"))  # the quickest comes last, and stays


def _fresh(row: Rule | None, now: datetime, what: str, venue: str) -> Rule:
    if row is None or now - row.fetched_at > OLDEST:
        pattern = NEVER_FETCHED if row is None else TOO_OLD
        raise StaleReferenceError(Sentence(pattern, what=what, venue=venue))
    return row


def _allowed(
    row: TransferRoute | None, asset: str, from_venue: str, to_venue: str
) -> TransferRoute:
    if row is None:
        raise StaleReferenceError(
            Sentence(
                "no allowed route for %(asset)s from %(origin)s to %(target)s",
                asset=asset,
                origin=from_venue,
                target=to_venue,
            )
        )
    return row
