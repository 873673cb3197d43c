"""Rows of the wallet side: withdrawals, chain transactions and deposits."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

# States of a withdrawal, one vocabulary for all venues.
WAITING = "waiting"
PROCESSING = "processing"
DONE = "done"
FAILED = "failed"
CANCELLED = "cancelled"
REJECTED = "rejected"

# States of a deposit.
PENDING = "pending"
HELD = "held"  # travel rule
LOCKED = "locked"  # credited, not yet withdrawable
CREDITED = "credited"
WRONG = "wrong"
REFUNDING = "refunding"
REFUNDED = "refunded"


@dataclass(slots=True, kw_only=True)
class Withdrawal:
    """One accepted withdrawal; `quantity` is what the recipient gets, `fee` comes on top.

    `outcome` is what a fault decided will become of it, `arrival` of its deposit; empty for the
    normal course.
    """

    venue: str
    venue_withdrawal_id: str
    client_id: str | None
    asset: str
    network: str
    address: str
    tag: str
    quantity: Decimal
    fee: Decimal
    created_ms: int
    market_ms: int = 0  # when it was accepted, in market time
    state: str = WAITING
    txid: str | None = None
    done_ms: int | None = None
    outcome: str = ""
    arrival: str = ""
    generation: int = 0
    travel_rule_id: int | None = None  # of a local entity's questionnaire


@dataclass(slots=True, kw_only=True)
class ChainTransaction:
    """Coins between venues; `broadcast_market_ms` counts confirmations unless stalled."""

    txid: str
    asset: str
    network: str
    sender: str
    withdrawal_id: str
    address: str
    tag: str
    quantity: Decimal
    broadcast_market_ms: int
    confirmations: int = 0
    is_stalled: bool = False
    is_dropped: bool = False
    arrival: str = ""
    generation: int = 0


@dataclass(slots=True, kw_only=True)
class Deposit:
    """One deposit as the receiving venue shows it."""

    venue: str
    venue_deposit_id: str
    asset: str
    network: str
    address: str
    tag: str
    txid: str
    quantity: Decimal
    created_ms: int
    needed: int
    state: str = PENDING
    confirmations: int = 0
    done_ms: int | None = None
    asked_market_ms: int | None = None  # when the travel rule was last answered for it


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedAddress:
    """An address the account may withdraw to."""

    asset: str
    network: str
    address: str
    tag: str
    owner: str


@dataclass(slots=True)
class WalletLog:
    """Everything the wallets and the chain remember."""

    withdrawals: dict[str, Withdrawal] = field(default_factory=dict)
    transactions: dict[str, ChainTransaction] = field(default_factory=dict)
    deposits: dict[str, Deposit] = field(default_factory=dict)
    deposit_by_txid: dict[str, Deposit] = field(default_factory=dict)
    # (venue, asset, network) -> (address, tag)
    addresses: dict[tuple[str, str, str], tuple[str, str]] = field(default_factory=dict)
    hidden_addresses: set[tuple[str, str, str]] = field(default_factory=set)
    allowed: dict[str, list[AllowedAddress]] = field(default_factory=dict)
    # (KRW, market instant until which its worth may not leave Upbit)
    delayed_krw: list[tuple[Decimal, int]] = field(default_factory=list)
