"""Samples, minutes and hours in the admin: found by their series, never read as a whole."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from cycles.admin.read_only import FirstPages
from cycles.models import PremiumSample
from cycles.services import rolling_up
from tests import builders

pytestmark = pytest.mark.django_db
Login = Callable[..., Client]
TABLES = ("premiumsample", "premiumminute", "premiumhour")


@pytest.fixture
def written(db: None) -> None:
    for asset, bps in (("XRP", 20), ("XRP", 41), ("SOL", 7)):
        builders.sample(asset, outbound_traded_bps=Decimal(bps))
    rolling_up.roll_up()


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_narrowed_to_a_series_and_read_as_far_as_it_is_shown(
    table: str, written: None, login: Login
) -> None:
    client = login("viewer")
    with CaptureQueriesContext(connection) as made:
        reply = client.get(reverse(f"admin:cycles_{table}_changelist"), {"asset": "SOL"})
    text = reply.content.decode()
    assert reply.status_code == 200
    assert 'class="field-asset nowrap">SOL' in text or ">SOL</td>" in text
    assert ">XRP</td>" not in text
    assert "?asset=XRP" in text
    of_table = [q["sql"] for q in made.captured_queries if f'FROM "cycles_{table}"' in q["sql"]]
    assert of_table
    assert not [sql for sql in of_table if re.search("DISTINCT|COUNT", sql)]


def test_an_hour_shows_the_mean_of_its_samples(written: None, login: Login) -> None:
    where = {"asset": "XRP", "measure": "outbound_traded_bps"}
    reply = login("viewer").get(reverse("admin:cycles_premiumhour_changelist"), where)
    assert "30.5" in reply.content.decode()


def test_pages_are_counted_no_further_than_anybody_turns_them() -> None:
    for _ in range(5):
        builders.sample()

    class Few(FirstPages):
        most = 3

    assert Few(PremiumSample.objects.order_by("id"), 2).num_pages == 2


@pytest.mark.parametrize(("asked", "shown"), [("", 6), ("720", 720), ("7", 6), ("x", 6)])
def test_the_chart_reaches_back_as_far_as_is_asked_of_what_is_offered(
    asked: str, shown: int, login: Login
) -> None:
    builders.desk()
    for hours in (0, 700):
        builders.sample(at=timezone.now() - timedelta(hours=hours))
    rolling_up.roll_up()
    PremiumSample.objects.filter(at__lt=timezone.now() - timedelta(hours=2)).delete()
    reply = login("viewer").get(reverse("admin:index"), {"hours": asked} if asked else {})
    assert reply.context["chart_hours"] == shown
    (curve,) = reply.context["chart"].curves
    assert curve.path.count("M") == (2 if shown == 720 else 1)
