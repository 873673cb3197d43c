"""An order's intent, and what a venue says of an order that was filled whole."""

from __future__ import annotations

from decimal import Decimal

from django.db import connection

from cycles.domain.words import Operation
from cycles.models import Cycle, ExchangeCall, Step
from cycles.services import calling
from cycles.services.intents import Intent
from cycles.services.moving import Lease
from cycles.services.settling import market_of
from exchanges.values import FillReport, OrderReport, OrderStatus, Side


def intend(lease: Lease) -> ExchangeCall:
    """Commit the intent of an order of a lease's cycle, on a thread of a test."""
    step = Step.objects.filter(cycle_id=lease.cycle_id)[0]
    intent = Intent(
        operation=Operation.PLACE_ORDER,
        payload={"market": "XRP/USDT"},
        client_order_id=lease.cycle_id.hex,
    )
    try:
        return calling.intend(lease, step, intent)
    finally:
        connection.close()


def filled(call: ExchangeCall) -> OrderReport:
    """Give the report of an order for ten, by one fill."""
    market = market_of(call.step)
    fill = FillReport(
        venue_fill_id="1", price=Decimal(2), quantity=Decimal(10), notional=Decimal(20), fee=Decimal(0),
        fee_asset=market.quote, at=Cycle.objects.get(pk=call.cycle_id).started_at,
    )  # fmt: skip
    return OrderReport(
        venue=call.venue, market=market, side=Side.BUY, client_order_id=call.client_order_id,
        venue_order_id="1", status=OrderStatus.FILLED, quantity=Decimal(10),
        executed_quantity=Decimal(10), fills=(fill,), created_at=None,
    )  # fmt: skip
