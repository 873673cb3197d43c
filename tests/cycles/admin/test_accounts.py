"""People's accounts: an administrator cannot become, or take over, a superuser."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.urls import reverse

from cycles.domain.words import Channel, Mode
from cycles.models import Alert, Cycle, Desk, Intervention, Transition
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


def test_nobody_makes_an_account_seem_older_than_it_is(login: Login) -> None:
    client = login("administrator", name="adam")
    User.objects.filter(username="adam").update(is_superuser=True)
    sock = builders.person("sock")
    assert client.post(page_of(sock), given(sock)).status_code == 302
    assert User.objects.get(pk=sock.pk).date_joined == sock.date_joined


@pytest.mark.parametrize("is_superuser", [False, True])
def test_no_account_is_deleted_and_the_page_says_what_to_do(
    login: Login, *, is_superuser: bool
) -> None:
    client = login("administrator", name="adam")
    User.objects.filter(username="adam").update(is_superuser=is_superuser)
    bob = builders.person("bob")
    delete = reverse("admin:auth_user_delete", args=[bob.pk])
    assert delete not in client.get(page_of(bob)).content.decode()
    assert "An account is never deleted" in client.get(page_of(bob)).content.decode()
    for reply in (client.get(delete), client.post(delete, {"post": "yes"})):
        assert reply.status_code == 403
        assert "Take “active” away from it instead" in reply.content.decode()
    assert User.objects.filter(pk=bob.pk).exists()


@pytest.mark.parametrize("is_superuser", [False, True])
def test_accounts_are_not_deleted_in_bulk(login: Login, *, is_superuser: bool) -> None:
    client = login("administrator", name="adam")
    User.objects.filter(username="adam").update(is_superuser=is_superuser)
    bob = builders.person("bob")
    users = reverse("admin:auth_user_changelist")
    assert "delete_selected" not in client.get(users).content.decode()
    client.post(users, {"action": "delete_selected", "_selected_action": [bob.pk], "post": "yes"})
    assert User.objects.filter(pk=bob.pk).exists()


def test_what_somebody_did_stays_when_the_account_is_closed(login: Login) -> None:
    bobs, adams = login("administrator", name="bob"), login("administrator", name="adam")
    eve, bob = builders.person("eve"), User.objects.get(username="bob")
    bobs.post(page_of(eve), given(eve, first_name="Eve"))
    adams.post(reverse("admin:auth_user_delete", args=[bob.pk]), {"post": "yes"})
    adams.post(page_of(bob), given(bob) | {"is_active": ""})
    assert not User.objects.get(pk=bob.pk).is_active
    assert LogEntry.objects.filter(user_id=bob.pk, object_id=str(eve.pk)).exists()


# -- what is told of accounts

LONG_PASSWORD = {"password1": "a-long-one-indeed", "password2": "a-long-one-indeed"}


def told() -> tuple[str, str, str]:
    """Give the only alert: how urgent, its title, its text."""
    alert = Alert.objects.get()
    return alert.severity, alert.title, alert.body


def test_a_new_account_is_told_with_who_made_it(login: Login) -> None:
    client = login("administrator", name="adam")
    typed = {"username": "sock", "usable_password": "true", **LONG_PASSWORD}
    assert client.post(reverse("admin:auth_user_add"), typed).status_code == 302
    severity, title, body = told()
    assert (severity, title) == ("CRITICAL", "The account sock was made")
    assert "By: adam" in body


def test_rights_that_are_given_are_told(login: Login) -> None:
    client = login("administrator", name="adam")
    sock = builders.person("sock")
    approver = Group.objects.get(name="approver")
    client.post(page_of(sock), given(sock, groups=[approver.pk]))
    severity, title, body = told()
    assert (severity, title) == ("CRITICAL", "The account sock was changed")
    assert "By: adam" in body
    assert "+ group approver" in body


def test_an_account_that_is_opened_again_is_told(login: Login) -> None:
    client = login("administrator", name="adam")
    old = builders.person("old")
    User.objects.filter(pk=old.pk).update(is_active=False)
    client.post(page_of(old), given(old))
    assert told()[0] == "CRITICAL"
    assert "+ is_active" in told()[2]


def test_rights_that_are_taken_away_are_told_less_urgently(login: Login) -> None:
    client = login("administrator", name="adam")
    bob = builders.person("bob", "approver")
    client.post(page_of(bob), given(bob) | {"is_active": ""})
    severity, _, body = told()
    assert severity == "WARNING"
    assert "- group approver" in body
    assert "- is_active" in body


def test_a_change_of_what_gives_no_rights_is_not_told(login: Login) -> None:
    client = login("administrator", name="adam")
    bob = builders.person("bob")
    client.post(page_of(bob), given(bob, first_name="Bob"))
    assert not Alert.objects.exists()


def test_another_name_is_told(login: Login) -> None:
    client = login("administrator", name="adam")
    bob = builders.person("bob")
    client.post(page_of(bob), given(bob, username="alice"))
    assert "renamed from bob" in told()[2]


def test_a_colleagues_password_that_is_set_is_told_and_not_shown(login: Login) -> None:
    client = login("administrator", name="adam")
    bob = builders.person("bob")
    page = reverse("admin:auth_user_password_change", args=[bob.pk])
    assert client.get(page).status_code == 200
    assert client.post(page, {"usable_password": "true", **LONG_PASSWORD}).status_code == 302
    severity, title, body = told()
    bob.refresh_from_db()
    assert (severity, title) == ("CRITICAL", "The account bob was changed")
    assert "By: adam\nanother password" in body
    assert LONG_PASSWORD["password1"] not in body
    assert bob.password not in body


def test_ones_own_password_is_told_less_urgently(login: Login) -> None:
    client = login("operator", name="bob")
    typed = {
        "old_password": builders.PASSWORD,
        "new_password1": LONG_PASSWORD["password1"],
        "new_password2": LONG_PASSWORD["password1"],
    }
    own = reverse("admin:password_change")
    assert client.get(own).status_code == 200
    assert client.post(own, typed | {"old_password": "wrong"}).status_code == 200
    assert not Alert.objects.exists()
    assert client.post(own, typed).status_code == 302
    assert told()[0] == "WARNING"
    assert "By: bob" in told()[2]


def test_what_a_group_may_do_is_told_when_it_changes(login: Login) -> None:
    client = login("administrator", name="adam")
    viewer = Group.objects.get(name="viewer")
    halt = Permission.objects.get(codename="halt_desk")
    page = reverse("admin:auth_group_change", args=[viewer.pk])
    kept = viewer.permissions.values_list("pk", flat=True)
    client.post(page, {"name": "viewer", "permissions": [*kept, halt.pk]})
    severity, title, body = told()
    assert (severity, title) == ("CRITICAL", "The group viewer was changed")
    assert "By: adam\n+ cycles.halt_desk" in body


def test_a_group_that_is_deleted_is_told(login: Login) -> None:
    client = login("administrator", name="adam")
    one, two = Group.objects.create(name="night"), Group.objects.create(name="day")
    client.post(reverse("admin:auth_group_delete", args=[one.pk]), {"post": "yes"})
    chosen = {"action": "delete_selected", "_selected_action": [two.pk], "post": "yes"}
    client.post(reverse("admin:auth_group_changelist"), chosen)
    titles = list(Alert.objects.order_by("id").values_list("title", flat=True))
    assert titles == ["The group night was deleted", "The group day was deleted"]


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
