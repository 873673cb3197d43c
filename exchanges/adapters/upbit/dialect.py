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
from exchanges.transport.limits import Pace
from exchanges.transport.verdicts import Verdict
from exchanges.transport.wire import Keys, Params, Reply, Request, SignedRequest

VENUE = "upbit"
REMAINING = re.compile(r"group=([a-z0-9_-]+);\s*min=\d+;\s*sec=(\d+)", re.IGNORECASE)
BANNED_FOR = re.compile(r"(\d{1,7})\s*(?:초|sec)")


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
        """Read `Remaining-Req: group=order; min=1800; sec=11`: at 0 wait for the next second.

        A ban (418) says in its message how long it lasts.
        """
        if reply.status == 418:
            message = BANNED_FOR.search(reply.body.decode("utf-8", "replace"))
            return Pace(hold_seconds=int(message[1]) if message else 0)
        found = REMAINING.search(reply.headers.get("remaining-req", ""))
        if found is None:
            return Pace()
        group, left = found[1].lower(), int(found[2])
        return Pace(group=group, left={group: left}, hold_seconds=0 if left else 1)


def token(keys: Keys, nonce: str, params: Params) -> str:
    """Make the token; it carries no time."""
    return jwt.token(keys, params, algorithm="HS512", claims={"nonce": nonce})
