"""What a venue call can end in, other than an answer: each class says what the caller may do next."""

from __future__ import annotations

from enum import StrEnum


class RefusalReason(StrEnum):
    """Why a venue said no, in our words; adapters map the venue's codes to these."""

    FUNDS = "funds"  # not enough free balance
    RULES = "rules"  # step, minimum, precision, parameters
    DUPLICATE = "duplicate"  # the client id is known there: look it up and adopt
    MARKET_CLOSED = "market_closed"
    WALLET_CLOSED = "wallet_closed"
    ADDRESS = "address"  # not registered, malformed, memo missing
    KEY = "key"  # key, signature, permission
    CLOCK = "clock"  # our stamp is too old or too new for it: not processed
    LIMIT = "limit"  # daily quota or similar
    TRAVEL_RULE = "travel_rule"
    OTHER = "other"


class VenueError(Exception):
    """A venue call did not give its answer."""

    def __init__(self, message: str, *, venue: str, operation: str) -> None:
        super().__init__(message)
        self.venue = venue
        self.operation = operation


class NotSentError(VenueError):
    """The request never left this machine: the same request may be sent again."""


class UnprovenAssetError(NotSentError):
    """The registry does not vouch for the asset there: nothing was sent, a person proves it first."""


class ThrottledError(VenueError):
    """The venue's limiter turned the request away unprocessed: wait, then try again."""

    def __init__(
        self, message: str, *, venue: str, operation: str, retry_after_seconds: int | None
    ) -> None:
        super().__init__(message, venue=venue, operation=operation)
        self.retry_after_seconds = retry_after_seconds


class KeptBackError(ThrottledError):
    """We did not send it: the desk has used the venue's limit up. Wait, then try again."""


class RefusedError(VenueError):
    """The venue said no for certain: nothing happened there; `reason` says what to change."""

    def __init__(
        self, message: str, *, venue: str, operation: str, reason: RefusalReason, code: str
    ) -> None:
        super().__init__(message, venue=venue, operation=operation)
        self.reason = reason
        self.code = code


class OutcomeUnknownError(VenueError):
    """It may or may not have happened: look it up before anything else, never send it again."""


class StaleReferenceError(Exception):
    """Reference data is missing or too old to trade on: fetch it (`sync_markets`), then try again."""


class UnconfirmedError(Exception):
    """An address or an asset that nobody vouches for: confirm or prove it, then try again."""


class ModeError(Exception):
    """The database and the environment disagree on LIVE: nothing is called until a person decides."""
