"""Answers of the WebSocket API, made from REST replies: `{id, status, result or error, limits}`."""

from __future__ import annotations

import msgspec

from exchanges.simulator.core.binance import market
from exchanges.simulator.core.streams.frames import TEXT, Frame
from exchanges.simulator.core.values import JSON_TYPE, Reply, encode

_COUNTED = {
    "X-MBX-USED-WEIGHT-1M": ("REQUEST_WEIGHT", "MINUTE"),
    "X-MBX-ORDER-COUNT-10S": ("ORDERS", "SECOND"),
    "X-MBX-ORDER-COUNT-1D": ("ORDERS", "DAY"),
}


def answered(
    request_id: int | str | None, reply: Reply, limits: list[dict[str, object]] | None
) -> Frame:
    """Return the answer under the request's id."""
    name = "result" if reply.status < 400 else "error"
    body = reply.body or b"{}"
    if name == "error" and reply.content_type != JSON_TYPE:
        body = encode({"code": -1000, "msg": "An unknown error occurred."})
    answer: dict[str, object] = {"id": request_id, "status": reply.status, name: msgspec.Raw(body)}
    if limits is not None:
        answer["rateLimits"] = limits
    return Frame(TEXT, encode(answer))


def rate_limits_of(reply: Reply) -> list[dict[str, object]]:
    """Say what a reply's headers say."""
    rows = []
    for name, value in reply.headers:
        counted = _COUNTED.get(name)
        if counted is None:
            continue
        limit = next(
            row
            for row in market.rate_limits()
            if (row["rateLimitType"], row["interval"]) == counted
        )
        rows.append({**limit, "count": int(value)})
    return rows
