"""A list is narrowed by its filters alone: by any other field it would tell what it hides."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from cycles.admin.read_only import ReadOnlyAdmin
from exchanges.models import RateWindow
from tests import builders
from tests.cycles.admin.conftest import Login

pytestmark = pytest.mark.django_db
ADDRESSES = "exchanges_registeredaddress"
TOKENS = "cycles_apitoken"
OURS = [model for model, one in admin.site._registry.items() if isinstance(one, ReadOnlyAdmin)]


def status(client: Client, table: str, query: str) -> int:
    return client.get(reverse(f"admin:{table}_changelist") + query).status_code


@pytest.mark.parametrize(
    ("table", "field"),
    [
        (ADDRESSES, "address"),
        (ADDRESSES, "memo"),
        (ADDRESSES, "confirmations__user__password"),
        ("cycles_addressconfirmation", "address__address"),
        ("cycles_addressconfirmation", "address__memo"),
        ("cycles_addressconfirmation", "user__password"),
        ("cycles_seenwithdrawal", "address_hash"),
        (TOKENS, "digest"),
        (TOKENS, "user__password"),
        ("auth_user", "password"),
    ],
)
def test_no_list_answers_by_what_it_hides(login: Login, table: str, field: str) -> None:
    builders.proposed_address(address="rTestAddressOfOurs", memo="100200300")
    client = login("viewer", "administrator")
    asked = ("", "__exact", "__startswith", "__gt", "__regex", "__isnull")
    assert {status(client, table, f"?{field}{one}=r") for one in asked} == {400}


def test_a_filter_is_not_asked_for_the_beginning_of_a_value(login: Login) -> None:
    client = login("viewer")
    assert status(client, ADDRESSES, "?state__exact=PROPOSED") == 200
    assert status(client, ADDRESSES, "?state__startswith=P") == 400


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.model_name)
def test_every_choice_of_every_filter_is_answered(login: Login, model: type[Model]) -> None:
    client = login("administrator", "viewer")
    User.objects.filter(username="alice").update(is_superuser=True)
    builders.desk()
    builders.order_call(builders.cycle())
    builders.proposed_address()
    RateWindow.objects.all().delete()  # other tests' calls leave theirs
    RateWindow.objects.create(
        venue="binance", name="1m", scope="ip", span_ms=60_000, most=6_000, used=[1]
    )
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    page = client.get(url).content.decode()
    offered = re.findall(r'<a href="(\?[^"]+)"', page)
    for query in offered:
        assert client.get(url + query.replace("&amp;", "&")).status_code == 200, query


def test_the_desks_own_links_are_answered(login: Login) -> None:
    builders.desk()
    builders.order_call(builders.cycle())
    builders.sample()
    client = login("viewer")
    page = client.get(reverse("admin:index")).content.decode()
    links = set(re.findall(r'href="(/admin/[^"]+\?[^"]+)"', page))
    assert len(links) >= 5
    assert {client.get(one).status_code for one in links} == {200}
