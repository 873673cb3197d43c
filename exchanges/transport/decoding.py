"""From bytes to exact values, and back: what a venue writes is checked before it is believed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import TypeVar

K = TypeVar("K")
T = TypeVar("T")
LARGEST_EXPONENT = (
    19  # a column has 20 digits before the point: one that is larger would stop a whole look
)
SMALLEST_EXPONENT = -30
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class UnreadableError(ValueError):
    """A venue's reply does not say what it must."""


def required(value: Decimal | None, name: str) -> Decimal:
    """Give a number that must be there, finite and of a sane size ("NaN" decodes as a Decimal)."""
    if value is None:
        raise UnreadableError(f"{name} is missing")
    if not value.is_finite() or not SMALLEST_EXPONENT <= value.adjusted() <= LARGEST_EXPONENT:
        raise UnreadableError(f"{name} is not a usable number")
    return value


def or_zero(value: Decimal | None, name: str) -> Decimal:
    """Give a number that may be absent, which means zero."""
    return Decimal(0) if value is None else required(value, name)


def known(table: Mapping[K, T], word: K, name: str) -> T:
    """Give what a venue's word means to us; a word we do not know cannot be acted on."""
    if word not in table:
        raise UnreadableError(f"unknown {name} {str(word)[:32]!r}")
    return table[word]


def instant(text: str | None) -> datetime | None:
    """Read an ISO 8601 instant as aware UTC (naive text is UTC); None if there is none to read."""
    if not text:
        return None
    try:
        parsed = datetime.fromisoformat(text)
        aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        return aware.astimezone(UTC)
    except (ValueError, OverflowError):  # in UTC it may lie before the year 1
        return None


def date_header(headers: Mapping[str, str]) -> datetime | None:
    """Read the whole second that a reply's Date names as aware UTC; None if there is none to read."""
    try:
        parsed = parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, OverflowError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def from_milliseconds(stamp: int | None) -> datetime | None:
    """Read a Unix stamp in ms as aware UTC; None if it is absent or out of range."""
    if stamp is None:
        return None
    try:
        return EPOCH + timedelta(milliseconds=stamp)
    except OverflowError:
        return None


def to_milliseconds(at: datetime) -> int:
    """Give an aware instant as a Unix stamp in ms, rounded down."""
    return (at - EPOCH) // timedelta(milliseconds=1)


def plain(value: Decimal) -> str:
    """Write a number without exponent or trailing zeros, exactly."""
    if not value.is_finite():
        raise ValueError("only a finite number can be sent")
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
