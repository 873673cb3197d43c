"""People's accounts: an administrator cannot become, or take over, a superuser."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

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
