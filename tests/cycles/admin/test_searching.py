"""The search boxes of tables that stay for ever: each name by an index, and the box says which."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.core.exceptions import EmptyResultSet
from django.db import connection, models
from django.db.models.functions import Now
from django.test import Client, RequestFactory
from django.urls import reverse

from cycles import selectors
from cycles.admin.searching import SearchedAdmin
from cycles.domain.words import CallOutcome
from cycles.models import Fill
from cycles.selectors import rows
from cycles.services.correlating import bound
from exchanges.models import MarketRule
from tests import builders
from tests.cycles.admin.test_big_tables import BIG

pytestmark = pytest.mark.django_db
Login = Callable[..., Client]
# Searched in their own ways, or small beside the journal.
OTHERS = {
    "cycles_cycle",
    "cycles_addressconfirmation",
    "cycles_depositverification",
    "exchanges_rulechange",
}
SEARCHED = [one for one in admin.site._registry.values() if isinstance(one, SearchedAdmin)]


def _plan(searched: SearchedAdmin, text: str) -> str:
    """Explain a search with sequential scans aside (the tables are small)."""
    table: models.QuerySet[Any] = searched.model._default_manager.order_by()
    found, _ = searched.get_search_results(RequestFactory().get("/"), table, text)
    try:
        sql, parameters = found.query.sql_with_params()
    except EmptyResultSet:  # no cycle is named so: nothing is asked
        return ""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {sql}", parameters)
        return "\n".join(line for (line,) in cursor.fetchall())


def test_every_big_table_is_searched_by_names_that_an_index_finds() -> None:
    assert set(BIG) - OTHERS == {one.model._meta.db_table for one in SEARCHED}


@pytest.mark.parametrize("searched", SEARCHED, ids=lambda one: one.model._meta.db_table)
def test_no_search_reads_a_whole_table(searched: SearchedAdmin) -> None:
    _market()
    row = builders.dead_letter()
    call = builders.order_call(row, CallOutcome.UNKNOWN)
    plans = [_plan(searched, text) for text in (call.client_order_id, row.code, str(row.pk))]
    assert any(plans)
    for plan in filter(None, plans):
        assert "Seq Scan" not in plan, plan
        scans = re.findall(r"Index(?: Only)? Scan using |Bitmap Index Scan on ", plan)
        assert plan.count("Index Cond") >= len(scans) > 0, plan


def _market() -> None:
    """Let the desk know the market that its fills are of."""
    MarketRule.objects.create(
        venue="binance", market="XRP/USDT", price_steps=[], quantity_step=1, minimum_notional=1,
        taker_fee_rate=0, buy_fee_in_quote=False, is_open=True, fetched_at=Now(),
    )  # fmt: skip


def _found(client: Client, table: str, text: str) -> int:
    reply = client.get(reverse(f"admin:cycles_{table}_changelist"), {"q": text})
    count: int = reply.context["cl"].result_count
    return count


def test_rows_of_a_cycle_are_found_by_its_uuid_and_by_how_its_code_begins(login: Login) -> None:
    builders.desk()
    row = builders.dead_letter()
    builders.dead_letter()
    client = login("viewer")
    for text in (str(row.pk), row.code, row.code[:10], row.code[4:10].lower()):
        assert _found(client, "transition", text) == 2


def test_where_more_cycles_begin_so_than_are_looked_up_the_newest_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The page begins with their rows."""
    monkeypatch.setattr(rows, "MOST_NAMED", 2)
    made = [builders.cycle(code=f"CYC-A{number}").pk for number in range(4)]
    assert set(selectors.cycles_named("CYC-A")) == set(made[-2:])


@pytest.mark.parametrize("column", ["request_id", "trace_id"])
def test_a_transition_is_found_by_the_id_it_was_written_under(login: Login, column: str) -> None:
    builders.desk()
    client = login("viewer")
    with bound(**{column: "from-outside"}):
        builders.cycle()
    assert _found(client, "transition", "from-outside") == 1
    assert _found(client, "transition", "from") == 0


def test_a_fill_is_found_by_its_venues_id_and_by_our_id_of_its_order(login: Login) -> None:
    builders.desk()
    call = builders.order_call(builders.cycle())
    _market()
    Fill.objects.create(
        cycle=call.cycle, call=call, venue="binance", market="XRP/USDT", side="buy",
        venue_fill_id="F-1", price=1, quantity=1, notional=1, fee_asset="XRP", at=Now(),
    )  # fmt: skip
    client = login("viewer")
    for text, count in (("F-1", 1), (call.client_order_id, 1), ("F-", 0)):
        assert _found(client, "fill", text) == count


@pytest.mark.parametrize(
    ("language", "told"),
    [
        (
            "en",
            "whole: venue fill id, client order id; a cycle&#x27;s UUID, or how its code begins",
        ),
        ("ko", "전체 일치: "),
    ],
)
def test_the_box_says_what_is_matched(login: Login, language: str, told: str) -> None:
    builders.desk()
    headers = {"Accept-Language": language}
    reply = login("viewer").get(reverse("admin:cycles_fill_changelist"), headers=headers)
    assert told in reply.content.decode()
