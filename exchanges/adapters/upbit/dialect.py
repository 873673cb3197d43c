"""Upbit's wire: JWT over the parameters as sent, error names, the Remaining-Req header.

Source: docs.upbit.com, "Authentication", "Rate Limits", "REST API Errors".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import uuid
from collections.abc import Callable
from urllib.parse import quote, urlencode

import msgspec

from exchanges.adapters.upbit.refusals import reason_of
from exchanges.transport.calls import Pace
from exchanges.transport.verdicts import Verdict
from exchanges.transport.wire import Keys, Params, Reply, Request, SignedRequest

VENUE = "upbit"
JWT_HEADER = b'{"alg":"HS512","typ":"JWT"}'
REMAINING = re.compile(r"group=([a-z0-9_-]+);\s*min=\d+;\s*sec=(\d+)", re.IGNORECASE)


class UpbitDialect:
    """Signs with one account's keys; `nonce` gives a new UUID text each time."""

    venue = VENUE

    def __init__(self, keys: Keys, *, nonce: Callable[[], str] = lambda: str(uuid.uuid4())) -> None:
        self._keys = keys
        self._nonce = nonce

    def sign(self, request: Request) -> SignedRequest:
        """Make the bytes to send: JSON body for POST, query otherwise."""
        headers: dict[str, str] = {}
        if request.is_signed:
            token = jwt(self._keys, self._nonce(), request.params)
            headers["Authorization"] = f"Bearer {token}"
        if request.method == "POST":
            headers["Content-Type"] = "application/json"
            body = msgspec.json.encode(dict(request.params))
            return SignedRequest(method="POST", target=request.path, body=body, headers=headers)
        query = urlencode(request.params, quote_via=quote, safe="")
        target = f"{request.path}?{query}" if query else request.path
        return SignedRequest(method=request.method, target=target, headers=headers)

    def verdict(self, reply: Reply) -> Verdict:
        """Read `{"error": {"name", "message"}}`; the name is an integer on the quotation API."""
        name = error_name(reply.body)
        if name == "too_many_requests":
            return Verdict(code=name, is_throttled=True)
        return Verdict(code=name, reason=reason_of(name, status=reply.status))

    def pace(self, request: Request, reply: Reply) -> Pace:
        """Read `Remaining-Req: group=order; min=1800; sec=11`: at 0 wait for the next second."""
        found = REMAINING.search(reply.headers.get("remaining-req", ""))
        if found is None:
            return Pace()
        return Pace(group=found[1], hold_seconds=1.0 if int(found[2]) == 0 else 0.0)


def hashed_text(params: Params) -> str:
    """Give what Upbit hashes: `k=v&k=v`, not percent-encoded, in the order sent."""
    return "&".join(f"{name}={value}" for name, value in params)


def jwt(keys: Keys, nonce: str, params: Params) -> str:
    """Make the HS512 token; the secret is used as raw UTF-8 bytes, never base64-decoded."""
    claims = {"access_key": keys.access, "nonce": nonce}
    if params:
        claims["query_hash"] = hashlib.sha512(hashed_text(params).encode()).hexdigest()
        claims["query_hash_alg"] = "SHA512"
    signing = _base64(JWT_HEADER) + b"." + _base64(msgspec.json.encode(claims))
    signature = hmac.digest(keys.secret.encode(), signing, "sha512")
    return (signing + b"." + _base64(signature)).decode()


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class _ErrorPart(msgspec.Struct):
    name: str | int = ""


class _ErrorBody(msgspec.Struct):
    error: _ErrorPart


def error_name(body: bytes) -> str:
    """Give the error's name as text; empty if the body is no Upbit error."""
    try:
        return str(msgspec.json.decode(body, type=_ErrorBody).error.name)
    except msgspec.DecodeError:
        return ""
