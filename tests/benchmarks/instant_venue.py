"""A venue that answers at once, within the worker: what is left is the engine.

Orders fill whole at their limit, withdrawals are accepted; the book never moves. All else, rules and networks,
is the simulator's, over HTTP, and remembered.
"""

from __future__ import annotations

from decimal import Decimal

from exchanges import registry
from exchanges.adapters.binance.client import BinanceVenue
from exchanges.values import (
    Book,
    FillReport,
    Level,
    Market,
    OrderReport,
    OrderRequest,
    OrderStatus,
    WithdrawalReport,
    WithdrawalRequest,
    WithdrawalStatus,
)

ASK, BID = Level(Decimal("2.5001"), Decimal(10**9)), Level(Decimal("2.5000"), Decimal(10**9))
FEE = Decimal("0.001")


def filled(request: OrderRequest, *, venue: str) -> OrderReport:
    """Give the report of an order that was filled whole, in one execution."""
    now, name = registry.utc_now(), request.client_order_id
    fill = FillReport(
        venue_fill_id=name, price=request.limit_price, quantity=request.quantity,
        notional=request.quantity * request.limit_price, fee=request.quantity * FEE,
        fee_asset=request.market.base, at=now,
    )  # fmt: skip
    return OrderReport(
        venue=venue, market=request.market, side=request.side, client_order_id=name, venue_order_id=name,
        status=OrderStatus.FILLED, quantity=request.quantity, executed_quantity=request.quantity, fills=(fill,),
        created_at=now,
    )  # fmt: skip


def accepted(request: WithdrawalRequest, *, venue: str) -> WithdrawalReport:
    """Give the report of a withdrawal that is about to leave."""
    name = request.client_withdrawal_id
    return WithdrawalReport(
        venue=venue, venue_withdrawal_id=name, client_withdrawal_id=name, asset=request.asset,
        network=request.network, quantity=request.quantity, network_fee=request.network_fee,
        status=WithdrawalStatus.PENDING, txid=None, address=None, created_at=registry.utc_now(),
    )  # fmt: skip


class InstantBinance(BinanceVenue):
    """Binance's adapter, but for the three calls that a buy and a withdrawal make."""

    def book(self, market: Market, *, depth: int = 15) -> Book:
        """Give the same book always, read just now."""
        del depth
        now = registry.utc_now()
        return Book(
            venue=self.code, market=market, bids=[BID], asks=[ASK], venue_at=now, received_at=now
        )

    def place_order(self, request: OrderRequest) -> OrderReport:
        """Fill it whole, in one execution."""
        return filled(request, venue=self.code)

    def withdraw(self, request: WithdrawalRequest) -> WithdrawalReport:
        """Accept it."""
        return accepted(request, venue=self.code)


def install() -> None:
    """Let this process ask it instead of Binance."""
    registry.ADAPTERS[registry.GLOBAL_VENUE] = InstantBinance
