"""The port, spoken to Bithumb: build a request, make the call, parse the reply."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from exchanges.adapters.bithumb import build, limits, payloads, rules, transfers
from exchanges.adapters.bithumb.dialect import VENUE, BithumbDialect
from exchanges.adapters.bithumb.refusals import NOT_FOUND
from exchanges.adapters.krw import build as common
from exchanges.adapters.krw.books import market_code
from exchanges.adapters.krw.orders import Order
from exchanges.adapters.krw.transfers import AllowedAddress, withdrawal
from exchanges.adapters.krw.venue import KoreanVenue, body_of
from exchanges.errors import NotSentError, OutcomeUnknownError, RefusalReason, RefusedError
from exchanges.transport.wire import Keys, Request
from exchanges.values import (
    DepositAddress,
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

ORDER_RULE = OutcomeRule(
    told_by=ToldBy.ORDER,
    absence_proves_after_seconds=75,
    client_id_is_burned=True,
    lookup_grace_seconds=120,
)
"""An order is taken before it is dealt with: `order_not_ready` (422) says that it exists and is read
again, never taken for absence. A token carries its instant, and one that is too old is refused
(`expired_jwt`; how old is not documented, we count a minute), so that past it and the venue's own delay
an order that is not found cannot appear any more. A client_order_id is unique per user (apidocs.bithumb.com,
"Order request"); how long it stays known is not said, so none is ever used twice."""

CANCEL_RULE = OutcomeRule(
    told_by=ToldBy.CANCELLED_ORDER,
    absence_proves_after_seconds=75,
    client_id_is_burned=False,
    lookup_grace_seconds=120,
)
"""A cancel names the order and has no id of its own, so the order tells what became of it. Its token ages as an
order's does: the order's numbers hold. Another of the same order is no error."""

WITHDRAWAL_RULE = OutcomeRule(
    told_by=ToldBy.WITHDRAWALS,
    absence_proves_after_seconds=None,
    client_id_is_burned=False,
    lookup_grace_seconds=60,
)
"""Bithumb's withdrawals take no client id, so absence proves nothing: a person decides."""


class BithumbVenue(KoreanVenue):
    """Bithumb as a Venue. `withdrawal_addresses` says venue "bithumb": who keeps the list.

    An order that is not ready yet is read again by the transport, then raises OutcomeUnknownError, a
    cancel of it does so at once: read the order, then ask again.
    """

    code = VENUE
    limits = limits.LIMITS
    words = payloads.WORDS
    order_names = build.ORDER_NAMES
    account_stream_path = "/websocket/v2/private"
    unknown_orders = NOT_FOUND
    order_rule = ORDER_RULE
    cancel_rule = CANCEL_RULE
    withdrawal_rule = WITHDRAWAL_RULE

    def _dialect(self, keys: Keys) -> BithumbDialect:
        return BithumbDialect(keys, self._venue_clock.stamp)

    def market_rules(self, market: Market) -> MarketRules:
        """Read the rules of a market: fee, minimum and price unit of the account, the last price."""
        ticker = self._transport.call(common.ticker(market), body_of)
        return self._transport.call(
            common.read("market_rules", "/v1/orders/chance", market=market_code(market)),
            lambda reply: rules.market_rules(
                market, chance=reply.body, ticker=ticker, now=self._clock()
            ),
        )

    def _network(self, asset: str, network: str, state: str) -> NetworkRules:
        path = "/v1/withdraws/chance"
        return self._transport.call(
            common.read("withdraw_chance", path, currency=asset, net_type=network),
            lambda reply: rules.network_rules(
                asset, network, state, withdraw=reply.body, now=self._clock()
            ),
        )

    def _placed_order(self, body: bytes, request: OrderRequest) -> OrderReport:
        return payloads.placed_order(body, request)

    def _found_order(self, body: bytes, client_order_id: str) -> OrderReport:
        return payloads.found_order(body, client_order_id=client_order_id)

    def _orders_request(self, ids: Sequence[str]) -> Request:
        return build.orders(ids)

    def _orders_since(self, since: datetime) -> list[OrderReport]:
        return self._order_pages("/v1/orders", build.STATES, since)

    def _order_as_read(self, order: Order, client_order_id: str) -> OrderReport:
        return payloads.order_as_read(order, client_order_id)

    def withdraw(self, request: WithdrawalRequest) -> WithdrawalReport:
        """Send one withdrawal, once, naming the receiver as the venue's own allow-list does."""
        allowed = self._allowed_row(request.destination)
        return self._transport.call(
            build.withdraw(request, allowed), lambda reply: withdrawal(reply.body, self.words)
        )

    def _allowed_row(self, destination: DepositAddress) -> AllowedAddress:
        """Read the row of the destination; nothing is sent if that fails, or if there is none."""
        try:
            rows = self._allowed(destination.asset)
        except OutcomeUnknownError as error:
            raise NotSentError(str(error), venue=VENUE, operation="withdraw") from None
        row = transfers.allowed_row(rows, destination)
        if row is None:
            raise RefusedError(
                "bithumb withdraw: the address is not on the venue's allow-list",
                venue=VENUE,
                operation="withdraw",
                reason=RefusalReason.ADDRESS,
                code="not_on_allow_list",
            )
        return row
