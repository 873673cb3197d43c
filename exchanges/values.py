"""Frozen values that cross the border between the business and the venues.

Quantities are in the base asset, notionals in the quote asset, all `Decimal`; instants are aware
UTC. A market's code reads `BASE/QUOTE` (`XRP/KRW`); networks and assets carry our own codes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Generic, TypeVar

import msgspec

ZERO = Decimal(0)
SEPARATOR = "\x1f"  # stands in no name and no address


class Side(StrEnum):
    """What we do with the base asset."""

    BUY = "buy"
    SELL = "sell"


class OrderStatus(StrEnum):
    """Where an order stands at its venue. CLOSED covers cancelled and expired, fills or none."""

    OPEN = "open"
    FILLED = "filled"
    CLOSED = "closed"


class WithdrawalStatus(StrEnum):
    """PENDING may still fail; DONE has left with a txid; FAILED gave the money back."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


class DepositStatus(StrEnum):
    """Only CREDITED is tradable; HELD wants a person (travel rule, wrong memo); FAILED is refunded."""

    PENDING = "pending"
    CREDITED = "credited"
    HELD = "held"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, order=True)
class Market:
    """A market: what is traded, and what it is priced in."""

    base: str
    quote: str

    @property
    def code(self) -> str:
        """Give our code of the market, `BASE/QUOTE`."""
        return f"{self.base}/{self.quote}"

    def __str__(self) -> str:
        return self.code

    @classmethod
    def parse(cls, code: str) -> Market:
        """Read `BASE/QUOTE`."""
        base, _, quote = code.partition("/")
        if not base or not quote:
            raise ValueError(f"not a market code: {code!r}; write BASE/QUOTE, such as XRP/KRW")
        return cls(base, quote)


class Level(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One level of a book: price in quote per base, quantity in base. Written as `[price, quantity]`."""

    price: Decimal
    quantity: Decimal


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """A venue's book, best levels first on both sides. Structs: streams make thousands a second."""

    venue: str
    market: Market
    bids: Sequence[Level]
    asks: Sequence[Level]
    venue_at: datetime | None  # the venue's own stamp, where it gives one
    received_at: datetime
    update_id: int | None = None  # the venue's own number of this state, where it counts them


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """A marketable limit order, immediate-or-cancel. Price and quantity are on the venue's steps.

    Past `send_before` it is not sent at all: a worker that slept past its lease must not send.
    """

    market: Market
    side: Side
    quantity: Decimal
    limit_price: Decimal
    client_order_id: str
    send_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FillReport:
    """One execution of part of an order. `fee` is positive, in `fee_asset`."""

    venue_fill_id: str
    price: Decimal
    quantity: Decimal
    notional: Decimal
    fee: Decimal
    fee_asset: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderKey:
    """Which order of ours is meant: some venues find it on its market only."""

    market: Market
    client_order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """What a venue says of an order; `detail` is its own word for the state.

    Fills are trustworthy once `is_final`.
    """

    venue: str
    market: Market
    side: Side
    client_order_id: str
    venue_order_id: str
    status: OrderStatus
    quantity: Decimal
    executed_quantity: Decimal
    fills: tuple[FillReport, ...]
    created_at: datetime | None
    detail: str = ""

    @property
    def is_final(self) -> bool:
        """Say whether the venue will not change it any more and has shown every fill."""
        filled = sum((fill.quantity for fill in self.fills), ZERO)
        return self.status is not OrderStatus.OPEN and filled == self.executed_quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One asset at one venue: free to use, and locked by orders or withdrawals."""

    asset: str
    free: Decimal
    locked: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositAddress:
    """Where an asset reaches an account of ours. Memo and network are named, never positional."""

    venue: str
    asset: str
    network: str
    address: str
    memo: str | None

    @property
    def fingerprint(self) -> str:
        """Give a hash of the whole: it names an address where addresses must not stand.

        The database computes the same (`kimp_address_fingerprint`).
        """
        parts = (self.venue, self.asset, self.network, self.address, self.memo or "")
        return hashlib.sha256(SEPARATOR.join(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalRequest:
    """Send `quantity` to arrive at `destination`; the venue takes `network_fee` besides.

    The debit is quantity + network_fee at every venue; adapters put it the venue's way (Binance's
    amount includes the fee, Upbit's excludes it). Past `send_before` it is not sent at all.
    """

    destination: DepositAddress
    quantity: Decimal
    network_fee: Decimal
    client_withdrawal_id: str
    send_before: datetime | None = None

    @property
    def asset(self) -> str:
        """Give the asset that leaves."""
        return self.destination.asset

    @property
    def network(self) -> str:
        """Give the network it leaves on."""
        return self.destination.network


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalReport:
    """What a venue says of a withdrawal; `quantity` is what arrives, `network_fee` what it took.

    `detail` is its own word for the state.
    """

    venue: str
    venue_withdrawal_id: str
    client_withdrawal_id: str | None  # None where the venue keeps none (Upbit)
    asset: str
    network: str
    quantity: Decimal
    network_fee: Decimal
    status: WithdrawalStatus
    txid: str | None
    address: str | None
    created_at: datetime | None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositReport:
    """What a venue says of a deposit; `detail` is its own word for the state.

    `wants_sender`: it is held until the venue knows whose account it came from (travel rule).
    """

    venue: str
    venue_deposit_id: str
    asset: str
    network: str
    quantity: Decimal
    status: DepositStatus
    txid: str | None
    detail: str
    created_at: datetime | None
    wants_sender: bool = False


TransferT = TypeVar("TransferT", WithdrawalReport, DepositReport)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed(Generic[TransferT]):
    """Transfers of a whole account since an instant, newest first.

    `since` is how far back the list really reaches: a venue shows so many rows and no more.
    `unreadable`: assets of which a row could not be read, so that their rows are not all there.
    `calls` is what it cost.
    """

    rows: tuple[TransferT, ...]
    since: datetime
    unreadable: frozenset[str]
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketRules:
    """How a venue trades a market.

    `price_steps` are (from price, step) rows, highest first. `taker_fee_rate` is a fraction.
    `buy_fee_in_quote`: a buyer's fee comes on top in the quote asset (Upbit), else out of the base
    received (Binance). A seller's fee always comes out of the quote received.
    """

    venue: str
    market: Market
    price_steps: tuple[tuple[Decimal, Decimal], ...]
    quantity_step: Decimal
    minimum_notional: Decimal
    taker_fee_rate: Decimal
    buy_fee_in_quote: bool
    is_open: bool
    fetched_at: datetime
    maximum_notional: Decimal | None = None  # None: the venue names none
    maximum_quantity: Decimal | None = None

    def price_step(self, price: Decimal) -> Decimal:
        """Give the price step that holds at `price`."""
        for floor, step in self.price_steps:
            if price >= floor:
                return step
        return self.price_steps[-1][1]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRules:
    """How an asset moves on one network at one venue; fee, minima and maximum in the asset.

    `confirmations` are those to a credit, `unlock_confirmations` those to its being withdrawable; None
    where the venue names none. Less than `deposit_minimum` is not credited at all.
    """

    venue: str
    asset: str
    network: str
    withdraw_is_open: bool
    deposit_is_open: bool
    withdraw_fee: Decimal
    withdraw_minimum: Decimal
    withdraw_step: Decimal
    memo_is_required: bool
    confirmations: int | None
    fetched_at: datetime
    withdraw_maximum: Decimal | None = None
    deposit_minimum: Decimal | None = None
    unlock_confirmations: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """An asset on a network in the venue's own words.

    `contract` is None where the venue does not tell it, and empty for a chain's own coin.
    """

    venue: str
    symbol: str
    network: str
    title: str
    network_title: str
    contract: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReport:
    """What a venue tells of the key that asks: its scopes, its allow-list of callers, its end.

    None: the venue does not tell. `extras` are what it may do that no desk needs, in the venue's words.
    `is_locked` and `delayed_krw` are of its account: it may send nothing, or as much less because won came in
    lately.
    """

    venue: str
    may_trade: bool | None = None
    may_withdraw: bool | None = None
    has_allow_list: bool | None = None
    expires_at: datetime | None = None
    extras: tuple[str, ...] = ()
    is_locked: bool | None = None
    delayed_krw: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateQuote:
    """KRW per USD (official) by a named source; `quoted_at` is the source's own instant.

    `good_until`: when, by the source's own cadence, a newer one is overdue; None: it names no cadence.
    """

    source: str
    krw_per_usd: Decimal
    quoted_at: datetime
    fetched_at: datetime
    good_until: datetime | None = None


class ToldBy(StrEnum):
    """What tells the outcome of a request whose reply was lost."""

    ORDER = "the order, by our id"
    CANCELLED_ORDER = "the order that it was to cancel, by our id"
    WITHDRAWALS = "the account's withdrawals"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeRule:
    """A venue's rule on one mutating operation whose reply was lost (protocol facts, section 0).

    `told_by`: what is looked at.
    `absence_proves_after_seconds`: once this long has passed since the request could last have been
    accepted, the venue's "not found" proves it was not; None: it never does, a person decides.
    `client_id_is_burned`: an id stays used for ever, even by a request that was refused. It informs people and
    decides nothing: no service sends an id again.
    `lookup_grace_seconds`: how long to go on looking before asking a person, where absence proves
    nothing.
    `locked_denies_absence`: absence proves nothing while the account has locked what the request would lock, and our
    other requests do not explain it: for a venue where nothing but time bounds a delayed request.
    """

    told_by: ToldBy
    absence_proves_after_seconds: int | None
    client_id_is_burned: bool
    lookup_grace_seconds: int
    locked_denies_absence: bool = False
