"""A venue behind our own codes: every name that crosses this line is translated, and nowhere else.

Adapters below speak the venue's symbols and networks. What the registry does not vouch for is neither
bought nor sent; what was done before can still be looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from msgspec import structs

from exchanges.errors import UnprovenAssetError
from exchanges.hints import Hint, StreamRequest
from exchanges.identity.names import Names
from exchanges.port import Venue
from exchanges.values import (
    Balance,
    Book,
    DepositAddress,
    DepositReport,
    KeyReport,
    Listed,
    Listing,
    Market,
    MarketRules,
    NetworkRules,
    OrderKey,
    OrderReport,
    OrderRequest,
    Side,
    TransferT,
    WithdrawalReport,
    WithdrawalRequest,
)


class NamedVenue:
    """A Venue in our codes over one in its own. `names` gives the newest reading of the registry."""

    def __init__(self, venue: Venue, names: Callable[[], Names]) -> None:
        self._venue = venue
        self._names = names
        self.code = venue.code
        self.order_rule = venue.order_rule
        self.cancel_rule = venue.cancel_rule
        self.withdrawal_rule = venue.withdrawal_rule

    def book(self, market: Market, *, depth: int = 15) -> Book:
        """Read the book."""
        found = self._venue.book(self._names().market(market), depth=depth)
        return structs.replace(found, market=market)

    def market_rules(self, market: Market) -> MarketRules:
        """Read how the market trades."""
        return replace(self._venue.market_rules(self._names().market(market)), market=market)

    def learn_limits(self) -> None:
        """Read the account's limits, for the budget."""
        self._venue.learn_limits()

    def network_rules(self, asset: str) -> tuple[NetworkRules, ...]:
        """Read how the asset moves, per network."""
        names = self._names()
        symbol = names.symbol(asset)
        return tuple(
            replace(row, asset=asset, network=names.network(symbol, row.network))
            for row in self._venue.network_rules(symbol)
        )

    def balances(self) -> dict[str, Balance]:
        """Read what the account holds; a coin that is tied to no asset of ours reads `SYMBOL?`."""
        names = self._names()
        rows = [replace(r, asset=names.asset(r.asset)) for r in self._venue.balances().values()]
        return {row.asset: row for row in rows}

    def place_order(self, request: OrderRequest) -> OrderReport:
        """Send one order, once; a sale of what has arrived needs no new proof."""
        names = self._names()
        objection = names.objection(request.market.base, may_end=request.side is Side.SELL)
        self._demand(objection, "place_order")
        sent = replace(request, market=names.market(request.market))
        return _order(self._venue.place_order(sent), request.market, names)

    def order(self, market: Market, *, client_order_id: str) -> OrderReport | None:
        """Look an order up."""
        names = self._names()
        found = self._venue.order(names.market(market), client_order_id=client_order_id)
        return None if found is None else _order(found, market, names)

    def orders(self, keys: Sequence[OrderKey], *, since: datetime) -> Sequence[OrderReport]:
        """Look several orders up."""
        names = self._names()
        ours = {key.client_order_id: key.market for key in keys}
        theirs = [replace(key, market=names.market(key.market)) for key in keys]
        found = self._venue.orders(theirs, since=since)
        mine = [row for row in found if row.client_order_id in ours]
        return [_order(row, ours[row.client_order_id], names) for row in mine]

    def orders_since(self, markets: Sequence[Market], *, since: datetime) -> Sequence[OrderReport]:
        """List our orders since an instant."""
        names = self._names()
        found = self._venue.orders_since([names.market(one) for one in markets], since=since)
        return [_order(row, _named(row.market, names), names) for row in found]

    def cancel_order(self, market: Market, *, client_order_id: str) -> None:
        """Ask to cancel."""
        self._venue.cancel_order(self._names().market(market), client_order_id=client_order_id)

    def withdraw(self, request: WithdrawalRequest) -> WithdrawalReport:
        """Send one withdrawal, once."""
        names = self._names()
        self._demand(names.objection(request.asset, request.network), "withdraw")
        there = replace(
            request.destination,
            asset=names.symbol(request.asset),
            network=names.spelling(request.asset, request.network),
        )
        return _withdrawal(self._venue.withdraw(replace(request, destination=there)), names)

    def withdrawals(self, asset: str, *, since: datetime) -> Sequence[WithdrawalReport]:
        """List withdrawals of an asset."""
        names = self._names()
        rows = self._venue.withdrawals(names.symbol(asset), since=since)
        return [_withdrawal(row, names) for row in rows]

    def deposits(self, asset: str, *, since: datetime) -> Sequence[DepositReport]:
        """List deposits of an asset."""
        names = self._names()
        rows = self._venue.deposits(names.symbol(asset), since=since)
        return [_deposit(row, names) for row in rows]

    def all_withdrawals(self, *, since: datetime) -> Listed[WithdrawalReport]:
        """List the whole account's withdrawals."""
        names = self._names()
        return _listed(self._venue.all_withdrawals(since=since), _withdrawal, names)

    def all_deposits(self, *, since: datetime) -> Listed[DepositReport]:
        """List the whole account's deposits."""
        names = self._names()
        return _listed(self._venue.all_deposits(since=since), _deposit, names)

    def deposit_address(self, asset: str, *, network: str) -> DepositAddress | None:
        """Read our own deposit address."""
        names = self._names()
        spelling = names.spelling(asset, network)
        found = self._venue.deposit_address(names.symbol(asset), network=spelling)
        return None if found is None else replace(found, asset=asset, network=network)

    def withdrawal_addresses(self, asset: str) -> Sequence[DepositAddress]:
        """List what the venue lets us withdraw this asset to."""
        names = self._names()
        symbol = names.symbol(asset)
        return [
            replace(row, asset=asset, network=names.network(symbol, row.network))
            for row in self._venue.withdrawal_addresses(symbol)
        ]

    def listings(self) -> Sequence[Listing]:
        """List everything in the venue's own words."""
        return self._venue.listings()

    def verify_deposit(self, deposit: DepositReport, *, sender: str) -> DepositReport:
        """Tell the venue whose account a held deposit came from."""
        names = self._names()
        theirs = replace(
            deposit,
            asset=names.symbol(deposit.asset),
            network=names.spelling(deposit.asset, deposit.network),
        )
        return _deposit(self._venue.verify_deposit(theirs, sender=sender), names)

    def key_report(self) -> KeyReport:
        """Read what the venue tells of our own key."""
        return self._venue.key_report()

    def stream_request(self) -> StreamRequest:
        """Give how to ask for the private stream."""
        return self._venue.stream_request()

    def hint(self, frame: bytes) -> Hint | None:
        """Read what a frame is about."""
        names, found = self._names(), self._venue.hint(frame)
        if found is None or found.assets is None:
            return found
        return replace(found, assets=frozenset(names.asset(symbol) for symbol in found.assets))

    def server_time(self) -> datetime:
        """Read the venue's clock."""
        return self._venue.server_time()

    def close(self) -> None:
        """Give connections back."""
        self._venue.close()

    def _demand(self, objection: str, operation: str) -> None:
        if objection:
            raise UnprovenAssetError(objection, venue=self.code, operation=operation)


def _named(market: Market, names: Names) -> Market:
    return Market(names.asset(market.base), names.asset(market.quote))


def _order(report: OrderReport, market: Market, names: Names) -> OrderReport:
    fills = tuple(replace(fill, fee_asset=names.asset(fill.fee_asset)) for fill in report.fills)
    return replace(report, market=market, fills=fills)


def _withdrawal(report: WithdrawalReport, names: Names) -> WithdrawalReport:
    network = names.network(report.asset, report.network)
    return replace(report, asset=names.asset(report.asset), network=network)


def _deposit(report: DepositReport, names: Names) -> DepositReport:
    network = names.network(report.asset, report.network)
    return replace(report, asset=names.asset(report.asset), network=network)


def _listed(
    listed: Listed[TransferT], named: Callable[[TransferT, Names], TransferT], names: Names
) -> Listed[TransferT]:
    rows = tuple(named(row, names) for row in listed.rows)
    unreadable = frozenset(names.asset(symbol) for symbol in listed.unreadable)
    return replace(listed, rows=rows, unreadable=unreadable)
