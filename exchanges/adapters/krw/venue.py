"""The port as far as it is spoken alike to both Korean venues."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import count
from typing import TypeVar

from exchanges.adapters.krw import (
    account_stream,
    books,
    build,
    keys as own_keys,
    listings,
    transfers,
    wallets,
)
from exchanges.adapters.krw.orders import Order, listed_orders, order_page
from exchanges.errors import RefusalReason, RefusedError
from exchanges.hints import Hint, StreamRequest
from exchanges.transport import paging
from exchanges.transport.budget import RateBudget
from exchanges.transport.calls import Dialect, VenueTransport
from exchanges.transport.clock import VenueClock
from exchanges.transport.decoding import UnreadableError, date_header
from exchanges.transport.http import HttpSender
from exchanges.transport.limits import VenueLimits
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
    NetworkRules,
    OrderKey,
    OrderReport,
    OrderRequest,
    WithdrawalReport,
)

PAGES = 10  # of 100 rows: further back than any lookup of ours reaches
RowT = TypeVar("RowT", WithdrawalReport, DepositReport)


class KoreanVenue(ABC):
    """What a Korean venue's adapter builds on. `words` are its states of transfers."""

    code: str
    limits: VenueLimits
    has_time_endpoint = False
    demands_allow_list: bool | None = None  # of callers' addresses, for every key; None: not known
    words: transfers.Words
    order_names: build.OrderNames
    account_stream_path: str
    unknown_orders: frozenset[str]  # its errors that say "no such order"

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
        self._access = keys.access
        self._venue_clock = venue_clock or VenueClock(self.code, wall=clock, reads_dates=True)
        dialect = self._dialect(keys)
        self._sign = dialect.sign
        self._transport = VenueTransport(
            dialect,
            HttpSender(base_url),
            clock=clock,
            budget=budget,
            venue_clock=self._venue_clock,
            measure=self.server_time,
            deadline_seconds=deadline_seconds,
        )

    @abstractmethod
    def _dialect(self, keys: Keys) -> Dialect:
        """Give the venue's wire; the clocks are set."""

    @abstractmethod
    def _network(self, asset: str, network: str, state: str) -> NetworkRules:
        """Read the rules of one network, whose wallet is in this state."""

    @abstractmethod
    def _placed_order(self, body: bytes, request: OrderRequest) -> OrderReport:
        """Read the reply to a new order."""

    @abstractmethod
    def _found_order(self, body: bytes, client_order_id: str) -> OrderReport:
        """Read the reply to a single-order read."""

    @abstractmethod
    def _orders_request(self, ids: Sequence[str]) -> Request:
        """Ask for up to 100 orders by our ids, whatever became of them."""

    @abstractmethod
    def _orders_since(self, since: datetime) -> list[OrderReport]:
        """List our orders since an instant, by pages."""

    @abstractmethod
    def _order_as_read(self, order: Order, client_order_id: str) -> OrderReport:
        """Turn an order of a list into a report."""

    def book(self, market: Market, *, depth: int = 15) -> Book:
        """Read the book, at most `depth` levels a side."""
        return self._transport.call(
            build.book(market, depth=depth),
            lambda reply: books.book(
                reply.body, self.code, market, depth=depth, received_at=self._clock()
            ),
        )

    def learn_limits(self) -> None:  # noqa: B027  the port's way of having nothing to say
        """Do nothing: what these venues tell is what is left, not what there is."""

    def network_rules(self, asset: str) -> tuple[NetworkRules, ...]:
        """Read how the asset moves, per network. Upbit warns that wallet states lag by minutes."""
        states = self._transport.call(
            build.read("wallets", "/v1/status/wallet"),
            lambda reply: wallets.wallets(reply.body, asset),
        )
        return tuple(self._network(asset, network, state) for network, state in states.items())

    def listings(self) -> Sequence[Listing]:
        """List every asset on every network."""
        markets = self._transport.call(build.MARKETS, body_of)
        return self._transport.call(
            build.read("listings", "/v1/status/wallet"),
            lambda reply: listings.listings(self.code, markets, reply.body),
        )

    def place_order(self, request: OrderRequest) -> OrderReport:
        """Send one order, once. The reply shows no fills: read `order` until it is final."""
        return self._transport.call(
            build.place_order(request, self.order_names),
            lambda reply: self._placed_order(reply.body, request),
        )

    def order(self, market: Market, *, client_order_id: str) -> OrderReport | None:
        """Look an order up by our id."""
        try:
            return self._transport.call(
                build.order(client_order_id, self.order_names),
                lambda reply: self._found_order(reply.body, client_order_id),
            )
        except RefusedError as refusal:
            if refusal.code in self.unknown_orders:
                return None
            raise

    def orders(self, keys: Sequence[OrderKey], *, since: datetime) -> Sequence[OrderReport]:
        """Look several orders up by our ids, a hundred a call; without their fills."""
        del since  # they are found by their ids alone
        ids = [key.client_order_id for key in keys]
        found: list[OrderReport] = []
        for first in range(0, len(ids), build.PAGE):
            found += self._transport.call(
                self._orders_request(ids[first : first + build.PAGE]),
                lambda reply: listed_orders(reply.body, self._order_as_read),
            )
        return found

    def orders_since(self, markets: Sequence[Market], *, since: datetime) -> Sequence[OrderReport]:
        """List our orders of all markets since an instant, without their fills."""
        del markets  # they are listed all at once
        whole_second = since.replace(microsecond=0)
        found = {row.client_order_id: row for row in self._orders_since(whole_second)}
        return [row for row in found.values() if row.created_at and row.created_at >= whole_second]

    def _order_page(self, request: Request) -> tuple[list[OrderReport], list[datetime]]:
        return self._transport.call(
            request, lambda reply: order_page(reply.body, self._order_as_read)
        )

    def _order_pages(self, path: str, states: Sequence[str], since: datetime) -> list[OrderReport]:
        """Read pages, newest first, until one is short or begins before `since`."""
        found: list[OrderReport] = []
        for number in count(1):
            paging = {"limit": str(build.PAGE), "page": str(number), "order_by": "desc"}
            ours, placed = self._order_page(build.order_page(path, states, **paging))
            found += ours
            if len(placed) < build.PAGE or min(placed) < since:
                break
        return found

    def cancel_order(self, market: Market, *, client_order_id: str) -> None:
        """Ask to cancel; an order that the venue does not know any more is no error."""
        try:
            self._transport.call(build.cancel_order(client_order_id, self.order_names), body_of)
        except RefusedError as refusal:
            if refusal.code not in self.unknown_orders:
                raise

    def balances(self) -> dict[str, Balance]:
        """Read what the account holds, by asset."""
        return self._transport.call(
            build.read("balances", "/v1/accounts"), lambda reply: books.balances(reply.body)
        )

    def withdrawals(self, asset: str, *, since: datetime) -> Sequence[WithdrawalReport]:
        """List withdrawals of an asset since an instant, newest first."""
        return self._pages("withdrawals", "/v1/withdraws", asset, since, transfers.withdrawals)

    def deposits(self, asset: str, *, since: datetime) -> Sequence[DepositReport]:
        """List deposits of an asset since an instant, newest first."""
        return self._pages("deposits", "/v1/deposits", asset, since, transfers.deposits)

    def verify_deposit(self, deposit: DepositReport, *, sender: str) -> DepositReport:
        """Refuse: where a venue takes no verification from programs, a person gives it in its pages."""
        raise RefusedError(
            f"{self.code} takes no verification of deposits by its API",
            venue=self.code,
            operation="verify_deposit",
            reason=RefusalReason.TRAVEL_RULE,
            code="not_offered",
        )

    def stream_request(self) -> StreamRequest:
        """Give how to ask for the private stream: the token goes with the connection."""
        return account_stream.request(self.account_stream_path, self._sign)

    def hint(self, frame: bytes) -> Hint | None:
        """Read what a frame of the private stream is about."""
        return account_stream.hint(frame, self.code)

    def all_withdrawals(self, *, since: datetime) -> Listed[WithdrawalReport]:
        """List the whole account's withdrawals since an instant, newest first."""
        return paging.whole(
            lambda number: self._transport.call(
                build.page("withdrawals", "/v1/withdraws", None, number),
                lambda reply: transfers.withdrawal_page(reply.body, self.words),
            ),
            since=since,
            page_rows=build.PAGE,
        )

    def all_deposits(self, *, since: datetime) -> Listed[DepositReport]:
        """List the whole account's deposits since an instant, newest first."""
        return paging.whole(
            lambda number: self._transport.call(
                build.page("deposits", "/v1/deposits", None, number),
                lambda reply: transfers.deposit_page(reply.body, self.words),
            ),
            since=since,
            page_rows=build.PAGE,
        )

    def _pages(
        self,
        operation: str,
        path: str,
        asset: str,
        since: datetime,
        parse: Callable[[bytes, transfers.Words], list[RowT]],
    ) -> list[RowT]:
        """Read pages until one is short or starts before `since`; a row without an instant stays."""
        rows: list[RowT] = []
        since = since.replace(microsecond=0)  # the venues' instants are whole seconds
        for number in range(1, PAGES + 1):
            request = build.page(operation, path, asset, number)
            page = self._transport.call(request, lambda reply: parse(reply.body, self.words))
            rows += [row for row in page if row.created_at is None or row.created_at >= since]
            oldest = page[-1].created_at if page else None
            if len(page) < build.PAGE or (oldest is not None and oldest < since):
                break
        return rows

    def deposit_address(self, asset: str, *, network: str) -> DepositAddress | None:
        """Read our deposit address; where there is none yet, ask for it to be made and give None."""

        def parse(reply: Reply) -> DepositAddress | None:
            return transfers.deposit_address(reply.body, self.code, asset, network)

        path = "/v1/deposits/coin_address"
        known = build.read("deposit_address", path, currency=asset, net_type=network)
        try:
            found = self._transport.call(known, parse)
        except RefusedError as refusal:
            if "not_found" not in refusal.code:
                raise
            found = None
        return found or self._transport.call(build.make_address(asset, network), parse)

    def withdrawal_addresses(self, asset: str) -> Sequence[DepositAddress]:
        """List what the venue lets us withdraw this asset to."""
        return [row.as_value(self.code) for row in self._allowed(asset)]

    def _allowed(self, asset: str) -> list[transfers.AllowedAddress]:
        return self._transport.call(
            build.read("withdrawal_addresses", "/v1/withdraws/coin_addresses"),
            lambda reply: transfers.allowed_addresses(reply.body, asset),
        )

    def key_report(self) -> KeyReport:
        """Read when our key ends; what it may do these venues do not tell."""
        return self._transport.call(
            build.read("key_report", "/v1/api_keys"),
            lambda reply: own_keys.key_report(
                reply.body, self.code, self._access, has_allow_list=self.demands_allow_list
            ),
        )

    def server_time(self) -> datetime:
        """Read the venue's clock from a reply's Date header (whole seconds): it has no other."""
        return self._transport.call(build.ticker(Market("BTC", "KRW")), _date)

    def close(self) -> None:
        """Give connections back."""
        self._transport.close()


def body_of(reply: Reply) -> bytes:
    """Give the body as it came, for parsers that need more than one."""
    return reply.body


def _date(reply: Reply) -> datetime:
    at = date_header(reply.headers)
    if at is None:
        raise UnreadableError("no Date header")
    return at
