"""The port, spoken to Upbit: build a request, make the call, parse the reply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from exchanges.adapters.upbit import build, payloads, rules, transfers
from exchanges.adapters.upbit.dialect import VENUE, UpbitDialect
from exchanges.adapters.upbit.refusals import NOT_FOUND
from exchanges.errors import RefusedError
from exchanges.transport.budget import RateBudget
from exchanges.transport.calls import VenueTransport
from exchanges.transport.decoding import UnreadableError
from exchanges.transport.http import HttpSender
from exchanges.transport.wire import Keys, Reply
from exchanges.values import (
    Balance,
    Book,
    DepositAddress,
    DepositReport,
    Market,
    MarketRules,
    NetworkRules,
    OrderReport,
    OrderRequest,
    OutcomeRule,
    WithdrawalReport,
    WithdrawalRequest,
)

PAGES = 10  # of 100 rows: further back than any lookup of ours reaches
RowT = TypeVar("RowT", WithdrawalReport, DepositReport)

ORDER_RULE = OutcomeRule(
    absence_proves_after_seconds=10, client_id_is_burned=True, lookup_grace_seconds=60
)
"""Upbit answers `order_not_found` for some seconds after accepting an order; JWTs carry no time, so
nothing but time bounds a delayed request. An identifier is never reusable, even after a refusal
(docs.upbit.com, "Create order", identifier). Combine with `locked` and a second look."""

WITHDRAWAL_RULE = OutcomeRule(
    absence_proves_after_seconds=None, client_id_is_burned=False, lookup_grace_seconds=60
)
"""Upbit's withdrawals take no client id, so absence proves nothing: a person decides."""


class UpbitVenue:
    """Upbit as a Venue. Allow-lists name no owner: `withdrawal_addresses` says venue "upbit"."""

    code = VENUE
    order_rule = ORDER_RULE
    withdrawal_rule = WITHDRAWAL_RULE

    def __init__(
        self,
        *,
        base_url: str,
        keys: Keys,
        clock: Callable[[], datetime],
        budget: RateBudget | None = None,
        deadline_seconds: float = 10,
    ) -> None:
        self._clock = clock
        self._transport = VenueTransport(
            UpbitDialect(keys),
            HttpSender(base_url),
            clock=clock,
            budget=budget,
            deadline_seconds=deadline_seconds,
        )

    def book(self, market: Market, *, depth: int = 15) -> Book:
        """Read the book, at most `depth` levels a side."""
        return self._transport.call(
            build.book(market, depth=depth),
            lambda reply: payloads.book(reply.body, market, depth=depth, received_at=self._clock()),
        )

    def market_rules(self, market: Market) -> MarketRules:
        """Read the rules of a market: fee and minimum of the account, ticks of the book."""
        instruments = self._transport.call(build.instruments(market), _body)
        ticker = self._transport.call(build.ticker(market), _body)
        chance = build.read(
            "market_rules", "/v1/orders/chance", market=payloads.market_code(market)
        )
        return self._transport.call(
            chance,
            lambda reply: rules.market_rules(
                market,
                chance=reply.body,
                instruments=instruments,
                ticker=ticker,
                now=self._clock(),
            ),
        )

    def network_rules(self, asset: str) -> tuple[NetworkRules, ...]:
        """Read how the asset moves, per network. Upbit warns that wallet states lag by minutes."""
        states = self._transport.call(
            build.read("wallets", "/v1/status/wallet"),
            lambda reply: rules.wallets(reply.body, asset),
        )
        return tuple(self._network(asset, network, state) for network, state in states.items())

    def _network(self, asset: str, network: str, state: str) -> NetworkRules:
        withdraw = self._transport.call(
            build.read("withdraw_chance", "/v1/withdraws/chance", currency=asset, net_type=network),
            _body,
        )
        deposit = build.read(
            "deposit_chance", "/v1/deposits/chance/coin", currency=asset, net_type=network
        )
        return self._transport.call(
            deposit,
            lambda reply: rules.network_rules(
                asset, network, state, withdraw=withdraw, deposit=reply.body, now=self._clock()
            ),
        )

    def balances(self) -> dict[str, Balance]:
        """Read what the account holds, by asset."""
        return self._transport.call(
            build.read("balances", "/v1/accounts"), lambda reply: payloads.balances(reply.body)
        )

    def place_order(self, request: OrderRequest) -> OrderReport:
        """Send one order, once. The reply shows no fills: read `order` until it is final."""
        return self._transport.call(
            build.place_order(request),
            lambda reply: payloads.placed_order(
                reply.body, client_order_id=request.client_order_id
            ),
        )

    def order(self, market: Market, *, client_order_id: str) -> OrderReport | None:
        """Look an order up by our id."""
        try:
            report = self._transport.call(
                build.order(client_order_id),
                lambda reply: payloads.found_order(reply.body, client_order_id=client_order_id),
            )
        except RefusedError as refusal:
            if refusal.code in NOT_FOUND:
                return None
            raise
        return report

    def cancel_order(self, market: Market, *, client_order_id: str) -> None:
        """Ask to cancel; an order that Upbit does not know any more is no error."""
        try:
            self._transport.call(build.cancel_order(client_order_id), _body)
        except RefusedError as refusal:
            if refusal.code not in NOT_FOUND:
                raise

    def withdraw(self, request: WithdrawalRequest) -> WithdrawalReport:
        """Send one withdrawal, once."""
        return self._transport.call(
            build.withdraw(request), lambda reply: transfers.withdrawal(reply.body)
        )

    def withdrawals(self, asset: str, *, since: datetime) -> Sequence[WithdrawalReport]:
        """List withdrawals of an asset since an instant, newest first."""
        return self._pages("withdrawals", "/v1/withdraws", asset, since, transfers.withdrawals)

    def deposits(self, asset: str, *, since: datetime) -> Sequence[DepositReport]:
        """List deposits of an asset since an instant, newest first."""
        return self._pages("deposits", "/v1/deposits", asset, since, transfers.deposits)

    def _pages(
        self,
        operation: str,
        path: str,
        asset: str,
        since: datetime,
        parse: Callable[[bytes], list[RowT]],
    ) -> list[RowT]:
        """Read pages until one is short or starts before `since`; a row without an instant stays."""
        rows: list[RowT] = []
        since = since.replace(microsecond=0)  # Upbit's instants are whole seconds
        for number in range(1, PAGES + 1):
            request = build.page(operation, path, asset, number)
            page = self._transport.call(request, lambda reply: parse(reply.body))
            rows += [row for row in page if row.created_at is None or row.created_at >= since]
            oldest = page[-1].created_at if page else None
            if len(page) < build.PAGE or (oldest is not None and oldest < since):
                break
        return rows

    def deposit_address(self, asset: str, *, network: str) -> DepositAddress | None:
        """Read our deposit address; where there is none yet, ask for it to be made and give None."""
        known = build.read(
            "deposit_address", "/v1/deposits/coin_address", currency=asset, net_type=network
        )
        try:
            found = self._transport.call(
                known, lambda reply: transfers.deposit_address(reply.body, asset, network)
            )
        except RefusedError as refusal:
            if "not_found" not in refusal.code:
                raise
            found = None
        if found is not None:
            return found
        return self._transport.call(
            build.make_address(asset, network),
            lambda reply: transfers.deposit_address(reply.body, asset, network),
        )

    def withdrawal_addresses(self, asset: str) -> Sequence[DepositAddress]:
        """List what Upbit lets us withdraw this asset to."""
        return self._transport.call(
            build.read("withdrawal_addresses", "/v1/withdraws/coin_addresses"),
            lambda reply: transfers.withdrawal_addresses(reply.body, asset),
        )

    def server_time(self) -> datetime:
        """Read the venue's clock from a reply's Date header (whole seconds): it has no other."""
        return self._transport.call(build.instruments(Market("BTC", "KRW")), _date)

    def close(self) -> None:
        """Give connections back."""
        self._transport.close()


def _body(reply: Reply) -> bytes:
    return reply.body


def _date(reply: Reply) -> datetime:
    try:
        return parsedate_to_datetime(reply.headers.get("date", ""))
    except ValueError:
        raise UnreadableError("no Date header") from None
