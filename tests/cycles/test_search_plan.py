"""How a cycle is searched for: each of its names by an index, never through all calls or cycles."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cycles import selectors
from cycles.models import Cycle
from tests import builders
from tests.benchmarks import copying

pytestmark = pytest.mark.django_db
NAMES = ("V-77", "abcdef0123", "CYC-", "0192f0c1-7b1e-7000-8000-0123456789ab", "kaaaa")


def _plans(search: str) -> list[str]:
    """Explain each statement of a search, sequential scans aside (the tables are small)."""
    with CaptureQueriesContext(connection) as made:
        list(selectors.cycles(search=search)[:50])
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        return [_explained(cursor, one["sql"]) for one in made.captured_queries]


def _explained(cursor: Any, statement: str) -> str:
    cursor.execute(f"EXPLAIN {statement}")
    return "\n".join(line for (line,) in cursor.fetchall())


@pytest.fixture
def many_calls() -> None:
    """Give enough calls, and statistics of them, that going from end to end of any index costs more than looking."""
    call = builders.order_call(builders.cycle())
    changed = copying.OWN_ID | {
        "client_order_id": "'c' || g",
        "venue_order_id": "'v' || g",
        "report": "jsonb_build_object('txid', 't' || g)",
        "attempt": "g + 1",
    }
    copying.copy("cycles_exchangecall", 2000, changed, where=f"t.id = {call.pk}")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE cycles_exchangecall")


@pytest.mark.usefixtures("many_calls")
@pytest.mark.parametrize("text", NAMES)
def test_no_part_of_a_search_reads_a_whole_table(text: str) -> None:
    names, listed = _plans(text)
    for index in ("call_by_venue_id", "call_by_txid", "client_order_id"):
        assert index in names, names
    for plan in (names, listed):
        assert not re.search(r"Seq Scan on cycles_(cycle|exchangecall)", plan), plan
    scans = re.findall(r"Index(?: Only)? Scan using |Bitmap Index Scan on ", names)
    assert names.count("Index Cond") == len(scans), names  # and no index from end to end


def test_calls_that_are_not_answered_yet_have_no_entry() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexrelid::regclass::text, pg_get_expr(indpred, indrelid) FROM pg_index "
            "WHERE indexrelid::regclass::text IN ('call_by_venue_id', 'call_by_txid')"
        )
        predicates = dict(cursor.fetchall())
    assert "NOT ((venue_order_id)::text = ''" in predicates["call_by_venue_id"]
    assert "IS NOT NULL" in predicates["call_by_txid"]


def test_how_a_code_begins_finds_its_cycle_with_its_prefix_or_without() -> None:
    row = builders.cycle()
    for text in (row.code[:12], row.code[4:12], row.code.lower()[:12]):
        assert row in selectors.cycles(search=text)


@pytest.mark.parametrize("text", ["%", "_", "CYC-%", "' OR 1=1", "\\", "x" * 200])
def test_what_is_no_name_finds_nothing(text: str) -> None:
    builders.order_call(builders.cycle())
    assert list(selectors.cycles(search=text)) == []


def test_nothing_to_search_for_leaves_the_list_whole() -> None:
    builders.order_call(builders.cycle())
    assert len(selectors.cycles(search="  ")) == Cycle.objects.count() == 1
