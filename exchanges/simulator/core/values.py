"""Values at the simulator's border: what arrives, what leaves, and how a reply is spoilt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec

UPBIT: Final = "upbit"
BINANCE: Final = "binance"
BITHUMB: Final = "bithumb"
VENUES: Final = (UPBIT, BINANCE, BITHUMB)
KOREAN: Final = frozenset({UPBIT, BITHUMB})

JSON_TYPE: Final = "application/json"
HTML_TYPE: Final = "text/html"


_ENCODER = msgspec.json.Encoder(decimal_format="number")


class RandomSource(Protocol):
    """The seeded source the core is given (`random.Random` fits)."""

    def getrandbits(self, k: int, /) -> int:
        """Return k random bits."""

    def random(self) -> float:
        """Return a number in [0, 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request as it arrived; header names in lower case, the query still encoded."""

    venue: str
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    remote: str = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One HTTP reply."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON_TYPE
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A reply the transport must spoil: hang, fin, rst, truncated, drip, flood or delay.

    `reply` is what the venue would have said; `milliseconds` is wall time, `size` a flood's in bytes.
    """

    action: str
    reply: Reply = field(default_factory=Reply)
    milliseconds: int = 0
    size: int = 0


def encode(payload: object) -> bytes:
    """Write JSON; Decimals become numbers, so give money as strings where venues do."""
    return _ENCODER.encode(payload)


def json_reply(
    payload: object, status: int = 200, headers: tuple[tuple[str, str], ...] = ()
) -> Reply:
    """Encode a reply."""
    return Reply(status=status, body=encode(payload), headers=headers)
