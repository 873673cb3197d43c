"""What stays for ever is not emptied at a stroke: TRUNCATE passes the triggers of rows, and meets one of its own."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from cycles.models import Desk
from tests import builders
from tests.cycles.models.refusing import refused

pytestmark = pytest.mark.django_db

FOR_EVER = (
    "cycles_account",
    "cycles_addressconfirmation",
    "cycles_cycle",
    "cycles_desk",
    "cycles_entry",
    "cycles_exchangecall",
    "cycles_fill",
    "cycles_intervention",
    "cycles_legal_transition",
    "cycles_policyversion",
    "cycles_posting",
    "cycles_retry",
    "cycles_transition",
    "exchanges_assetidentity",
    "exchanges_registeredaddress",
    "exchanges_rulechange",
)
# The bits of pg_trigger.tgtype: of rows 1, DELETE 8, TRUNCATE 32.
GUARDED = """
SELECT c.relname,
       bool_or(t.tgtype & 1 = 1 AND (t.tgtype & 8 = 8 OR p.proname = 'kimp_append_only')),
       bool_or(t.tgtype & 32 = 32)
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
 WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace
 GROUP BY c.relname ORDER BY c.relname
"""


@pytest.mark.parametrize("table", FOR_EVER)
def test_what_stays_for_ever_is_not_truncated(table: str) -> None:
    with refused(f"{table}_never_emptied"), connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {table} CASCADE")


def test_no_table_whose_rows_stay_can_be_emptied() -> None:
    with connection.cursor() as cursor:
        cursor.execute(GUARDED)
        rows = cursor.fetchall()
    assert [table for table, stays, _ in rows if stays] == list(FOR_EVER)
    assert [table for table, stays, is_kept in rows if stays and not is_kept] == []


def test_the_row_that_says_what_a_database_is_outlives_an_attempt_to_begin_anew() -> None:
    builders.desk()
    with refused("cycles_desk_never_emptied"), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("TRUNCATE cycles_desk")
    assert Desk.objects.get().kind == "SIMULATED"


def test_flush_says_in_one_line_why_it_empties_nothing() -> None:
    builders.desk()
    with pytest.raises(CommandError) as caught, transaction.atomic():
        call_command("flush", interactive=False, verbosity=0)
    text = str(caught.value)
    assert "stay for ever" in text
    assert "\n" not in text
    assert Desk.objects.exists()
