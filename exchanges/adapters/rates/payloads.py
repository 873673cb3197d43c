"""What sources of the official rate reply: KRW per USD and the source's own instant. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal

import msgspec

from exchanges.transport.decoding import (
    UnreadableError,
    decode,
    from_milliseconds,
    instant,
    required,
)
from exchanges.values import RateQuote

# The ECB publishes its reference rates at about 16:00 in Frankfurt: 15:00 UTC, an hour less in summer.
ECB_PUBLISHES_AT = time(15, tzinfo=UTC)


class _Frankfurter(msgspec.Struct):
    """The public form has `date` and `rates`; the simulator's has `rate` and `quoted_at`."""

    base: str
    date: str | None = None
    rates: dict[str, Decimal] = {}
    quote: str | None = None
    rate: Decimal | None = None
    quoted_at: str | None = None


def frankfurter(body: bytes, *, source: str, now: datetime) -> RateQuote:
    """Read `v1/latest?base=USD&symbols=KRW`; a bare date means the ECB's hour of that day."""
    row = decode(body, _Frankfurter)
    if row.base != "USD" or row.quote not in {None, "KRW"}:
        raise UnreadableError("not a USD/KRW rate")
    rate = row.rate if row.rate is not None else row.rates.get("KRW")
    at = instant(row.quoted_at) or _published(row.date)
    return _quote(rate, at, source=source, now=now)


class _OpenErApi(msgspec.Struct):
    result: str
    base_code: str
    time_last_update_unix: int
    rates: dict[str, Decimal]


def open_er_api(body: bytes, *, source: str, now: datetime) -> RateQuote:
    """Read open.er-api's `v6/latest/USD`."""
    row = decode(body, _OpenErApi)
    if row.result != "success" or row.base_code != "USD":
        raise UnreadableError("not a USD rate")
    at = from_milliseconds(row.time_last_update_unix * 1000)
    return _quote(row.rates.get("KRW"), at, source=source, now=now)


def _published(text: str | None) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text or ""), ECB_PUBLISHES_AT)
    except ValueError:
        return None


def _quote(rate: Decimal | None, at: datetime | None, *, source: str, now: datetime) -> RateQuote:
    """Put a quote together; there is never a fallback for a rate or an instant that is missing."""
    krw_per_usd = required(rate, "KRW")
    if krw_per_usd <= 0 or at is None:
        raise UnreadableError("no rate, or no instant of it")
    return RateQuote(source=source, krw_per_usd=krw_per_usd, quoted_at=min(at, now), fetched_at=now)
