"""What sources of the official rate reply: KRW per USD and the source's own instant. Pure."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal, InvalidOperation

import msgspec

from exchanges.adapters.rates import cadence
from exchanges.transport.decoding import UnreadableError, from_milliseconds, instant, required
from exchanges.transport.reading import decode
from exchanges.values import RateQuote


class _Frankfurter(msgspec.Struct):
    """The public form has `date` and `rates`; the simulator's has `rate` and `quoted_at`."""

    base: str
    date: str | None = None
    rates: dict[str, Decimal] = {}
    quote: str | None = None
    rate: Decimal | None = None
    quoted_at: str | None = None


def frankfurter(body: bytes, *, source: str, now: datetime) -> RateQuote:
    """Read `v1/latest?base=USD&symbols=KRW`; a bare date means the ECB's hour of that day.

    A full instant is the simulator's, whose days are not the ECB's: it names no cadence.
    """
    row = decode(body, _Frankfurter)
    if row.base != "USD" or row.quote not in {None, "KRW"}:
        raise UnreadableError("not a USD/KRW rate")
    rate = row.rate if row.rate is not None else row.rates.get("KRW")
    at = instant(row.quoted_at)
    if at is not None:
        return _quote(rate, at, source=source, now=now)
    day = _day(row.date)
    at, until = cadence.ecb_quoted_at(day), cadence.ecb_good_until(day)
    return _quote(rate, at, source=source, now=now, good_until=until)


class _OpenErApi(msgspec.Struct):
    result: str
    base_code: str
    time_last_update_unix: int
    rates: dict[str, Decimal]
    time_next_update_unix: int | None = None


def open_er_api(body: bytes, *, source: str, now: datetime) -> RateQuote:
    """Read open.er-api's `v6/latest/USD`."""
    row = decode(body, _OpenErApi)
    if row.result != "success" or row.base_code != "USD":
        raise UnreadableError("not a USD rate")
    at = from_milliseconds(row.time_last_update_unix * 1000)
    if at is None:
        raise UnreadableError("no instant of the rate")
    next_unix = row.time_next_update_unix
    next_at = from_milliseconds(next_unix * 1000) if next_unix is not None else None
    until = cadence.er_api_good_until(at, next_at)
    return _quote(row.rates.get("KRW"), at, source=source, now=now, good_until=until)


class _Eximbank(msgspec.Struct):
    result: int | None = None
    cur_unit: str | None = None
    deal_bas_r: str | None = None


def eximbank(body: bytes, *, source: str, day: date, now: datetime) -> RateQuote | None:
    """Read Eximbank's list of a day; None for a day without a fixing (a holiday, or before 11:00).

    Numbers carry thousands commas. A refused key comes as a row with a result other than 1.
    """
    rows = [] if body.strip() == b"null" else decode(body, list[_Eximbank])
    refused = next((row.result for row in rows if row.result not in {1, None}), None)
    if refused is not None:
        raise UnreadableError(f"refused with result {refused}")
    dollar = next((row.deal_bas_r for row in rows if row.cur_unit == "USD"), None)
    if not rows:
        return None
    at, until = cadence.eximbank_quoted_at(day), cadence.eximbank_good_until(day)
    return _quote(_with_commas(dollar), at, source=source, now=now, good_until=until)


def _with_commas(text: str | None) -> Decimal | None:
    try:
        return Decimal((text or "").replace(",", ""))
    except InvalidOperation:
        return None


def _day(text: str | None) -> date:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        raise UnreadableError("no day of the rate") from None


def _quote(
    rate: Decimal | None,
    at: datetime,
    *,
    source: str,
    now: datetime,
    good_until: datetime | None = None,
) -> RateQuote:
    """Put a quote together; there is never a fallback for a rate that is missing."""
    krw_per_usd = required(rate, "KRW")
    if krw_per_usd <= 0:
        raise UnreadableError("no rate")
    return RateQuote(
        source=source,
        krw_per_usd=krw_per_usd,
        quoted_at=min(at, now),
        fetched_at=now,
        good_until=good_until,
    )
