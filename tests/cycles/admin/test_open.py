"""Opening by hand through the admin."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from cycles.domain.words import Mode
from cycles.models import Account, Cycle, Intervention
from tests import builders

pytestmark = pytest.mark.django_db
Login = Callable[..., Client]
TRIP = {"kind": "ROUND_TRIP", "asset": "XRP", "notional": "5000", "reason": "a test of the route"}


def send(client: Client, **given: str) -> tuple[int, str]:
    reply = client.post(reverse("admin:desk_open"), given)
    return reply.status_code, reply.content.decode()


def test_a_preview_names_what_speaks_against_it_and_opens_nothing(login: Login) -> None:
    builders.desk()
    builders.policy()
    status, text = send(login("operator"), **TRIP | {"reason": "", "preview": "1"})
    assert status == 200
    assert "there is no fresh quote of XRP" in text
    assert not Cycle.objects.exists()


def test_what_the_policy_denies_is_told_and_the_reason_kept(login: Login) -> None:
    builders.desk()
    builders.policy()
    status, text = send(login("operator"), **TRIP)
    assert status == 409
    assert "a test of the route" in text
    assert not Cycle.objects.exists()


def test_krw_of_the_desk_is_sent_home_by_hand(login: Login) -> None:
    builders.desk()
    builders.policy()
    builders.capital("upbit", "KRW", 9_000_000)
    given = TRIP | {"kind": "RETURN_ONLY", "notional": "7000000", "reason": "the week is over"}
    status, _text = send(login("operator"), **given)
    assert status == 302
    opened = Cycle.objects.get()
    assert opened.kind == "RETURN_ONLY"
    assert Account.objects.get(owner="DESK", asset="KRW").balance == Decimal(2_000_000)
    assert Intervention.objects.get().reason == "the week is over"


def test_the_form_asks_for_the_korean_venue_where_there_are_several(
    login: Login, settings: Any
) -> None:
    builders.desk()
    builders.policy()
    client = login("operator")
    assert 'name="korea_venue"' not in client.get(reverse("admin:desk_open")).content.decode()
    settings.KIMP_KOREA_VENUES = ["upbit", "bithumb"]
    assert 'name="korea_venue"' in client.get(reverse("admin:desk_open")).content.decode()
    builders.capital("bithumb", "KRW", 9_000_000)
    given = TRIP | {"kind": "RETURN_ONLY", "notional": "7000000"}
    assert send(client, **given)[0] == 400
    assert send(client, **given, korea_venue="bithumb")[0] == 302
    assert Cycle.objects.get().korea_venue == "bithumb"


def test_a_halted_desk_opens_nothing(login: Login) -> None:
    builders.desk(Mode.HALT)
    builders.policy()
    builders.capital("upbit", "KRW", 9_000_000)
    given = TRIP | {"kind": "RETURN_ONLY", "notional": "7000000"}
    status, text = send(login("operator"), **given)
    assert status == 409
    assert "halted" in text
    assert not Cycle.objects.exists()


def test_a_viewer_may_not_open(login: Login) -> None:
    builders.policy()
    assert send(login("viewer"), **TRIP)[0] == 403
