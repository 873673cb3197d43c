"""Pages of tables that stay for ever: read as far as they are shown, their filters' choices known beforehand."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from cycles.admin.fixed_filters import EVENTS
from cycles.admin.read_only import ReadOnlyAdmin
from cycles.models import Transition
from tests import builders
from tests.kimp.processes import PROJECT

pytestmark = pytest.mark.django_db
Login = Callable[..., Client]

BIG = (
    "cycles_account",
    "cycles_addressconfirmation",
    "cycles_alert",
    "cycles_cycle",
    "cycles_depositverification",
    "cycles_exchangecall",
    "cycles_fill",
    "cycles_intervention",
    "cycles_posting",
    "cycles_premiumhour",
    "cycles_premiumminute",
    "cycles_premiumsample",
    "cycles_retry",
    "cycles_seendeposit",
    "cycles_seenorder",
    "cycles_seenwithdrawal",
    "cycles_step",
    "cycles_transition",
    "exchanges_rulechange",
)
WHOLE = re.compile(r"DISTINCT|COUNT\(|MIN\(|MAX\(")
OF_THE_QUEUE = (
    """WHERE "cycles_cycle"."status" = 'DEAD_LETTER'"""  # in the heading, by its own index
)
NAMED = re.compile(r'\bevent="(\w+)"|\bEVENT = "(\w+)"|_RECOVERED = "(\w+)"')


@pytest.fixture
def written(db: None) -> None:
    builders.desk()
    row = builders.dead_letter()
    builders.order_call(row, venue_order_id="V-1")


@pytest.mark.parametrize("table", BIG)
@pytest.mark.parametrize("query", ["", "_facets=True"], ids=["plain", "with counts asked for"])
def test_a_page_asks_for_no_whole_table(
    table: str, query: str, written: None, login: Login
) -> None:
    client = login("administrator")
    with CaptureQueriesContext(connection) as made:
        reply = client.get(reverse(f"admin:{table}_changelist") + f"?{query}")
    assert reply.status_code == 200
    of_table = [
        q["sql"]
        for q in made.captured_queries
        if f'FROM "{table}"' in q["sql"] and not q["sql"].endswith(OF_THE_QUEUE)
    ]
    assert of_table
    assert [sql for sql in of_table if WHOLE.search(sql)] == []


def test_every_table_that_stays_for_ever_is_among_them() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE tgname IN ('append_only', 'no_delete')"
        )
        for_ever = {name for (name,) in cursor.fetchall()}
    shown = {model._meta.db_table for model in admin.site._registry}
    small = {"cycles_policyversion", "exchanges_assetidentity", "exchanges_registeredaddress"}
    assert (for_ever & shown) - small <= set(BIG)


@pytest.mark.parametrize(
    ("table", "query", "expected"),
    [
        ("cycles_exchangecall", "venue=upbit", 0),
        ("cycles_exchangecall", "venue=binance", 1),
        ("cycles_transition", "event=unwound", 0),
        ("cycles_step", "venue=binance", 2),
        ("cycles_cycle", "outbound_asset=XRP", 1),
        ("cycles_cycle", "outbound_asset=SOL", 0),
    ],
)
def test_a_filter_narrows_the_list(
    table: str, query: str, expected: int, written: None, login: Login
) -> None:
    reply = login("viewer").get(reverse(f"admin:{table}_changelist") + f"?{query}")
    assert reply.context["cl"].result_count == expected


def test_a_filter_offers_the_venues_the_desk_may_know(written: None, login: Login) -> None:
    text = login("viewer").get(reverse("admin:cycles_fill_changelist")).content.decode()
    for value in ("venue=upbit", "venue=bithumb", "venue=binance", "side=buy", "side=sell"):
        assert f"?{value}" in text


def test_every_event_that_services_write_can_be_chosen() -> None:
    folder: Path = PROJECT / "cycles" / "services"
    texts = [path.read_text("utf-8") for path in folder.rglob("*.py")]
    told = {next(filter(None, found)) for text in texts for found in NAMED.findall(text)}
    assert len(told) >= 9
    assert told <= set(EVENTS)
    assert len(set(EVENTS)) == len(EVENTS)
    longest = Transition._meta.get_field("event").max_length
    assert max(map(len, EVENTS)) <= (longest or 0)


def test_all_our_tables_share_the_cheap_paginator() -> None:
    ours = [one for one in admin.site._registry.values() if isinstance(one, ReadOnlyAdmin)]
    assert len(ours) > 20
    assert {one.paginator.__name__ for one in ours} == {"FirstPages"}
