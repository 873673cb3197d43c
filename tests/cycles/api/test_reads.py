"""Reads: filtered, paged by cursor, money as strings, instants in UTC, no internal ids."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from cycles.domain.words import CycleStatus, FailureClass
from tests import builders
from tests.cycles.api.conftest import Speaks

pytestmark = pytest.mark.django_db

CYCLES = "/api/v1/cycles/"


def codes(page: Any) -> list[str]:
    return [row["code"] for row in page["results"]]


def test_cycles_come_newest_first_and_pages_neither_repeat_nor_hide(speaks: Speaks) -> None:
    made = [builders.cycle().code for _ in range(5)]
    alice = speaks("viewer")
    first = alice.get(CYCLES + "?page_size=2").json()
    builders.cycle()  # arrives meanwhile
    second = alice.get(first["next"]).json()
    third = alice.get(second["next"]).json()
    assert codes(first) + codes(second) + codes(third) == made[::-1]
    assert third["next"] is None


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ("status=DEAD_LETTER", True),
        ("status=DEAD_LETTER&status=STARTED", True),
        ("status=STARTED", False),
        ("kind=ROUND_TRIP", True),
        ("kind=RETURN_ONLY", False),
        ("asset=XRP", True),
        ("asset=BTC", False),
        ("venue=upbit", True),
        ("venue=bithumb", False),
        ("failure_class=WALLET_CLOSED", True),
        ("failure_class=BUG", False),
        ("is_open=true", True),
        ("is_open=false", False),
        ("started_from=2000-01-01T00:00:00Z", True),
        ("started_before=2000-01-01T00:00:00Z", False),
    ],
)
def test_a_filter_narrows_the_list(speaks: Speaks, query: str, *, matches: bool) -> None:
    row = builders.dead_letter(failure=FailureClass.WALLET_CLOSED)
    page = speaks("viewer").get(f"{CYCLES}?{query}").json()
    assert codes(page) == ([row.code] if matches else [])


def test_search_finds_a_code_and_a_client_order_id(speaks: Speaks) -> None:
    row, _ = builders.cycle(), builders.cycle()
    call = builders.order_call(row)
    alice = speaks("viewer")
    for text in (row.code, call.client_order_id):
        assert codes(alice.get(f"{CYCLES}?search={text}").json()) == [row.code]


@pytest.mark.parametrize("query", ["status=DEAD", "stauts=STARTED", "started_from=yesterday"])
def test_a_wrong_filter_is_named_and_lists_nothing(speaks: Speaks, query: str) -> None:
    reply = speaks("viewer").get(f"{CYCLES}?{query}")
    assert reply.status_code == 400
    assert reply.json()["errors"][0]["pointer"].startswith("#/" + query.partition("=")[0])


def test_dead_letters_come_by_money_at_risk_then_age(speaks: Speaks) -> None:
    small = builders.dead_letter(at_risk_krw=1)
    old = builders.dead_letter(at_risk_krw=9)
    young = builders.dead_letter(at_risk_krw=9)
    builders.cycle()
    alice = speaks("viewer")
    page = alice.get("/api/v1/dead-letters/?page_size=2").json()
    rest = alice.get(page["next"]).json()
    assert codes(page) + codes(rest) == [old.code, young.code, small.code]


def test_a_cycle_is_shown_with_version_holdings_and_timeline(speaks: Speaks) -> None:
    row = builders.dead_letter()
    reply = speaks("viewer").get(f"{CYCLES}{row.code}/")
    shown = reply.json()
    assert reply.headers["ETag"] == f'"{row.version}"'
    assert shown["version"] == row.version
    assert shown["holdings"] == [
        {"venue": "binance", "asset": "USDT", "owner": "CYCLE", "quantity": "5000"}
    ]
    kinds = [item["kind"] for item in shown["timeline"]]
    assert {"transition", "posting", "retry"} <= set(kinds)
    assert shown["timeline"][-1]["status"] == CycleStatus.DEAD_LETTER


def test_money_is_shown_as_strings_and_instants_in_utc(speaks: Speaks) -> None:
    row = builders.dead_letter(at_risk_krw=Decimal("7000000.5"))
    with timezone.override("Asia/Seoul"):
        text = speaks("viewer").get(f"{CYCLES}{row.code}/").content.decode()
    assert '"money_at_risk_krw":"7000000.5"' in text
    assert '"notional_usdt":"5000"' in text
    assert re.search(r'"started_at":"\d{4}-\d\d-\d\dT[\d:.]+Z"', text)
    assert "+09:00" not in text
    assert not re.search(r'":-?\d+\.\d', text)  # no JSON number has a fraction


def test_no_internal_id_is_shown(speaks: Speaks) -> None:
    row = builders.dead_letter()
    builders.order_call(row)
    shown = speaks("viewer").get(f"{CYCLES}{row.code}/").json()
    assert str(row.pk) not in {value for value in shown.values() if isinstance(value, str)}
    assert "id" not in shown
    assert all("id" not in item for item in shown["timeline"])


def test_an_unknown_cycle_is_a_problem_404(speaks: Speaks) -> None:
    reply = speaks("viewer").get(f"{CYCLES}CYC-000000000000/")
    assert reply.status_code == 404
    assert reply.json()["code"] == "not_found"


def test_the_newest_premium_of_each_asset_is_shown(speaks: Speaks) -> None:
    at = datetime(2024, 12, 3, 12, tzinfo=UTC)
    builders.sample("XRP", at=at)
    builders.sample("XRP", at=at + timedelta(minutes=1), outbound_traded_bps=Decimal("310.25"))
    builders.sample("BTC", at=at, outbound_traded_bps=None)
    rows = speaks("viewer").get("/api/v1/premia/").json()
    assert [(row["asset"], row["outbound_traded_bps"]) for row in rows] == [
        ("BTC", None),
        ("XRP", "310.25"),
    ]


def test_a_series_is_averaged_over_buckets(speaks: Speaks) -> None:
    at = datetime(2024, 12, 3, 12, tzinfo=UTC)
    for second, bps in ((0, 100), (30, 200), (60, 7)):
        builders.sample("XRP", at=at + timedelta(seconds=second), outbound_traded_bps=Decimal(bps))
    path = "/api/v1/premia/xrp/?since=2024-12-03T12:00:00Z&bucket_seconds=60"
    reply = speaks("viewer").get(path)
    assert reply.status_code == 400  # two years ago: too many minutes
    hours = speaks("viewer").get(path.replace("bucket_seconds=60", "bucket_seconds=86400")).json()
    assert len(hours["points"]) == 1
    assert Decimal(hours["points"][0]["outbound_traded_bps"]).quantize(
        Decimal("0.0001")
    ) == Decimal("102.3333")


def test_a_series_is_one_korean_venues_the_desks_first_unless_another_is_named(
    speaks: Speaks,
) -> None:
    at = datetime(2024, 12, 3, 12, tzinfo=UTC)
    builders.sample("XRP", at=at, outbound_traded_bps=Decimal(100))
    builders.sample("XRP", at=at, korea_venue="bithumb", outbound_traded_bps=Decimal(300))
    path = "/api/v1/premia/xrp/?since=2024-12-03T12:00:00Z&bucket_seconds=86400"
    viewer = speaks("viewer")
    for query, venue, bps in (("", "upbit", 100), ("&korea_venue=bithumb", "bithumb", 300)):
        shown = viewer.get(path + query).json()
        assert shown["korea_venue"] == venue
        assert [Decimal(point["outbound_traded_bps"]) for point in shown["points"]] == [bps]
    assert viewer.get(f"{path}&korea_venue=kraken").status_code == 400
    assert [row["korea_venue"] for row in viewer.get("/api/v1/premia/").json()] == [
        "bithumb",
        "upbit",
    ]


def test_the_policy_in_force_is_shown_with_its_number_as_etag(speaks: Speaks) -> None:
    builders.policy()
    newest = builders.policy(notional_usdt=Decimal(1234))
    reply = speaks("viewer").get("/api/v1/policy/")
    assert reply.json()["notional_usdt"] == "1234"
    assert reply.headers["ETag"] == f'"{newest.number}"'


def test_the_mode_is_shown(speaks: Speaks) -> None:
    builders.desk()
    shown = speaks("viewer").get("/api/v1/mode/").json()
    assert (shown["kind"], shown["mode"], shown["pauses"]) == ("SIMULATED", "RUN", [])


@pytest.mark.parametrize("size", ["abc", "0", "-1", "201", "1000000", ""])
def test_a_size_of_page_that_is_none_is_refused(speaks: Speaks, size: str) -> None:
    alice = speaks("viewer")
    refused = alice.get(f"{CYCLES}?page_size={size}")
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_input")
    assert "page_size" in refused.json()["detail"]
