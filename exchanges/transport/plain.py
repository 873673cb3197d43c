"""A plain JSON client for what is no venue: alerts, and the simulator's control address.

URLs may hold a token in their path: neither errors nor logs ever carry one.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec

from exchanges.errors import NotSentError, OutcomeUnknownError
from exchanges.transport.http import HttpSender
from exchanges.transport.reading import UNREADABLE
from exchanges.transport.wire import LostError, Reply, SignedRequest

BODY_LIMIT = 4 * 1024 * 1024


def post_json(
    url: str, payload: object, timeout_seconds: float, *, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    """Post JSON once and give (status, body), whatever the status.

    Raises NotSentError if not one byte left, OutcomeUnknownError if no whole reply came.
    """
    body = msgspec.json.encode(payload)
    sent = {"Content-Type": "application/json", **(headers or {})}
    reply = _send("post", url, timeout_seconds, method="POST", body=body, headers=sent)
    return reply.status, reply.body


def get_json(url: str, timeout_seconds: float) -> tuple[int, Any]:
    """Read JSON once and give (status, value); raises as `post_json`, unreadable JSON included."""
    reply = _send("get", url, timeout_seconds, method="GET")
    try:
        return reply.status, msgspec.json.decode(reply.body)
    except UNREADABLE:
        raise OutcomeUnknownError("get: not JSON", venue="plain", operation="get") from None


def _send(
    operation: str,
    url: str,
    timeout_seconds: float,
    *,
    method: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    base, target = split_url(url)
    sender = HttpSender(base, body_limit=BODY_LIMIT)
    signed = SignedRequest(method=method, target=target, body=body, headers=headers or {})
    try:
        return sender.send(signed, deadline_seconds=timeout_seconds, is_fresh=False)
    except LostError as error:
        kind = OutcomeUnknownError if error.was_sent else NotSentError
        message = f"{operation}: no reply ({error.cause})"
        raise kind(message, venue="plain", operation=operation) from None
    finally:
        sender.close()


def split_url(url: str) -> tuple[str, str]:
    """Split a URL into its base (`http://host:port`) and its target (path and query)."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return f"{parts.scheme}://{parts.netloc}", target
