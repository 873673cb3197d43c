"""Sources of the official rate: when each publishes, and when a quote of theirs is overdue."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from exchanges.adapters.rates import cadence, payloads
from exchanges.adapters.rates.client import Eximbank
from exchanges.errors import OutcomeUnknownError, RefusedError
from exchanges.transport.decoding import UnreadableError
from exchanges.values import RateQuote
from tests.exchanges.raw_server import raw_server, reply

NOW = datetime(2026, 11, 20, 6, tzinfo=UTC)  # a Friday, 15:00 in Seoul
KEY = "a-key-of-eximbank"


@pytest.mark.parametrize(
    "easter",
    [date(2000, 4, 23), date(2024, 3, 31), date(2025, 4, 20), date(2026, 4, 5), date(2038, 4, 25)],
)
def test_easter_is_found(easter: date) -> None:
    assert cadence.easter_sunday(easter.year) == easter


@pytest.mark.parametrize(
    ("day", "until"),
    [
        (date(2026, 11, 18), datetime(2026, 11, 19, 19, tzinfo=UTC)),
        (date(2026, 11, 20), datetime(2026, 11, 23, 19, tzinfo=UTC)),  # over a week-end
        (date(2026, 4, 2), datetime(2026, 4, 7, 19, tzinfo=UTC)),  # over Easter
        (date(2026, 12, 24), datetime(2026, 12, 28, 19, tzinfo=UTC)),
        (date(2026, 4, 30), datetime(2026, 5, 4, 19, tzinfo=UTC)),
    ],
)
def test_the_ecbs_rate_is_good_until_the_next_day_it_publishes(day: date, until: datetime) -> None:
    body = json.dumps({"base": "USD", "date": f"{day}", "rates": {"KRW": 1399.5}}).encode()
    quote = payloads.frankfurter(body, source="frankfurter", now=NOW + timedelta(days=400))
    assert (quote.good_until, quote.krw_per_usd) == (until, Decimal("1399.5"))


def test_the_newer_form_of_frankfurter_is_read_too() -> None:
    body = b'{"date":"2026-11-19","base":"USD","quote":"KRW","rate":1401.25}'
    quote = payloads.frankfurter(body, source="frankfurter", now=NOW)
    assert (quote.krw_per_usd, quote.quoted_at.date()) == (Decimal("1401.25"), date(2026, 11, 19))


@pytest.mark.parametrize(
    ("extra", "until"),
    [
        ({"time_next_update_unix": 1795219261}, datetime(2026, 11, 21, 6, 1, 1, tzinfo=UTC)),
        ({}, datetime(2026, 11, 21, 6, 0, 1, tzinfo=UTC)),
        ({"time_next_update_unix": None}, datetime(2026, 11, 21, 6, 0, 1, tzinfo=UTC)),
    ],
)
def test_open_er_api_names_its_next_update(extra: dict[str, Any], until: datetime) -> None:
    told = {
        "result": "success", "base_code": "USD", "time_last_update_unix": 1795132801,
        "rates": {"USD": 1, "KRW": 1399.5},
    }  # fmt: skip
    quote = payloads.open_er_api(json.dumps(told | extra).encode(), source="x", now=NOW)
    assert quote.good_until == until


@pytest.mark.parametrize(
    "body",
    [
        b'{"base":"USD","date":"2026-11-19","rates":{"KRW":null}}',
        b'{"base":"USD","date":"2026-11-19","rates":null}',
        b'{"base":"USD","date":null,"rates":{"KRW":1399}}',
        b'{"base":"USD","date":"soon","rates":{"KRW":1399}}',
    ],
)
def test_a_null_is_no_rate(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        payloads.frankfurter(body, source="frankfurter", now=NOW)


def fixing(rate: str | None = "1,382.5", result: int = 1) -> bytes:
    rows = [
        {"result": result, "cur_unit": "AED", "deal_bas_r": "376.4"},
        {"result": result, "cur_unit": "USD", "deal_bas_r": rate, "cur_nm": "미국 달러"},
    ]
    return json.dumps(rows).encode()


def read(*bodies: bytes) -> tuple[RateQuote, list[bytes]]:
    with raw_server(*(reply(body) for body in bodies)) as server:
        source = Eximbank(f"{server.url}/exchangeJSON", KEY, clock=lambda: NOW)
        try:
            quote = source.usd_krw()
        finally:
            source.close()
        return quote, list(server.requests)


def test_eximbanks_fixing_is_read_with_its_commas() -> None:
    quote, requests = read(fixing())
    assert quote.krw_per_usd == Decimal("1382.5")
    assert quote.quoted_at == datetime(2026, 11, 20, 2, tzinfo=UTC)
    assert f"authkey={KEY}&searchdate=20261120&data=AP01".encode() in requests[0]


@pytest.mark.parametrize("nothing", [b"[]", b"null"])
def test_a_day_without_a_fixing_is_a_holiday_and_the_day_before_is_asked_for(
    nothing: bytes,
) -> None:
    quote, requests = read(nothing, nothing, fixing())
    assert quote.quoted_at == datetime(2026, 11, 18, 2, tzinfo=UTC)
    assert [
        b"searchdate=202611%d" % day in got for day, got in zip((20, 19, 18), requests, strict=True)
    ] == [True] * 3


def test_without_a_fixing_for_longer_than_any_holiday_there_is_no_rate() -> None:
    with pytest.raises(RefusedError, match="longer than any holiday"):
        read(*[b"[]"] * 11)


@pytest.mark.parametrize(
    "body",
    [fixing(None), fixing("-"), fixing("0"), fixing(result=3), b'[{"result":1,"cur_unit":"AED"}]'],
)
def test_a_fixing_that_cannot_be_read_is_no_rate_and_tells_no_key(body: bytes) -> None:
    with pytest.raises(OutcomeUnknownError) as caught:
        read(body, body, body)
    assert KEY not in str(caught.value)
