"""The port: what the business asks of a venue, and of a source of the official rate.

Reading methods raise NotSentError, ThrottledError, RefusedError or OutcomeUnknownError too (an
unknown read is harmless: read again). Mutating methods send exactly one mutating request per call; a
read that must come before it and fails leaves it unsent (NotSentError).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from exchanges.hints import Hint, StreamRequest
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
    RateQuote,
    WithdrawalReport,
    WithdrawalRequest,
)

# What of a venue only asks, or sends nothing at all: whoever dies in it has changed nothing there. All else acts.
ONLY_ASKS = frozenset({
    "book", "market_rules", "learn_limits", "network_rules", "balances", "order", "orders", "orders_since",
    "withdrawals", "deposits", "all_withdrawals", "all_deposits", "deposit_address", "withdrawal_addresses",
    "listings", "key_report", "server_time", "stream_request", "hint", "close",
})  # fmt: skip


class Venue(Protocol):
    """A place to trade, as an adapter presents it. One instance belongs to one thread."""

    code: str
    order_rule: OutcomeRule
    cancel_rule: OutcomeRule
    withdrawal_rule: OutcomeRule

    def book(self, market: Market, *, depth: int = 15) -> Book:
        """Read the book, at most `depth` levels a side."""

    def market_rules(self, market: Market) -> MarketRules:
        """Read steps, minimum, fee and whether it trades. Signed where the venue's fee is."""

    def learn_limits(self) -> None:
        """Read the limits that the venue sets this account, for the budget; nothing where it tells none."""

    def network_rules(self, asset: str) -> tuple[NetworkRules, ...]:
        """Read how the asset moves, one row per network. Signed."""

    def balances(self) -> dict[str, Balance]:
        """Read what the account holds, by asset; an asset never held is absent. Signed."""

    def place_order(self, request: OrderRequest) -> OrderReport:
        """Send one order, once. The report may not be final: read `order` until it is."""

    def order(self, market: Market, *, client_order_id: str) -> OrderReport | None:
        """Look an order up by our id; None says "not found now", which `order_rule` judges."""

    def orders(self, keys: Sequence[OrderKey], *, since: datetime) -> Sequence[OrderReport]:
        """Look several orders up by our ids, in as few calls as the venue allows; none is older than `since`.

        Without their fills: what has ended with some is read by `order`. What the venue does not show,
        or shows unreadably, is left out: that is no word on it.
        """

    def orders_since(self, markets: Sequence[Market], *, since: datetime) -> Sequence[OrderReport]:
        """List the orders of ours that bear an id of ours, open and ended, placed since an instant.

        Of these markets, or of all where the venue lists all at once; without their fills. One that cannot
        be read makes the whole list unknown: a list that leaves some out says nothing of the others.
        """

    def cancel_order(self, market: Market, *, client_order_id: str) -> None:
        """Ask to cancel; done or gone already is no error. Read `order` for what became of it, as `cancel_rule` says."""

    def withdraw(self, request: WithdrawalRequest) -> WithdrawalReport:
        """Send one withdrawal, once."""

    def withdrawals(self, asset: str, *, since: datetime) -> Sequence[WithdrawalReport]:
        """List the account's withdrawals of an asset since an instant, newest first."""

    def deposits(self, asset: str, *, since: datetime) -> Sequence[DepositReport]:
        """List the account's deposits of an asset since an instant, newest first."""

    def all_withdrawals(self, *, since: datetime) -> Listed[WithdrawalReport]:
        """List the whole account's withdrawals since an instant, whatever the asset."""

    def all_deposits(self, *, since: datetime) -> Listed[DepositReport]:
        """List the whole account's deposits since an instant, whatever the asset."""

    def deposit_address(self, asset: str, *, network: str) -> DepositAddress | None:
        """Read our own deposit address; None while the venue is still making it."""

    def withdrawal_addresses(self, asset: str) -> Sequence[DepositAddress]:
        """List what the venue lets us withdraw this asset to (its own allow-list)."""

    def listings(self) -> Sequence[Listing]:
        """List every asset on every network in the venue's own words: what identity is judged by."""

    def verify_deposit(self, deposit: DepositReport, *, sender: str) -> DepositReport:
        """Tell the venue, once, from which venue's account of ours a held deposit came (travel rule).

        Gives the deposit as it stands then: a venue that does not believe it goes on holding it.
        """

    def key_report(self) -> KeyReport:
        """Read what the venue tells of our own key. Signed; reads only."""

    def stream_request(self) -> StreamRequest:
        """Give how to ask for the account's private stream, proof included; made anew for each connection."""

    def hint(self, frame: bytes) -> Hint | None:
        """Read what a frame of the private stream is about; None: nothing of the account's.

        Raises RefusedError where the venue does not let us listen.
        """

    def server_time(self) -> datetime:
        """Read the venue's clock."""

    def close(self) -> None:
        """Give connections back."""


class RateSource(Protocol):
    """A source of the official USD/KRW rate."""

    code: str

    def usd_krw(self) -> RateQuote:
        """Read KRW per USD with the source's own instant."""

    def close(self) -> None:
        """Give connections back."""


class StreamedBooks(Protocol):
    """Where streamed books are found, from any thread."""

    def book(self, venue: str, market: Market, *, since: datetime) -> Book | None:
        """Give a book that was received since an instant, if there is one."""
