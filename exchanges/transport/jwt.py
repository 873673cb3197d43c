"""Requests signed with a JWT over their parameters, as the Korean venues want it.

Sources: docs.upbit.com, "Authentication"; apidocs.bithumb.com, "Making a token". What is hashed is the
text `k=v&k=v`, not percent-encoded, in the order sent; the secret is raw UTF-8, never base64-decoded.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote, urlencode

import msgspec

from exchanges.transport.wire import Keys, Params, Request, SignedRequest

DIGESTS = {"HS256": "sha256", "HS512": "sha512"}


def hashed_text(params: Params) -> str:
    """Give the text whose hash the token carries."""
    return "&".join(f"{name}={value}" for name, value in params)


def token(keys: Keys, params: Params, *, algorithm: str, claims: Mapping[str, object]) -> str:
    """Make a token; `claims` come after the key's name and before the hash of the parameters."""
    told: dict[str, object] = {"access_key": keys.access, **claims}
    if params:
        told["query_hash"] = hashlib.sha512(hashed_text(params).encode()).hexdigest()
        told["query_hash_alg"] = "SHA512"
    header = msgspec.json.encode({"alg": algorithm, "typ": "JWT"})
    signing = _base64(header) + b"." + _base64(msgspec.json.encode(told))
    signature = hmac.digest(keys.secret.encode(), signing, DIGESTS[algorithm])
    return (signing + b"." + _base64(signature)).decode()


def bearing(request: Request, signature: str | None) -> SignedRequest:
    """Make the bytes to send: a JSON body for POST, else a query, and the token if there is one."""
    headers = {} if signature is None else {"Authorization": f"Bearer {signature}"}
    if request.method == "POST":
        headers["Content-Type"] = "application/json"
        body = msgspec.json.encode(dict(request.params))
        return SignedRequest(method="POST", target=request.path, body=body, headers=headers)
    query = urlencode(request.params, quote_via=quote, safe="")
    target = f"{request.path}?{query}" if query else request.path
    return SignedRequest(method=request.method, target=target, headers=headers)


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
