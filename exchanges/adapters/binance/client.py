"""The port, spoken to Binance: build a request, make the call, parse the reply."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from exchanges.adapters.binance import (
    account_stream,
    build,
    key,
    limits,
    networks,
    order_history,
    payloads,
    rules,
    transfers,
)
from exchanges.adapters.binance.dialect import VENUE, BinanceDialect
from exchanges.adapters.binance.local_entity import LocalEntity
from exchanges.adapters.binance.refusals import CANCEL_REFUSED, ORDER_NOT_FOUND
from exchanges.errors import RefusedError
from exchanges.hints import Hint, StreamRequest
from exchanges.transport.budget import RateBudget
from exchanges.transport.calls import VenueTransport
from exchanges.transport.clock import VenueClock
from exchanges.transport.http import HttpSender
from exchanges.transport.paging import Page, whole
from exchanges.transport.reading import decode
from exchanges.transport.wire import Keys, Reply, Request
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
    OutcomeRule,
    ToldBy,
    TransferT,
    WithdrawalReport,
    WithdrawalRequest,
)

HISTORY = timedelta(days=89)  # Binance shows 90 days at most
MILLISECOND = timedelta(milliseconds=1)
A_DAY = timedelta(hours=23)  # of orders, as Binance lists them from an instant on

ORDER_RULE = OutcomeRule(
    told_by=ToldBy.ORDER,
    absence_proves_after_seconds=15,
    client_id_is_burned=False,
    lookup_grace_seconds=60,
)
"""A request is refused once it is older than recvWindow (5 s), checked again before the matching
engine, whose own time-out is 10 s: past 15 s an unseen order cannot appear (binance-spot-api-docs,
"rest-api", timing security; errors -1007 and -2013). A client id is unique among OPEN orders only, so
a resend after a fill would execute twice."""

CANCEL_RULE = OutcomeRule(
    told_by=ToldBy.CANCELLED_ORDER,
    absence_proves_after_seconds=15,
    client_id_is_burned=False,
    lookup_grace_seconds=60,
)
"""A cancel names the order and is sent no id of its own, so the order tells what became of it. recvWindow and the
engine's time-out bound it too (binance-spot-api-docs, "rest-api", timing security): the order's numbers hold. Another
of the same order is refused with -2011, which is no error here."""

WITHDRAWAL_RULE = OutcomeRule(
    told_by=ToldBy.WITHDRAWALS,
    absence_proves_after_seconds=None,
    client_id_is_burned=False,
    lookup_grace_seconds=60,
)
"""withdrawOrderId is documented as a query key, not as a guard against doubles: absence from the
history proves nothing, a person decides."""


class BinanceVenue:
    """Binance as a Venue. Allow-lists name no owner: `withdrawal_addresses` says venue "binance"."""

    code = VENUE
    limits = limits.LIMITS
    has_time_endpoint = True
    order_rule = ORDER_RULE
    cancel_rule = CANCEL_RULE
    withdrawal_rule = WITHDRAWAL_RULE

    def __init__(
        self,
        *,
        base_url: str,
        keys: Keys,
        clock: Callable[[], datetime],
        budget: RateBudget | None = None,
        venue_clock: VenueClock | None = None,
        deadline_seconds: float = 10,
    ) -> None:
        self._clock = clock
        self._budget = budget or RateBudget(VENUE)
        self._venue_clock = venue_clock or VenueClock(VENUE, wall=clock)
        self._dialect = BinanceDialect(keys, self._venue_clock.stamp)
        self._transport = VenueTransport(
            self._dialect,
            HttpSender(base_url),
            clock=clock,
            budget=self._budget,
            venue_clock=self._venue_clock,
            measure=self.server_time,
            deadline_seconds=deadline_seconds,
        )
        self._entity = LocalEntity(self._transport, clock)

    def book(self, market: Market, *, depth: int = 15) -> Book:
        """Read the book, at most `depth` levels a side."""
        return self._transport.call(
            build.book(market, depth=depth),
            lambda reply: payloads.book(reply.body, market, depth=depth, received_at=self._clock()),
        )

    def market_rules(self, market: Market) -> MarketRules:
        """Read the filters of a market and the account's fee there; learn the general limits."""
        taker_fee_rate = self._taker_fee(market)

        def parse(reply: Reply) -> MarketRules:
            self._budget.learn(limits.told_by_exchange_info(reply.body))
            return rules.market_rules(
                reply.body, market, taker_fee_rate=taker_fee_rate, now=self._clock()
            )

        return self._transport.call(
            build.public(
                "market_rules", "/api/v3/exchangeInfo", symbol=payloads.market_code(market)
            ),
            parse,
        )

    def learn_limits(self) -> None:
        """Read the account's own order limits, which may differ from those of exchangeInfo."""
        request = build.read("order_limits", "/api/v3/rateLimit/order")
        self._transport.call(
            request, lambda reply: self._budget.learn(limits.told_of_orders(reply.body))
        )

    def _taker_fee(self, market: Market) -> Decimal:
        fee = self._transport.call(
            build.read("trade_fee", "/sapi/v1/asset/tradeFee", symbol=payloads.market_code(market)),
            lambda reply: rules.taker_fee(reply.body, market),
        )
        if fee is not None:
            return fee
        return self._transport.call(
            build.read("account", "/api/v3/account"),
            lambda reply: rules.account_taker_fee(reply.body),
        )

    def network_rules(self, asset: str) -> tuple[NetworkRules, ...]:
        """Read how the asset moves, per network."""
        return self._transport.call(
            build.read("network_rules", "/sapi/v1/capital/config/getall"),
            lambda reply: networks.network_rules(reply.body, asset, now=self._clock()),
        )

    def listings(self) -> Sequence[Listing]:
        """List every coin on every network."""
        return self._transport.call(
            build.read("listings", "/sapi/v1/capital/config/getall"),
            lambda reply: networks.listings(reply.body),
        )

    def balances(self) -> dict[str, Balance]:
        """Read what the account holds, by asset."""
        return self._transport.call(
            build.read("balances", "/api/v3/account", omitZeroBalances="true"),
            lambda reply: payloads.balances(reply.body),
        )

    def place_order(self, request: OrderRequest) -> OrderReport:
        """Send one order, once."""
        return self._transport.call(
            build.place_order(request),
            lambda reply: payloads.placed_order(
                reply.body, request.market, client_order_id=request.client_order_id
            ),
        )

    def order(self, market: Market, *, client_order_id: str) -> OrderReport | None:
        """Look an order up by our id; what it executed comes from its trades, which may lag."""

        def parse(reply: Reply) -> tuple[payloads.Order, OrderReport]:
            found = decode(reply.body, payloads.Order)
            return found, payloads.found_order(found, [], market, client_order_id=client_order_id)

        try:
            found, report = self._transport.call(build.order(market, client_order_id), parse)
        except RefusedError as refusal:
            if refusal.code == ORDER_NOT_FOUND:
                return None
            raise
        return self._filled(found, market, client_order_id) if report.executed_quantity else report

    def _filled(self, found: payloads.Order, market: Market, client_order_id: str) -> OrderReport:
        """Put an order and its executions together: page by page, as one order may have thousands."""
        trades: list[payloads.Trade] = []
        first_id: int | None = None
        while True:
            page, last, report = self._transport.call(
                build.trades(market, str(found.order_id), first_id=first_id),
                partial(_trade_page, found, tuple(trades), market, client_order_id),
            )
            trades += page
            if len(page) < build.PAGE:
                return report
            first_id = last + 1

    def orders(self, keys: Sequence[OrderKey], *, since: datetime) -> Sequence[OrderReport]:
        """Look several orders up by our ids, a market a call (a day back at most); without their fills."""
        since = max(since, self._clock() - A_DAY)
        found: list[OrderReport] = []
        for market in sorted({one.market for one in keys}):
            wanted = {one.client_order_id for one in keys if one.market == market}
            found += self._transport.call(
                build.orders(market, since),
                partial(_wanted_orders, market, wanted),
            )
        return found

    def orders_since(self, markets: Sequence[Market], *, since: datetime) -> Sequence[OrderReport]:
        """List our orders on these markets since an instant (90 days back at most), without fills."""
        found: list[OrderReport] = []
        first, last = self._shown_since(since), self._clock()
        for market in markets:
            found += order_history.since(market, first, last, partial(self._order_page, market))
        return found

    def _order_page(self, market: Market, request: Request) -> order_history.Page:
        return self._transport.call(request, lambda reply: payloads.order_page(reply.body, market))

    def cancel_order(self, market: Market, *, client_order_id: str) -> None:
        """Ask to cancel; one that is filled, gone or unknown (-2011) is no error."""
        try:
            self._transport.call(build.cancel_order(market, client_order_id), lambda reply: None)
        except RefusedError as refusal:
            if refusal.code not in {CANCEL_REFUSED, ORDER_NOT_FOUND}:
                raise

    def withdraw(self, request: WithdrawalRequest) -> WithdrawalReport:
        """Send one withdrawal, once; the reply is an id, so the report is PENDING as requested."""
        if self._entity.asks_before_sending():
            return self._entity.withdraw(request)
        return self._transport.call(
            build.withdraw(request),
            lambda reply: transfers.applied(reply.body, request, now=self._clock()),
        )

    def withdrawals(self, asset: str, *, since: datetime) -> Sequence[WithdrawalReport]:
        """List withdrawals of an asset since an instant (90 days back at most), newest first."""
        shown_since = self._shown_since(since)
        if self._entity.asks:
            return self._entity.withdrawals(asset, shown_since)
        path = "/sapi/v1/capital/withdraw/history"
        return self._transport.call(
            build.history("withdrawals", path, asset, shown_since),
            lambda reply: transfers.withdrawals(reply.body),
        )

    def deposits(self, asset: str, *, since: datetime) -> Sequence[DepositReport]:
        """List deposits of an asset since an instant (90 days back at most), newest first."""
        path = "/sapi/v1/capital/deposit/hisrec"
        shown_since = self._shown_since(since)
        rows = self._transport.call(
            build.history("deposits", path, asset, shown_since),
            lambda reply: transfers.deposits(reply.body),
        )
        return self._entity.marked(rows, asset, shown_since)

    def verify_deposit(self, deposit: DepositReport, *, sender: str) -> DepositReport:
        """Answer the questionnaire of a deposit that a local entity holds."""
        return self._entity.verify_deposit(deposit, sender)

    def stream_request(self) -> StreamRequest:
        """Give how to ask for the user's events: the first message is signed (there are no listen keys)."""
        return account_stream.request(self._dialect.signed_params())

    def hint(self, frame: bytes) -> Hint | None:
        """Read what a frame of the user's events is about."""
        return account_stream.hint(frame)

    def all_withdrawals(self, *, since: datetime) -> Listed[WithdrawalReport]:
        """List the whole account's withdrawals since an instant (90 days back at most), newest first."""
        path = "/sapi/v1/capital/withdraw/history"
        general = self._whole("withdrawals", path, transfers.withdrawal_page, since)
        return self._entity.with_own(general) if self._entity.asks else general

    def all_deposits(self, *, since: datetime) -> Listed[DepositReport]:
        """List the whole account's deposits since an instant (90 days back at most), newest first."""
        path = "/sapi/v1/capital/deposit/hisrec"
        return self._entity.all_marked(self._whole("deposits", path, transfers.deposit_page, since))

    def _whole(
        self, operation: str, path: str, parse: Callable[[bytes], Page[TransferT]], since: datetime
    ) -> Listed[TransferT]:
        shown_since = self._shown_since(since)

        def page(number: int) -> Page[TransferT]:
            offset = (number - 1) * build.PAGE
            request = build.history(operation, path, None, shown_since, offset=offset)
            return self._transport.call(request, lambda reply: parse(reply.body))

        return whole(page, since=shown_since, page_rows=build.PAGE)

    def _shown_since(self, since: datetime) -> datetime:
        return max(since, self._clock() - HISTORY)

    def deposit_address(self, asset: str, *, network: str) -> DepositAddress | None:
        """Read our own deposit address."""
        path = "/sapi/v1/capital/deposit/address"
        return self._transport.call(
            build.read("deposit_address", path, coin=asset, network=network),
            lambda reply: transfers.deposit_address(reply.body, asset, network),
        )

    def withdrawal_addresses(self, asset: str) -> Sequence[DepositAddress]:
        """List what Binance lets us withdraw this asset to."""
        return self._transport.call(
            build.read("withdrawal_addresses", "/sapi/v1/capital/withdraw/address/list"),
            lambda reply: transfers.withdrawal_addresses(reply.body, asset),
        )

    def key_report(self) -> KeyReport:
        """Read what our key may do, from where, and until when."""
        return self._transport.call(
            build.read("key_report", "/sapi/v1/account/apiRestrictions"),
            lambda reply: key.key_report(reply.body),
        )

    def server_time(self) -> datetime:
        """Read the venue's clock, and how far it lies from ours."""

        def parse(reply: Reply) -> datetime:
            at = payloads.server_time(reply.body)
            self._venue_clock.note(
                at, at + MILLISECOND, began_at=reply.began_at, ended_at=reply.ended_at
            )
            return at

        return self._transport.call(build.public("server_time", "/api/v3/time"), parse)

    def close(self) -> None:
        """Give connections back."""
        self._transport.close()


def _wanted_orders(market: Market, wanted: Collection[str], reply: Reply) -> list[OrderReport]:
    return payloads.listed_orders(reply.body, market, wanted)


def _trade_page(
    found: payloads.Order,
    before: Sequence[payloads.Trade],
    market: Market,
    client_order_id: str,
    reply: Reply,
) -> tuple[list[payloads.Trade], int, OrderReport]:
    page, last = payloads.trade_page(reply.body)
    so_far = [*before, *page]
    return page, last, payloads.found_order(found, so_far, market, client_order_id=client_order_id)
