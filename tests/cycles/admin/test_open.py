"""Opening by hand through the admin."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db.models import F
from django.test import Client
from django.urls import reverse

from cycles.domain.words import Mode
from cycles.models import Account, Cycle, IdempotencyRecord, Intervention
from cycles.services import idempotency
from tests import builders
from tests.cycles.services.acts import rated

pytestmark = pytest.mark.django_db
Login = Callable[..., Client]
TRIP = {"kind": "ROUND_TRIP", "asset": "XRP", "notional": "5000", "reason": "a test of the route"}


HOME = TRIP | {"kind": "RETURN_ONLY", "notional": "3000000"}


def send(client: Client, **given: str) -> tuple[int, str]:
    reply = client.post(reverse("admin:desk_open"), {"once": str(uuid4())} | given)
    return reply.status_code, reply.content.decode()


@pytest.fixture
def rich(db: None) -> None:
    """Make a desk that could send home what a test asks for twice."""
    builders.desk()
    builders.policy()
    builders.capital("upbit", "KRW", 9_000_000)
    rated()


def form_of(client: Client) -> dict[str, str]:
    """Give the form of a page that was opened, filled in."""
    key = client.get(reverse("admin:desk_open")).context["form"]["once"].value()
    return HOME | {"once": str(key)}


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
    rated()
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
    rated("bithumb")
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


def test_a_form_sent_twice_opens_once_and_leads_to_the_same_cycle(login: Login, rich: None) -> None:
    client = login("operator")
    form = form_of(client)
    first = client.post(reverse("admin:desk_open"), form)
    again = client.post(reverse("admin:desk_open"), form, follow=True)
    opened = Cycle.objects.get()
    page = reverse("admin:cycles_cycle_change", args=[opened.pk])
    assert first.headers["Location"] == page
    assert again.redirect_chain == [(page, 302)]
    assert "opened its cycle already" in again.content.decode()
    assert Account.objects.get(owner="DESK", asset="KRW").balance == 6_000_000


def test_two_forms_open_two(login: Login, rich: None) -> None:
    client = login("operator")
    for _ in range(2):
        assert client.post(reverse("admin:desk_open"), form_of(client)).status_code == 302
    assert Cycle.objects.count() == 2


def test_a_form_that_was_denied_may_be_sent_again_as_corrected(login: Login, rich: None) -> None:
    client = login("operator")
    form = form_of(client)
    reply = client.post(reverse("admin:desk_open"), form | {"notional": "90000000"})
    assert reply.status_code == 409
    kept = {"once": str(reply.context["form"]["once"].value())}
    assert client.post(reverse("admin:desk_open"), form | kept).status_code == 302
    assert Cycle.objects.count() == 1


def test_a_form_with_a_wrong_field_may_be_sent_again_as_corrected(login: Login, rich: None) -> None:
    client = login("operator")
    form = form_of(client)
    assert client.post(reverse("admin:desk_open"), form | {"notional": "-1"}).status_code == 400
    assert client.post(reverse("admin:desk_open"), form).status_code == 302


def test_a_form_sent_back_with_other_values_asks_once_more(login: Login, rich: None) -> None:
    client = login("operator")
    form = form_of(client)
    client.post(reverse("admin:desk_open"), form)
    reply = client.post(reverse("admin:desk_open"), form | {"notional": "2000000"})
    assert reply.status_code == 409
    assert "was carried out before, with other values" in reply.content.decode()
    assert Cycle.objects.count() == 1
    renewed = {"notional": "2000000", "once": str(reply.context["form"]["once"].value())}
    assert client.post(reverse("admin:desk_open"), form | renewed).status_code == 302


@pytest.mark.parametrize("key", ["", "no-uuid"])
def test_a_form_without_its_key_opens_nothing_and_is_given_one(
    login: Login, rich: None, key: str
) -> None:
    client = login("operator")
    reply = client.post(reverse("admin:desk_open"), HOME | {"once": key})
    assert reply.status_code == 400
    assert "open the page again" in reply.content.decode()
    given = HOME | {"once": str(reply.context["form"]["once"].value())}
    assert client.post(reverse("admin:desk_open"), given).status_code == 302


def test_a_form_whose_first_click_died_says_that_its_end_is_not_known(
    login: Login, rich: None
) -> None:
    client = login("operator")
    form = form_of(client)
    client.post(reverse("admin:desk_open"), form)
    died = F("created_at") - idempotency.LONGEST_ACT - timedelta(seconds=1)
    IdempotencyRecord.objects.update(status=None, created_at=died)
    reply = client.post(reverse("admin:desk_open"), form)
    assert reply.status_code == 409
    assert "how that ended is not known" in reply.content.decode()
    assert Cycle.objects.count() == 1
