"""What crosses the transport's border: a request as adapters state it, and the bytes either way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from exchanges.transport.leaving import Objection

Params = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """A venue's API keys; never printed."""

    access: str = field(repr=False)
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call to a venue before it is signed. Parameters keep their order: signatures cover it.

    `moves_money` marks what must reach the venue at most once per call; past `send_before` no byte of it
    leaves.
    """

    operation: str
    method: str
    path: str
    params: Params = ()
    is_signed: bool = False
    moves_money: bool = False
    send_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """The bytes to send: `target` is path and query; neither it nor the rest is ever printed."""

    method: str
    target: str = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole HTTP reply. Header names are lower-case.

    It was made between two instants of our monotonic clock: the call began, the last byte was read.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    began_at: float = 0.0
    ended_at: float = 0.0

    @property
    def is_success(self) -> bool:
        """Say whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def claims_json(self) -> bool:
        """Say whether the body may be JSON; a missing Content-Type does not speak against it."""
        return "json" in self.headers.get("content-type", "json").lower()


class LostError(Exception):
    """No whole reply came. `was_sent` is False only if not one byte was handed to the network."""

    def __init__(self, cause: str, *, was_sent: bool) -> None:
        super().__init__(cause)
        self.cause = cause
        self.was_sent = was_sent


class Sender(Protocol):
    """What sends one signed request once."""

    def send(
        self,
        signed: SignedRequest,
        *,
        deadline_seconds: float,
        is_fresh: bool,
        objection: Objection,
    ) -> Reply:
        """Send and read the whole reply, or raise LostError; no byte leaves once `objection` says why."""

    def close(self) -> None:
        """Give connections back."""
