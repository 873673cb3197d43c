"""From a reply, or its loss, to one of the four errors a caller can act on.

Only a status and code that the venue documents as a definite refusal count as one. Everything else
that is not a success leaves a call that moves money UNKNOWN.
"""

from __future__ import annotations

from dataclasses import dataclass

from exchanges.errors import (
    NotSentError,
    OutcomeUnknownError,
    RefusalReason,
    RefusedError,
    ThrottledError,
    VenueError,
)
from exchanges.transport.wire import LostError, Reply, Request

LIMITER_STATUSES = frozenset({418, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an error body says: the venue's code, and our reason if that code is a definite refusal."""

    code: str = ""
    reason: RefusalReason | None = None
    is_throttled: bool = False
    is_unknown: bool = False  # the code itself says that the outcome is not known


def lost(venue: str, request: Request, error: LostError) -> VenueError:
    """Give the error for a call without a whole reply."""
    if error.was_sent:
        message = f"{venue} {request.operation}: the reply was lost ({error.cause})"
        return OutcomeUnknownError(message, venue=venue, operation=request.operation)
    message = f"{venue} {request.operation}: not sent ({error.cause})"
    return NotSentError(message, venue=venue, operation=request.operation)


def unreadable(venue: str, request: Request, why: str) -> OutcomeUnknownError:
    """Give the error for a success whose body cannot be believed."""
    message = f"{venue} {request.operation}: unreadable reply ({why})"
    return OutcomeUnknownError(message, venue=venue, operation=request.operation)


def failure(venue: str, request: Request, reply: Reply, verdict: Verdict) -> VenueError:
    """Give the error for a whole reply that is no success."""
    operation = request.operation
    code = _clean(verdict.code) or str(reply.status)
    told = f"{venue} {operation}: HTTP {reply.status}, {code}"
    if reply.status in LIMITER_STATUSES or verdict.is_throttled:
        return ThrottledError(
            told, venue=venue, operation=operation, retry_after_seconds=retry_after(reply)
        )
    if _is_definite(request, reply, verdict):
        reason = verdict.reason or RefusalReason.OTHER
        return RefusedError(told, venue=venue, operation=operation, reason=reason, code=code)
    return OutcomeUnknownError(told, venue=venue, operation=operation)


def is_walled(reply: Reply) -> bool:
    """Say whether a firewall before the venue turned us away: it does so the longer, the more we ask."""
    return reply.status == 403 and not reply.claims_json


def _is_definite(request: Request, reply: Reply, verdict: Verdict) -> bool:
    """Say whether nothing happened there for certain; a read may be refused by any code it names."""
    if not 400 <= reply.status < 500 or reply.status == 408 or verdict.is_unknown:
        return False
    return verdict.reason is not None or (bool(verdict.code) and not request.moves_money)


def retry_after(reply: Reply) -> int | None:
    """Read Retry-After in whole seconds; None if it is absent or a date."""
    text = reply.headers.get("retry-after", "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None


def _clean(code: str) -> str:
    """Keep what a venue's code may consist of: it goes to logs and rows."""
    return "".join(
        char for char in code[:64] if char.isascii() and (char.isalnum() or char in "_-.")
    )
