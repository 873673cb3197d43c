"""Redriving all dead letters of a class from the admin: what the page had shown, by those who may."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from cycles.admin import redrive_page
from cycles.domain.words import FailureClass
from cycles.models import Cycle, Intervention
from cycles.services.moving import Lease
from tests import builders
from tests.cycles.services.test_holding import locked_elsewhere

pytestmark = pytest.mark.django_db
Login = Callable[..., Client]
PAGE = "/admin/dead-letters/redrive/WALLET_CLOSED/"


@pytest.fixture
def closed(db: None) -> list[Cycle]:
    builders.desk()
    return [builders.dead_letter(failure=FailureClass.WALLET_CLOSED) for _ in range(2)]


def shown_in(client: Client) -> dict[str, str]:
    text = client.get(PAGE).content.decode()
    return dict(re.findall(r'name="(seen_\w+)" value="([^"]+)"', text))


def test_the_queue_offers_each_class_that_more_than_one_died_of(
    closed: list[Cycle], login: Login
) -> None:
    builders.dead_letter()
    text = login("operator").get(reverse("admin:dead_letters")).content.decode()
    assert re.findall(r"dead-letters/redrive/(\w+)/", text) == ["WALLET_CLOSED"]
    assert (
        "dead-letters/redrive"
        not in login("viewer", name="vera").get(reverse("admin:dead_letters")).content.decode()
    )


def test_what_was_shown_goes_on_and_nothing_that_died_since(
    closed: list[Cycle], login: Login
) -> None:
    client = login("operator")
    seen = shown_in(client)
    assert seen["seen_count"] == "2"
    later = builders.dead_letter(failure=FailureClass.WALLET_CLOSED)
    assert client.post(PAGE, seen | {"reason": "it is open again"}).status_code == 302
    assert {act.cycle_id for act in Intervention.objects.all()} == {row.pk for row in closed}
    assert {act.channel for act in Intervention.objects.all()} == {"admin"}
    later.refresh_from_db()
    assert later.status == "DEAD_LETTER"


@pytest.mark.django_db(transaction=True)
def test_of_those_that_somebody_holds_it_is_said_that_they_were_left(login: Login) -> None:
    builders.desk()
    held, _ = (builders.dead_letter(failure=FailureClass.WALLET_CLOSED) for _ in range(2))
    client = login("operator")
    seen = shown_in(client) | {"reason": "it is open again"}
    with locked_elsewhere(Lease(cycle_id=held.pk, owner="", fence=0)):
        reply = client.post(PAGE, seen, follow=True)
    (told,) = map(str, reply.context["messages"])
    assert told == (
        "1 of 2 dead letters go on where they stopped; 1 left: acted on since you looked, by you or "
        "somebody else, or in use at that moment. Look again."
    )


def test_one_that_one_has_taken_on_oneself_since_is_not_said_to_be_others(
    closed: list[Cycle], login: Login
) -> None:
    client = login("operator")
    seen = shown_in(client) | {"reason": "it is open again"}
    mine = {"reason": "mine", "seen_version": closed[0].version}
    client.post(reverse("admin:cycles_cycle_acknowledge", args=[closed[0].pk]), mine)
    reply = client.post(PAGE, seen, follow=True)
    told = str(list(reply.context["messages"])[-1])
    assert "1 left: acted on since you looked, by you or somebody else" in told


def test_where_nothing_matches_there_is_nothing_to_do(login: Login) -> None:
    builders.desk()
    client = login("operator")
    text = client.get(PAGE).content.decode()
    assert "Not possible now: no dead letter matches: there is nothing to redrive" in text
    assert 'class="button default" disabled>Do it' in text
    reply = client.post(PAGE, shown_in(client) | {"reason": "it is open again"})
    assert reply.status_code == 409


def test_the_page_leads_back_to_the_dead_letters(closed: list[Cycle], login: Login) -> None:
    text = login("operator").get(PAGE).content.decode()
    queue = reverse("admin:dead_letters")
    assert f'<a href="{queue}">Dead letters</a> › Redrive all' in text
    assert f'<a class="button plain" href="{queue}">Back</a>' in text
    assert "disabled" not in text


def test_what_somebody_was_quicker_with_counts_as_left(closed: list[Cycle], login: Login) -> None:
    client = login("operator")
    seen = shown_in(client) | {"reason": "it is open again"}
    client.post(PAGE, seen)
    reply = client.post(PAGE, seen, follow=True)
    assert "0 of 2 dead letters go on" in str(list(reply.context["messages"])[-1])


def test_when_all_go_on_their_number_is_said(closed: list[Cycle], login: Login) -> None:
    client = login("operator")
    reply = client.post(PAGE, shown_in(client) | {"reason": "it is open again"}, follow=True)
    told = [str(one) for one in reply.context["messages"]]
    assert told == ["2 dead letters go on where they stopped."]


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"reason": ""}, 400),
        ({"seen_at": "soon"}, 400),
        ({"seen_at": "2999-01-01T00:00:00+00:00"}, 400),
        ({"seen_count": "1"}, 409),
    ],
)
def test_without_a_reason_or_for_more_than_were_shown_or_seen_yet_nothing_goes_on(
    changed: dict[str, str], status: int, closed: list[Cycle], login: Login
) -> None:
    client = login("operator")
    given = shown_in(client) | {"reason": "it is open again"} | changed
    assert client.post(PAGE, given).status_code == status
    assert not Intervention.objects.exists()


def test_more_than_a_request_can_do_are_sent_to_the_command(
    closed: list[Cycle], login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redrive_page, "MOST", 1)
    client = login("operator")
    reply = client.post(PAGE, shown_in(client) | {"reason": "it is open again"})
    assert reply.status_code == 409
    assert "--all-matching" in reply.content.decode()


def test_a_viewer_and_a_class_that_does_not_exist_get_no_page(login: Login) -> None:
    builders.desk()
    assert login("viewer").get(PAGE).status_code == 403
    assert login("operator", name="bob").get(PAGE.replace("WALLET", "WINDOW")).status_code == 404
