"""The claims' queries are served by their partial indexes, also under generic plans."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cycles.domain.words import Role
from cycles.services import dead_letters, leasing, opening
from tests import builders

pytestmark = pytest.mark.django_db


def plans(sql: str) -> str:
    """Explain a statement under a generic plan, sequential scans aside (the tables are small)."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute("EXPLAIN (FORMAT JSON) " + sql)
        found: Any = cursor.fetchone()
    return json.dumps(found[0])


def claims(role: Role) -> list[str]:
    """Give the SELECTs of a claim that finds nothing due."""
    with CaptureQueriesContext(
        connection,
    ) as seen:
        leasing.claim(role, "tester", limit=5)
    return [q["sql"] for q in seen.captured_queries if "FOR NO KEY UPDATE" in q["sql"]]


@pytest.mark.parametrize(
    ("role", "index"),
    [(Role.INITIATOR, "cycle_due_outbound"), (Role.FINALIZER, "cycle_due_return")],
)
def test_a_claim_walks_its_partial_index(role: Role, index: str) -> None:
    builders.cycle()
    found = claims(role)[:1]
    assert found
    for sql in found:
        assert index in plans(sql)


@pytest.mark.parametrize("role", [Role.INITIATOR, Role.FINALIZER])
def test_a_claim_names_statuses_as_literals_so_that_a_generic_plan_keeps_the_index(
    role: Role,
) -> None:
    for sql in claims(role):
        assert "'STARTED'" in sql
        assert not re.search(r"\$\d|%s", sql)


def test_the_dead_letter_queue_is_read_by_its_index() -> None:
    with CaptureQueriesContext(connection) as seen:
        dead_letters.process_dead_letters()
    assert "'DEAD_LETTER'" in seen.captured_queries[0]["sql"]
    assert "cycle_dead_letters" in plans(
        "SELECT id FROM cycles_cycle WHERE status = 'DEAD_LETTER' "
        "ORDER BY money_at_risk_krw DESC, status_since"
    )


def test_what_today_earned_is_read_by_the_index_of_ended_cycles() -> None:
    with CaptureQueriesContext(connection) as seen:
        opening.exposure()
    summed = [q["sql"] for q in seen.captured_queries if "ended_at" in q["sql"]]
    assert "cycle_ended" in plans(summed[0])
