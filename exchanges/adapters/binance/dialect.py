"""Binance's wire: HMAC over query and body as sent, numeric codes, used-weight headers.

Source: binance-spot-api-docs, "rest-api", sections on security, limits and timing.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime
from urllib.parse import quote, urlencode

import msgspec

from exchanges.adapters.binance.limits import ORDERS_10S, USED
from exchanges.adapters.binance.refusals import THROTTLED, TOO_MANY_ORDERS, UNKNOWN, reason_of
from exchanges.transport.decoding import UnreadableError, to_milliseconds
from exchanges.transport.limits import Pace
from exchanges.transport.reading import decode
from exchanges.transport.verdicts import Verdict
from exchanges.transport.wire import Keys, Params, Reply, Request, SignedRequest

VENUE = "binance"
RECEIVE_WINDOW_MS = 5000  # bounds how late a delayed order can still be accepted


class BinanceDialect:
    """Signs with one account's keys; `clock` gives the venue's time as well as it is known."""

    venue = VENUE

    def __init__(self, keys: Keys, clock: Callable[[], datetime]) -> None:
        self._keys = keys
        self._clock = clock

    def sign(self, request: Request) -> SignedRequest:
        """Make the bytes to send: parameters in the body for POST, in the query otherwise."""
        if not request.is_signed:
            return _wire(request, _encoded(request.params), {})
        stamped = (
            *request.params,
            ("recvWindow", str(RECEIVE_WINDOW_MS)),
            ("timestamp", str(to_milliseconds(self._clock()))),
        )
        text = _encoded(stamped)
        signed = f"{text}&signature={signature(self._keys.secret, text)}"
        return _wire(request, signed, {"X-MBX-APIKEY": self._keys.access})

    def signed_params(self) -> dict[str, str | int]:
        """Give the parameters of a message of the WebSocket API: signed in alphabetical order."""
        stamped: dict[str, str | int] = {
            "apiKey": self._keys.access,
            "recvWindow": RECEIVE_WINDOW_MS,
            "timestamp": to_milliseconds(self._clock()),
        }
        text = "&".join(f"{name}={value}" for name, value in stamped.items())
        return {**stamped, "signature": signature(self._keys.secret, text)}

    def verdict(self, reply: Reply) -> Verdict:
        """Read `{"code", "msg"}`."""
        try:
            error = decode(reply.body, _ErrorBody)
        except UnreadableError:
            return Verdict()  # a firewall's HTML, say: nothing definite
        code = str(error.code)
        return Verdict(
            code=code,
            reason=reason_of(code, error.msg or ""),
            is_throttled=code in THROTTLED,
            is_unknown=code in UNKNOWN,
        )

    def pace(self, request: Request, reply: Reply) -> Pace:
        """Read used weights and order counts; of orders too many were sent where the code says so."""
        told = {group: reply.headers.get(header, "") for header, group in USED.items()}
        used = {group: int(text) for group, text in told.items() if _is_count(text)}
        is_of_orders = reply.status == 429 and self.verdict(reply).code == TOO_MANY_ORDERS
        return Pace(group=ORDERS_10S if is_of_orders else "", used=used)


def signature(secret: str, text: str) -> str:
    """Give the lower-case hex HMAC-SHA256 of the percent-encoded parameters."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def _encoded(params: Params) -> str:
    return urlencode(params, quote_via=quote, safe="")


def _wire(request: Request, text: str, headers: dict[str, str]) -> SignedRequest:
    if request.method == "POST":
        headers = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
        return SignedRequest(
            method="POST", target=request.path, body=text.encode(), headers=headers
        )
    target = f"{request.path}?{text}" if text else request.path
    return SignedRequest(method=request.method, target=target, headers=headers)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


class _ErrorBody(msgspec.Struct):
    code: int
    msg: str | None = None
