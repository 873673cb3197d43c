"""The user's events by the WebSocket API: how they are asked for, and what they are about. Pure.

Source: binance-spot-api-docs, "web-socket-api" (userDataStream.subscribe.signature), "user-data-stream".
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from exchanges.adapters.binance.dialect import VENUE
from exchanges.errors import RefusalReason, RefusedError
from exchanges.hints import ANYTHING, Hint, StreamRequest
from exchanges.transport.decoding import UnreadableError
from exchanges.transport.reading import decode

PATH = "/ws-api/v3"
SUBSCRIBE = "userDataStream.subscribe.signature"
OF_ORDERS = frozenset({"executionReport", "listStatus"})
ENDED = "eventStreamTerminated"


def request(params: Mapping[str, str | int]) -> StreamRequest:
    """Ask for the user's events."""
    message = {"id": "kimp", "method": SUBSCRIBE, "params": params}
    return StreamRequest(path=PATH, messages=(msgspec.json.encode(message).decode(),))


class _Error(msgspec.Struct):
    code: int = 0


class _Event(msgspec.Struct):
    e: str = ""
    a: str = ""


class _Frame(msgspec.Struct):
    event: _Event | None = None
    error: _Error | None = None


def hint(frame: bytes) -> Hint | None:
    """Read what a frame is about; what cannot be read may be about anything.

    A balance that moved without an order (`balanceUpdate`) is a deposit or a withdrawal.
    """
    try:
        told = decode(frame, _Frame)
    except UnreadableError:
        return ANYTHING
    if told.error is not None:
        raise _refused(str(told.error.code))
    if told.event is None:
        return None
    if told.event.e == ENDED:
        raise _refused(ENDED)
    if told.event.e in OF_ORDERS:
        return Hint(is_of_orders=True, assets=frozenset())
    if told.event.e == "balanceUpdate":
        return Hint(is_of_orders=False, assets=frozenset({told.event.a}) if told.event.a else None)
    return None


def _refused(code: str) -> RefusedError:
    return RefusedError(
        f"{VENUE} account_stream: refused",
        venue=VENUE,
        operation="account_stream",
        reason=RefusalReason.KEY,
        code=code,
    )
