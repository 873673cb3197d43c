"""Opening by hand over REST: a dry run unless told otherwise, inside the policy's limits."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Model
from django.db.models.functions import Now

from cycles.models import Cycle, IdempotencyRecord, Intervention
from exchanges.models import TransferRoute
from tests import builders
from tests.cycles.api.conftest import Speaks
from tests.cycles.services.acts import rated

pytestmark = pytest.mark.django_db

CYCLES = "/api/v1/cycles/"
ASKED = {"asset": "xrp", "notional_usdt": "5000"}
ACT = {**ASKED, "dry_run": False, "reason": "to try the route"}


@pytest.fixture(autouse=True)
def _a_desk_that_can_open(db: None) -> None:
    builders.desk()
    builders.policy()
    builders.capital("binance", "USDT", 20_000)
    builders.capital("upbit", "KRW", 9_000_000)
    builders.sample(
        "XRP",
        at=Now(),  # type: ignore[arg-type]  # the database's clock
        outbound_krw_per_usdt=Decimal(1430),
        return_krw_per_usdt=Decimal(1425),
        rate_quoted_at=Now(),
    )
    route: type[Model] = TransferRoute
    route._default_manager.create(
        asset="XRP",
        from_venue="binance",
        to_venue="upbit",
        network="XRP",
        expected_seconds=60,
        overdue_seconds=600,
    )
    builders.confirmed_address()


def test_a_dry_run_is_the_default_and_writes_nothing(speaks: Speaks) -> None:
    reply = speaks("operator").post(CYCLES, ASKED)
    shown = reply.json()
    assert reply.status_code == 200
    assert (shown["asset"], shown["notional_usdt"], shown["objections"]) == ("XRP", "5000", [])
    assert Decimal(shown["expected_krw"]) == 5000 * 1430
    assert not Cycle.objects.exists()
    assert not IdempotencyRecord.objects.exists()


def test_a_dry_run_says_what_speaks_against_it(speaks: Speaks) -> None:
    shown = speaks().post(CYCLES, {**ASKED, "notional_usdt": "25000"}).json()
    assert any("20000" in text for text in shown["objections"])


def test_an_act_opens_one_cycle_and_says_where_it_is(speaks: Speaks) -> None:
    alice = speaks("operator")
    replies = [alice.post(CYCLES, ACT, key="k1") for _ in range(2)]
    made = Cycle.objects.get()
    assert [one.status_code for one in replies] == [201, 201]
    assert replies[0].headers["Location"] == f"{CYCLES}{made.code}/"
    assert replies[1].headers["Location"] == replies[0].headers["Location"]
    assert replies[0].json() == replies[1].json()
    assert Intervention.objects.get(verb="open").reason == ACT["reason"]


def test_an_act_against_the_policy_is_409_and_leaves_nothing(speaks: Speaks) -> None:
    reply = speaks().post(CYCLES, {**ACT, "notional_usdt": "25000"})
    assert (reply.status_code, reply.json()["code"]) == (409, "policy_denied")
    assert not Cycle.objects.exists()


def test_a_missing_route_is_503_and_the_key_may_be_used_again(speaks: Speaks) -> None:
    TransferRoute.objects.all().delete()
    reply = speaks().post(CYCLES, ACT)
    assert (reply.status_code, reply.json()["code"]) == (503, "stale_data")
    assert int(reply.headers["Retry-After"]) >= 1
    assert not IdempotencyRecord.objects.exists()


def test_money_in_korea_is_sent_home(speaks: Speaks) -> None:
    body = {"kind": "RETURN_ONLY", "notional_krw": "5000000", "dry_run": False, "reason": "home"}
    reply = speaks("operator").post(CYCLES, body)
    assert (reply.status_code, reply.json()["kind"]) == (201, "RETURN_ONLY")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"notional_usdt": "5000"}, "#/asset"),
        ({"asset": "XRP"}, "#/notional_usdt"),
        ({**ASKED, "dry_run": False}, "#/reason"),
        ({**ASKED, "dryrun": False, "reason": "x"}, "#/dryrun"),
        ({"kind": "RETURN_ONLY", "dry_run": False, "reason": "x"}, "#/notional_krw"),
        ({"kind": "RETURN_ONLY", "notional_krw": "1"}, "#/dry_run"),
        ({"asset": "XRP", "notional_usdt": 5000}, "#/notional_usdt"),
        ({"asset": "XRP", "notional_usdt": "NaN"}, "#/notional_usdt"),
    ],
)
def test_what_is_missing_is_named(speaks: Speaks, body: dict[str, object], pointer: str) -> None:
    reply = speaks().post(CYCLES, body)
    assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (400, pointer)


def test_a_viewer_does_not_open(speaks: Speaks) -> None:
    assert speaks("viewer").post(CYCLES, ASKED).status_code == 403


def test_a_dry_run_names_the_korean_venue(speaks: Speaks) -> None:
    alice = speaks("operator")
    assert alice.post(CYCLES, ASKED).json()["korea_venue"] == "upbit"
    assert alice.post(CYCLES, {**ASKED, "korea_venue": "kraken"}).status_code == 400
    refused = alice.post(CYCLES, {**ASKED, "korea_venue": "bithumb"})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_input")


def test_a_desk_at_two_korean_venues_asks_which_ones_krw_goes_home(
    speaks: Speaks, settings: Any
) -> None:
    settings.KIMP_KOREA_VENUES = ["upbit", "bithumb"]
    builders.capital("bithumb", "KRW", 9_000_000)
    rated("bithumb")
    asked = {
        "kind": "RETURN_ONLY",
        "notional_krw": "7000000",
        "dry_run": False,
        "reason": "the week is over",
    }
    assert speaks().post(CYCLES, asked).status_code == 400
    made = speaks().post(CYCLES, {**asked, "korea_venue": "bithumb"})
    assert (made.status_code, made.json()["korea_venue"]) == (201, "bithumb")
