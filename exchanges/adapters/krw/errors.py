"""Error bodies of the Korean venues: `{"error": {"name", "message"}}`."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from exchanges.errors import RefusalReason
from exchanges.transport.decoding import UnreadableError
from exchanges.transport.reading import decode
from exchanges.transport.verdicts import Verdict
from exchanges.transport.wire import Reply

THROTTLED = "too_many_requests"


class _ErrorPart(msgspec.Struct):
    name: str | int = ""


class _ErrorBody(msgspec.Struct):
    error: _ErrorPart


def error_name(body: bytes) -> str:
    """Give the error's name as text (quotations number theirs); empty if the body is no such error."""
    try:
        return str(decode(body, _ErrorBody).error.name)
    except UnreadableError:
        return ""


def verdict(reply: Reply, reason_of: Callable[[str, int], RefusalReason | None]) -> Verdict:
    """Judge an error by its name, as `reason_of` (name, status) knows it."""
    name = error_name(reply.body)
    if name == THROTTLED:
        return Verdict(code=name, is_throttled=True)
    return Verdict(code=name, reason=reason_of(name, reply.status))
