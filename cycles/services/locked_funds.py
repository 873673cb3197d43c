"""What a venue's account has locked, and what of it our other requests explain.

An order that a venue has taken, and does not find yet, has locked its funds unless it has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from cycles.domain.money import ZERO
from cycles.domain.shown import plain
from cycles.domain.words import CallOutcome, Operation
from cycles.models import ExchangeCall
from cycles.models.journal import ON_ITS_WAY
from exchanges import registry
from exchanges.values import Market, OrderKey, OrderStatus, Side, WithdrawalStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Funds:
    """So much of an asset."""

    asset: str
    quantity: Decimal

    def __str__(self) -> str:
        return f"{plain(self.quantity)} {self.asset}"


def of_order(request: Mapping[str, Any], quantity: Decimal | None = None) -> Funds:
    """Give what an order locks, or so much of its base: the coins of a sale, else what they cost at its limit.

    Without the fee that is locked beside the cost: whatever a venue rounds off is less. What catching up wrote names no
    limit, so of a buy it is nothing.
    """
    market = Market.parse(request["market"])
    coins = Decimal(request["quantity"]) if quantity is None else quantity
    if request["side"] == Side.SELL:
        return Funds(asset=market.base, quantity=coins)
    return Funds(asset=market.quote, quantity=coins * Decimal(request.get("limit_price", 0)))


def locked(venue: str) -> Mapping[str, Decimal]:
    """Read what a venue's account has locked, by asset. Raises VenueError."""
    held = registry.venue(venue).balances()
    return {asset: balance.locked for asset, balance in held.items()}


def explained(venue: str, asset: str, *, accepted_by: datetime) -> Decimal:
    """Give how much of an asset is locked by our requests that a venue had accepted by an instant, and shows under way.

    To be asked once the balance was read, the instant being earlier than that: what is under way now had then locked
    no less than it has now. What is not ours, or came later, explains nothing. Raises VenueError.
    """
    known = ExchangeCall.objects.filter(venue=venue, noted_at__lt=accepted_by)
    placed = known.filter(
        operation=Operation.PLACE_ORDER, outcome=CallOutcome.DONE, is_settled=False
    )
    orders = [call for call in placed if of_order(call.request).asset == asset]
    withdrawals = known.filter(ON_ITS_WAY, request__asset=asset)
    return _asked(venue, orders, _of_orders) + _asked(venue, list(withdrawals), _of_withdrawals)


def _asked(
    venue: str,
    calls: Sequence[ExchangeCall],
    ask: Callable[[str, Sequence[ExchangeCall], datetime], Decimal],
) -> Decimal:
    """Ask a venue about calls, as far back as the oldest of them, or not at all where there are none."""
    return ask(venue, calls, min(call.intended_at for call in calls)) if calls else ZERO


def _of_orders(venue: str, calls: Sequence[ExchangeCall], since: datetime) -> Decimal:
    """Give what of our orders is still to be executed, as a venue lists them."""
    requests = {call.client_order_id: call.request for call in calls}
    keys = [
        OrderKey(market=Market.parse(request["market"]), client_order_id=own_id)
        for own_id, request in requests.items()
    ]
    listed = registry.venue(venue).orders(keys, since=since)
    rest = [
        (requests[row.client_order_id], row.quantity - row.executed_quantity)
        for row in listed
        if row.status is OrderStatus.OPEN and row.client_order_id in requests
    ]
    return sum((of_order(request, coins).quantity for request, coins in rest), ZERO)


def _of_withdrawals(venue: str, calls: Sequence[ExchangeCall], since: datetime) -> Decimal:
    """Give what our withdrawals are to take, as a venue lists them."""
    ours = {call.venue_order_id for call in calls}
    listed = registry.venue(venue).withdrawals(calls[0].request["asset"], since=since)
    under_way = [
        row
        for row in listed
        if row.status is WithdrawalStatus.PENDING
        and not row.txid  # its coins have left, and lock nothing any more
        and row.venue_withdrawal_id in ours
    ]
    return sum((row.quantity + row.network_fee for row in under_way), ZERO)
