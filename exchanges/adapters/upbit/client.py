"""The port, spoken to Upbit: build a request, make the call, parse the reply."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from exchanges.adapters.krw import build as common
from exchanges.adapters.krw.books import market_code
from exchanges.adapters.krw.orders import Order
from exchanges.adapters.krw.transfers import withdrawal
from exchanges.adapters.krw.venue import KoreanVenue, body_of
from exchanges.adapters.upbit import build, limits, payloads, rules, travel_rule
from exchanges.adapters.upbit.dialect import VENUE, UpbitDialect
from exchanges.adapters.upbit.refusals import NOT_FOUND
from exchanges.errors import NotSentError, OutcomeUnknownError, RefusalReason, RefusedError
from exchanges.transport.decoding import UnreadableError
from exchanges.transport.wire import Keys, Request
from exchanges.values import (
    DepositReport,
    KeyReport,
    Market,
    MarketRules,
    NetworkRules,
    OrderReport,
    OrderRequest,
    OutcomeRule,
    ToldBy,
    WithdrawalReport,
    WithdrawalRequest,
)

CLOSED_WINDOW = timedelta(days=7)  # the widest that Upbit lists at once
AHEAD = timedelta(minutes=1)  # its clock may be ahead of ours
HOME = {"currency": "BTC", "net_type": "BTC"}  # asked for what is told of the account beside it
ORDER_RULE = OutcomeRule(
    told_by=ToldBy.ORDER,
    absence_proves_after_seconds=10,
    client_id_is_burned=True,
    lookup_grace_seconds=60,
    locked_denies_absence=True,
)
"""Upbit answers `order_not_found` for some seconds after accepting an order; JWTs carry no time, so
nothing but time bounds a delayed request: ten seconds are what we allow our own delivery and Upbit's lag, none that it
states. So an order is absent only if the account has locked nothing that could be it, either. An identifier is never
reusable, even after a refusal (docs.upbit.com, "Create order", identifier)."""

CANCEL_RULE = OutcomeRule(
    told_by=ToldBy.CANCELLED_ORDER,
    absence_proves_after_seconds=10,
    client_id_is_burned=False,
    lookup_grace_seconds=60,
)
"""A cancel names the order and has no id of its own (docs.upbit.com, "Cancel order"), so the order tells what became
of it. Nothing but time bounds a delayed cancel either: the order's numbers hold. It locks nothing. Another of the same order
is no error."""

WITHDRAWAL_RULE = OutcomeRule(
    told_by=ToldBy.WITHDRAWALS,
    absence_proves_after_seconds=None,
    client_id_is_burned=False,
    lookup_grace_seconds=60,
)
"""Upbit's withdrawals take no client id, so absence proves nothing: a person decides."""


class UpbitVenue(KoreanVenue):
    """Upbit as a Venue. Allow-lists name no owner: `withdrawal_addresses` says venue "upbit"."""

    code = VENUE
    demands_allow_list = True
    limits = limits.LIMITS
    words = payloads.WORDS
    order_names = build.ORDER_NAMES
    account_stream_path = "/websocket/v1/private"
    unknown_orders = NOT_FOUND
    order_rule = ORDER_RULE
    cancel_rule = CANCEL_RULE
    withdrawal_rule = WITHDRAWAL_RULE

    def _dialect(self, keys: Keys) -> UpbitDialect:
        return UpbitDialect(keys)

    def market_rules(self, market: Market) -> MarketRules:
        """Read the rules of a market: fee and minimum of the account, ticks of the book."""
        instruments = self._transport.call(build.instruments(market), body_of)
        ticker = self._transport.call(common.ticker(market), body_of)
        chance = common.read("market_rules", "/v1/orders/chance", market=market_code(market))
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

    def _network(self, asset: str, network: str, state: str) -> NetworkRules:
        on = {"currency": asset, "net_type": network}
        withdraw = self._transport.call(
            common.read("withdraw_chance", "/v1/withdraws/chance", **on), body_of
        )
        return self._transport.call(
            common.read("deposit_chance", "/v1/deposits/chance/coin", **on),
            lambda reply: rules.network_rules(
                asset, network, state, withdraw=withdraw, deposit=reply.body, now=self._clock()
            ),
        )

    def key_report(self) -> KeyReport:
        """Read when our key ends, and what keeps its account from withdrawing, where it may look at that."""
        told = super().key_report()
        chance = common.read("withdraw_chance", "/v1/withdraws/chance", **HOME)
        try:
            return self._transport.call(chance, lambda reply: rules.account_held(reply.body, told))
        except RefusedError as refusal:
            if refusal.reason is RefusalReason.KEY:
                return told
            raise

    def _placed_order(self, body: bytes, request: OrderRequest) -> OrderReport:
        return payloads.placed_order(body, client_order_id=request.client_order_id)

    def _found_order(self, body: bytes, client_order_id: str) -> OrderReport:
        return payloads.found_order(body, client_order_id=client_order_id)

    def _orders_request(self, ids: Sequence[str]) -> Request:
        return build.orders(ids)

    def _orders_since(self, since: datetime) -> list[OrderReport]:
        """Read open orders first: one that ends meanwhile is then among the closed."""
        still_open = self._order_pages("/v1/orders/open", ("wait", "watch"), since)
        return [*still_open, *self._closed_since(since)]

    def _closed_since(self, since: datetime) -> list[OrderReport]:
        """Read closed orders by windows of a week; a page that is full goes on at its last instant."""
        found: list[OrderReport] = []
        last = self._clock() + AHEAD
        while since <= last:
            end = since + CLOSED_WINDOW
            ours, placed = self._order_page(build.closed_orders(since, end))
            found += ours
            is_full = len(placed) == build.CLOSED_PAGE
            if is_full and max(placed) == since:
                raise UnreadableError("more orders within a second than a page shows")
            since = max(placed) if is_full else end
        return found

    def _order_as_read(self, order: Order, client_order_id: str) -> OrderReport:
        return payloads.order_as_read(order, client_order_id)

    def withdraw(self, request: WithdrawalRequest) -> WithdrawalReport:
        """Send one withdrawal, once."""
        return self._transport.call(
            build.withdraw(request), lambda reply: withdrawal(reply.body, self.words)
        )

    def verify_deposit(self, deposit: DepositReport, *, sender: str) -> DepositReport:
        """Tell Upbit which venue a held deposit came from, once."""
        request = build.verify_deposit(deposit.venue_deposit_id, self._vasp(sender))
        return self._transport.call(
            request, lambda reply: travel_rule.verified(reply.body, deposit)
        )

    def _vasp(self, venue: str) -> str:
        """Find a venue in Upbit's list; when that cannot be read nothing was sent (NotSentError)."""
        operation = "verify_deposit"
        try:
            found = self._transport.call(
                common.read("vasps", "/v1/travel_rule/vasps"),
                lambda reply: travel_rule.vasp_uuid(reply.body, venue),
            )
        except OutcomeUnknownError as error:
            told = f"{error}: nothing was sent"
            raise NotSentError(told, venue=VENUE, operation=operation) from None
        if found is None:
            raise RefusedError(
                f"{VENUE} does not verify deposits from {venue}",
                venue=VENUE,
                operation=operation,
                reason=RefusalReason.TRAVEL_RULE,
                code="vasp_not_listed",
            )
        return found
