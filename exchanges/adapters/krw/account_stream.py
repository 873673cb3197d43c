"""The private stream of Upbit's family: how it is asked for, and what its frames are about. Pure.

Sources: docs.upbit.com, "WebSocket", myOrder and myAsset; apidocs.bithumb.com, the same of v2.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from exchanges.errors import RefusalReason, RefusedError
from exchanges.hints import ANYTHING, Hint, StreamRequest
from exchanges.transport.decoding import UnreadableError
from exchanges.transport.reading import decode
from exchanges.transport.wire import Request, SignedRequest

ASKED = [{"ticket": "kimp"}, {"type": "myOrder"}, {"type": "myAsset"}, {"format": "DEFAULT"}]


def request(path: str, sign: Callable[[Request], SignedRequest]) -> StreamRequest:
    """Ask for orders and assets; the token covers no parameters."""
    signed = sign(Request(operation="account_stream", method="GET", path=path, is_signed=True))
    words = msgspec.json.encode(ASKED).decode()
    return StreamRequest(path=path, headers=signed.headers, messages=(words,))


class _Asset(msgspec.Struct):
    currency: str


class _Error(msgspec.Struct):
    name: str | int


class _Frame(msgspec.Struct):
    type: str = ""
    assets: list[_Asset] = []
    error: _Error | None = None


def hint(frame: bytes, venue: str) -> Hint | None:
    """Read what a frame is about; what cannot be read may be about anything."""
    try:
        told = decode(frame, _Frame)
    except UnreadableError:
        return ANYTHING
    if told.error is not None:
        raise RefusedError(
            f"{venue} account_stream: refused",
            venue=venue,
            operation="account_stream",
            reason=RefusalReason.KEY,
            code=str(told.error.name),
        )
    if told.type == "myOrder":
        return Hint(is_of_orders=True, assets=frozenset())
    if told.type == "myAsset":
        return Hint(is_of_orders=False, assets=frozenset(row.currency for row in told.assets))
    return None
