"""Upbit's wire: JWT over the parameters as sent, error names, the Remaining-Req header.

Source: docs.upbit.com, "Authentication", "Rate Limits", "REST API Errors".
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

from exchanges.adapters.krw import errors
from exchanges.adapters.upbit.refusals import reason_of
from exchanges.transport import jwt
from exchanges.transport.calls import Pace
from exchanges.transport.verdicts import Verdict
from exchanges.transport.wire import Keys, Params, Reply, Request, SignedRequest

VENUE = "upbit"
REMAINING = re.compile(r"group=([a-z0-9_-]+);\s*min=\d+;\s*sec=(\d+)", re.IGNORECASE)


class UpbitDialect:
    """Signs with one account's keys; `nonce` gives a new UUID text each time."""

    venue = VENUE

    def __init__(self, keys: Keys, *, nonce: Callable[[], str] = lambda: str(uuid.uuid4())) -> None:
        self._keys = keys
        self._nonce = nonce

    def sign(self, request: Request) -> SignedRequest:
        """Make the bytes to send."""
        if not request.is_signed:
            return jwt.bearing(request, None)
        return jwt.bearing(request, token(self._keys, self._nonce(), request.params))

    def verdict(self, reply: Reply) -> Verdict:
        """Read an error's name; it is an integer on the quotation API."""
        return errors.verdict(reply, lambda name, status: reason_of(name, status=status))

    def pace(self, request: Request, reply: Reply) -> Pace:
        """Read `Remaining-Req: group=order; min=1800; sec=11`: at 0 wait for the next second."""
        found = REMAINING.search(reply.headers.get("remaining-req", ""))
        if found is None:
            return Pace()
        return Pace(group=found[1], hold_seconds=1.0 if int(found[2]) == 0 else 0.0)


def token(keys: Keys, nonce: str, params: Params) -> str:
    """Make the token; it carries no time."""
    return jwt.token(keys, params, algorithm="HS512", claims={"nonce": nonce})
