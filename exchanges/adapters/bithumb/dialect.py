"""Bithumb's wire: JWT with a stamp over the parameters as sent, error names, no header on limits.

Source: apidocs.bithumb.com, "Making a token", "Request limits", "API error codes". The hashed text is
not percent-encoded here: names of receivers in Hangul pass only so.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from exchanges.adapters.bithumb.refusals import UNKNOWN, reason_of
from exchanges.adapters.krw import errors
from exchanges.transport import jwt
from exchanges.transport.decoding import to_milliseconds
from exchanges.transport.limits import Pace
from exchanges.transport.verdicts import Verdict
from exchanges.transport.wire import Keys, Params, Reply, Request, SignedRequest

VENUE = "bithumb"


class BithumbDialect:
    """Signs with one account's keys; `nonce` gives a new UUID text each time.

    `clock` gives the venue's time as well as it is known.
    """

    venue = VENUE

    def __init__(
        self,
        keys: Keys,
        clock: Callable[[], datetime],
        *,
        nonce: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._nonce = nonce

    def sign(self, request: Request) -> SignedRequest:
        """Make the bytes to send."""
        if not request.is_signed:
            return jwt.bearing(request, None)
        signature = token(self._keys, self._nonce(), self._clock(), request.params)
        return jwt.bearing(request, signature)

    def verdict(self, reply: Reply) -> Verdict:
        """Read an error's name; an order that is not ready was taken, so nothing is refused by it."""
        judged = errors.verdict(reply, reason_of)
        return replace(judged, is_unknown=judged.code in UNKNOWN)

    def pace(self, request: Request, reply: Reply) -> Pace:
        """Tell nothing: no header says what is left of the second."""
        return Pace()


def token(keys: Keys, nonce: str, at: datetime, params: Params) -> str:
    """Make the token, stamped with the instant in ms."""
    claims = {"nonce": nonce, "timestamp": to_milliseconds(at)}
    return jwt.token(keys, params, algorithm="HS256", claims=claims)
