"""People's accounts: an administrator cannot become, or take over, a superuser."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from cycles.domain.words import Channel, Mode
from cycles.models import Cycle, Desk, Intervention, Transition
from cycles.services import desk as desk_services, identifying, intervening
from cycles.services.intervening import Actor
from tests import builders
from tests.cycles.admin.conftest import Login

pytestmark = pytest.mark.django_db


def page_of(account: User) -> str:
    return reverse("admin:auth_user_change", args=[account.pk])


def given(account: User, **more: object) -> dict[str, object]:
    return {
        "username": account.username,
        "is_active": "on",
        "is_staff": "on",
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00:00",
        **more,
    }


def test_an_administrator_manages_accounts_but_makes_no_superuser(login: Login) -> None:
    client = login("administrator", name="adam")
    adam = User.objects.get(username="adam")
    reply = client.post(page_of(adam), given(adam, first_name="Adam", is_superuser="on"))
    assert reply.status_code == 302, reply.content.decode()[-2000:]
    adam.refresh_from_db()
    assert adam.first_name == "Adam"
    assert not adam.is_superuser


def test_an_administrator_changes_no_superusers_account(login: Login) -> None:
    root = User.objects.create_superuser("root", password="a-long-password")
    client = login("administrator", name="adam")
    assert client.post(page_of(root), given(root, first_name="Mine")).status_code == 403
    password = reverse("admin:auth_user_password_change", args=[root.pk])
    typed = {"password1": "another-long-one", "password2": "another-long-one"}
    assert client.post(password, typed).status_code == 403
    assert User.objects.get(pk=root.pk).check_password("a-long-password")


def test_a_superuser_makes_superusers(login: Login) -> None:
    client = login("administrator", name="adam")
    adam = User.objects.get(username="adam")
    User.objects.filter(pk=adam.pk).update(is_superuser=True)
    other = User.objects.create_user("other", is_staff=True)
    assert client.post(page_of(other), given(other, is_superuser="on")).status_code == 302
    assert User.objects.get(pk=other.pk).is_superuser


# -- names

LONG = "n" * 150  # the longest that Django lets a user have


def long_named(*groups: str) -> Actor:
    return Actor(user=builders.person(LONG, *groups), channel=Channel.ADMIN)


def test_the_longest_name_halts_the_desk(login: Login) -> None:
    builders.desk()
    client = login("operator", name=LONG)
    given = {"mode": "HALT", "reason": "prices look wrong", "seen_version": 1}
    assert client.post(reverse("admin:desk_mode", args=["HALT"]), given).status_code == 302
    desk = Desk.objects.get()
    assert (desk.mode, desk.mode_changed_by) == (Mode.HALT, LONG)
    assert Intervention.objects.get().actor == LONG


def test_the_longest_name_sends_a_dead_letter_on(dead: Cycle) -> None:
    actor = long_named("operator")
    intervening.redrive(dead.pk, actor=actor, reason="again", seen_version=dead.version)
    assert Transition.objects.filter(cycle=dead).latest("id").actor == LONG


def test_the_longest_name_writes_a_policy() -> None:
    builders.desk()
    builders.policy()
    admin = long_named("administrator")
    made = desk_services.set_policy(
        {"max_open_cycles": 7}, actor=admin, reason="more", seen_number=1
    )
    assert made.created_by == LONG


def test_the_longest_name_blocks_an_asset() -> None:
    row = builders.proven("upbit", "XRP", "XRP")
    identifying.block(row, actor=long_named("operator"), reason="fork", seen_version=row.version)
    row.refresh_from_db()
    assert row.decided_by == LONG
