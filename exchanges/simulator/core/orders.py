"""Orders of the simulated accounts, as the matching engine and the venues' replies see them."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from exchanges.simulator.core.numbers import ZERO

BUY = "buy"
SELL = "sell"
OPEN = "open"
FILLED = "filled"
CANCELLED = "cancelled"
EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution; the fee is in `fee_asset`."""

    venue_trade_id: str
    price: Decimal
    quantity: Decimal
    notional: Decimal
    fee: Decimal
    fee_asset: str
    at_ms: int
    number: int = 0  # the public one
    is_maker: bool = False


@dataclass(slots=True, kw_only=True)
class Order:
    """One accepted order. `budget` is what a buy by notional may spend; `held` is still locked.

    `prevented_*` is what a rule against self-trades took away, `cancel_client_id` the client id of the request that cancelled it, where the venue has one.
    """

    venue: str
    venue_order_id: str
    client_order_id: str | None
    symbol: str
    side: str
    kind: str
    time_in_force: str
    price: Decimal | None
    quantity: Decimal | None
    budget: Decimal | None
    created_ms: int
    updated_ms: int
    state: str = OPEN
    executed: Decimal = ZERO
    executed_notional: Decimal = ZERO
    fee: Decimal = ZERO
    reserved_fee: Decimal = ZERO
    held: Decimal = ZERO
    shown_locked: Decimal = ZERO
    queue_ahead: Decimal = ZERO
    is_asleep: bool = False  # a fault lets it rest: no later book reaches it
    has_rested: bool = False
    cancel_client_id: str = ""
    smp_type: str = ""
    prevented_quantity: Decimal = ZERO
    prevented_locked: Decimal = ZERO
    fills: list[Fill] = field(default_factory=list)

    @property
    def remaining(self) -> Decimal:
        """Quantity still to execute; zero for a buy by notional."""
        if self.quantity is None:
            return ZERO
        return self.quantity - self.executed - self.prevented_quantity

    @property
    def budget_left(self) -> Decimal:
        """Notional still to spend of a buy by notional."""
        return ZERO if self.budget is None else self.budget - self.executed_notional


@dataclass(slots=True)
class OrderLog:
    """All orders of one venue's account."""

    by_id: dict[str, Order] = field(default_factory=dict)
    by_client: dict[str, list[Order]] = field(default_factory=dict)
    open_ids: dict[str, None] = field(default_factory=dict)
    burned: set[str] = field(default_factory=set)

    def add(self, order: Order) -> None:
        """Record an accepted order."""
        self.by_id[order.venue_order_id] = order
        self.open_ids[order.venue_order_id] = None
        if order.client_order_id is not None:
            self.by_client.setdefault(order.client_order_id, []).append(order)

    def open_orders(self) -> list[Order]:
        """Return open orders, oldest first."""
        return [self.by_id[key] for key in self.open_ids]
