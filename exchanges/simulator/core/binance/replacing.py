"""Binance's cancel-replace: one request that cancels an order and places another."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from exchanges.simulator.core.binance import orders
from exchanges.simulator.core.binance.params import Params
from exchanges.simulator.core.binance.refusals import refuse
from exchanges.simulator.core.errors import RefusalError
from exchanges.simulator.core.values import Reply, json_reply
from exchanges.simulator.core.world import World

_MODES = {"STOP_ON_FAILURE", "ALLOW_FAILURE"}
_CANCEL = {
    "cancelOrderId": "orderId",
    "cancelOrigClientOrderId": "origClientOrderId",
    "cancelNewClientOrderId": "newClientOrderId",
}
CANCEL_PARAMS = ("cancelReplaceMode", *_CANCEL)
_NOT_ATTEMPTED = "NOT_ATTEMPTED"


def cancel_replace(world: World, params: Params) -> Reply:
    """Cancel, then place: 200 if both worked, 409 (-2021) if one did, 400 (-2022) if neither."""
    mode = params.need("cancelReplaceMode")
    if mode not in _MODES:
        raise refuse(-1100, "cancelReplaceMode")
    placing = _only(params, {name: name for name in orders.ORDER_PARAMS})
    orders.checked(world, placing)  # filters are evaluated before anything is cancelled
    cancelled = _tried(lambda: orders.cancel(world, _only(params, {**_CANCEL, "symbol": "symbol"})))
    placed = None
    if cancelled.status < 400 or mode == "ALLOW_FAILURE":
        placed = _tried(lambda: orders.create(world, placing))
    return _told(cancelled, placed)


def _only(params: Params, names: dict[str, str]) -> Params:
    kept = {to: params.values[name] for name, to in names.items() if name in params.values}
    return Params(kept, None, "")


def _tried(act: Callable[[], Reply]) -> Reply:
    try:
        return act()
    except RefusalError as refusal:
        return refusal.reply


def _told(cancelled: Reply, placed: Reply | None) -> Reply:
    data = {
        "cancelResult": _result(cancelled),
        "newOrderResult": _result(placed),
        "cancelResponse": msgspec.Raw(cancelled.body),
        "newOrderResponse": None if placed is None else msgspec.Raw(placed.body),
    }
    results = {data["cancelResult"], data["newOrderResult"]}
    if results == {"SUCCESS"}:
        return json_reply(data)
    if "SUCCESS" in results:
        text = "Order cancel-replace partially failed."
        return json_reply({"code": -2021, "msg": text, "data": data}, 409)
    return json_reply({"code": -2022, "msg": "Order cancel-replace failed.", "data": data}, 400)


def _result(reply: Reply | None) -> str:
    if reply is None:
        return _NOT_ATTEMPTED
    return "SUCCESS" if reply.status < 400 else "FAILURE"
