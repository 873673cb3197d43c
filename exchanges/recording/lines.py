"""What stands in a recording: one JSON object a line, `k` says of which kind, `t` when (Unix ms). Pure.

A market's book is written whole once in a file and then as the levels that changed; sizes of zero mark
levels that are gone. Money is text. Short names, because there are thousands a second.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from exchanges.values import Level

VERSION = 1


class Head(msgspec.Struct, tag="head", tag_field="k"):
    """The first line of a file."""

    t: int
    version: int = VERSION
    by: str = "kimp feeder"


class Whole(msgspec.Struct, tag="book", tag_field="k", omit_defaults=True):
    """A book: venue `v`, market `m`, bids `b`, asks `a`; `at` is the venue's stamp, `id` its number."""

    t: int
    v: str
    m: str
    b: list[Level]
    a: list[Level]
    at: int | None = None
    id: int | None = None


class Changes(msgspec.Struct, tag="diff", tag_field="k", omit_defaults=True):
    """The levels of a book that changed since its last line in this file."""

    t: int
    v: str
    m: str
    b: list[Level] = []
    a: list[Level] = []
    at: int | None = None
    id: int | None = None


class Lacking(msgspec.Struct, tag="none", tag_field="k"):
    """There is no book of the market from now on."""

    t: int
    v: str
    m: str
    why: str


class Rate(msgspec.Struct, tag="rate", tag_field="k", omit_defaults=True):
    """An official rate: source `s`, KRW per USD, its own instants."""

    t: int
    s: str
    krw: Decimal
    quoted: int
    fetched: int
    until: int | None = None


class RateLost(msgspec.Struct, tag="lost", tag_field="k"):
    """A source of the official rate has none from now on."""

    t: int
    s: str


class Wallet(msgspec.Struct, tag="wallet", tag_field="k"):
    """How an asset moves at a venue on a network: deposits and withdrawals open, fee, minimum, step."""

    t: int
    v: str
    a: str
    n: str
    deposit: bool
    withdraw: bool
    fee: Decimal
    least: Decimal
    step: Decimal
    memo: bool
    fetched: int


Line = Head | Whole | Changes | Lacking | Rate | RateLost | Wallet

_encoder = msgspec.json.Encoder(decimal_format="string")
_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def encode(line: Line) -> bytes:
    """Write a line, its end included."""
    return _encoder.encode(line) + b"\n"


def decode(text: bytes) -> Line:
    """Read a line. Raises ValueError for one that is none of ours."""
    return _decoder.decode(text)
