"""How Binance spells orders, fills, withdrawals and deposits."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from exchanges.simulator.core import chain
from exchanges.simulator.core.chain import Deposit, Withdrawal
from exchanges.simulator.core.numbers import ZERO, fixed8, plain
from exchanges.simulator.core.orders import (
    BUY,
    CANCELLED,
    EXPIRED,
    FILLED,
    OPEN,
    Fill,
    Order,
)

STATES = {FILLED: "FILLED", CANCELLED: "CANCELED", EXPIRED: "EXPIRED"}
KINDS = {"limit": "LIMIT", "market": "MARKET", "maker": "LIMIT_MAKER"}
WITHDRAWAL_STATES = {
    chain.WAITING: 2,
    chain.PROCESSING: 4,
    chain.DONE: 6,
    chain.FAILED: 5,
    chain.CANCELLED: 1,
    chain.REJECTED: 3,
}
DEPOSIT_STATES = {
    chain.PENDING: 0,
    chain.LOCKED: 6,
    chain.CREDITED: 1,
    chain.WRONG: 7,
    chain.HELD: 8,
    chain.REFUNDING: 8,
    chain.REFUNDED: 2,
}


def moment(at_ms: int) -> str:
    """Write a wall instant as the withdrawal history does."""
    return f"{datetime.fromtimestamp(at_ms // 1000, tz=UTC):%Y-%m-%d %H:%M:%S}"


def status(order: Order) -> str:
    """Return the order's status in Binance's words."""
    if order.state != OPEN:
        return STATES[order.state]
    return "PARTIALLY_FILLED" if order.executed > ZERO else "NEW"


def _core(order: Order) -> dict[str, object]:
    return {
        "symbol": order.symbol,
        "orderId": int(order.venue_order_id),
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        "price": fixed8(ZERO if order.kind == "market" else order.price or ZERO),
        "origQty": fixed8(original_quantity(order)),
        "executedQty": fixed8(order.executed),
        "origQuoteOrderQty": fixed8(order.budget or ZERO),
        "cummulativeQuoteQty": fixed8(order.executed_notional),
        "status": status(order),
        "timeInForce": force_of(order),
        "type": KINDS[order.kind],
        "side": order.side.upper(),
        "selfTradePreventionMode": "NONE",
    }


def original_quantity(order: Order) -> Decimal:
    """Return what was ordered; of a buy by notional what was executed."""
    return order.executed if order.quantity is None else order.quantity


def force_of(order: Order) -> str:
    """Return the time in force as the venue shows it."""
    return order.time_in_force.upper() if order.kind == "limit" else "GTC"


def placed_view(order: Order, detail: str) -> dict[str, object]:
    """Return the reply to a new order: ACK, RESULT or FULL (with fills)."""
    ack: dict[str, object] = {
        "symbol": order.symbol,
        "orderId": int(order.venue_order_id),
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        "transactTime": order.created_ms,
    }
    if detail == "ACK":
        return ack
    view = {**_core(order), **ack, "workingTime": order.created_ms}
    if detail == "FULL":
        view["fills"] = [_fill(fill) for fill in order.fills]
    return view


def _fill(fill: Fill) -> dict[str, object]:
    return {
        "price": fixed8(fill.price),
        "qty": fixed8(fill.quantity),
        "commission": fixed8(fill.fee),
        "commissionAsset": fill.fee_asset,
        "tradeId": int(fill.venue_trade_id),
    }


def order_view(order: Order) -> dict[str, object]:
    """Return an order as reads show it."""
    return {
        **_core(order),
        "stopPrice": "0.00000000",
        "icebergQty": "0.00000000",
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": True,
        "workingTime": order.created_ms,
    }


def cancelled_view(order: Order, cancel_id: str, at_ms: int) -> dict[str, object]:
    """Return the reply to a cancel."""
    return {
        **_core(order),
        "origClientOrderId": order.client_order_id,
        "clientOrderId": cancel_id,
        "transactTime": at_ms,
    }


def trade_view(order: Order, fill: Fill) -> dict[str, object]:
    """Return one execution as the account's trade list shows it."""
    return {
        "symbol": order.symbol,
        "id": int(fill.venue_trade_id),
        "orderId": int(order.venue_order_id),
        "orderListId": -1,
        "price": fixed8(fill.price),
        "qty": fixed8(fill.quantity),
        "quoteQty": fixed8(fill.notional),
        "commission": fixed8(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.at_ms,
        "isBuyer": order.side == BUY,
        "isMaker": fill.is_maker,
        "isBestMatch": True,
    }


def withdrawal_view(row: Withdrawal) -> dict[str, object]:
    """Return a withdrawal; `amount` is net of the fee."""
    view: dict[str, object] = {
        "id": row.venue_withdrawal_id,
        "amount": plain(row.quantity),
        "transactionFee": plain(row.fee),
        "coin": row.asset,
        "status": WITHDRAWAL_STATES[row.state],
        "address": row.address,
        "addressTag": row.tag,
        "txId": row.txid or "",
        "applyTime": moment(row.created_ms),
        "network": row.network,
        "transferType": 0,
        "withdrawOrderId": row.client_id or "",
        "info": "",
        "confirmNo": 1 if row.state == chain.DONE else 0,
        "walletType": 0,
        "txKey": "",
    }
    if row.done_ms is not None:
        view["completeTime"] = moment(row.done_ms)
    return view


def deposit_view(row: Deposit, unlock: int) -> dict[str, object]:
    """Return a deposit."""
    view: dict[str, object] = {
        "id": row.venue_deposit_id,
        "amount": plain(row.quantity),
        "coin": row.asset,
        "network": row.network,
        "status": DEPOSIT_STATES[row.state],
        "address": row.address,
        "addressTag": row.tag,
        "txId": row.txid,
        "insertTime": row.created_ms,
        "transferType": 0,
        "confirmTimes": f"{min(row.confirmations, row.needed)}/{row.needed}",
        "unlockConfirm": unlock,
        "walletType": 0,
        "travelRuleStatus": 1 if row.state == chain.HELD else 0,
    }
    view["completeTime"] = row.done_ms or 0
    return view
