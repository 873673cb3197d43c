"""The statements of every step, and of a batch of a bulk redrive, keep their plans, go by indexes however small the tables were, and name what is read."""

from __future__ import annotations

import pytest
from django.db import connection

from cycles.models import Cycle, Step

pytestmark = pytest.mark.django_db

EVERY_STEP = (
    "kimp_standing_v3",
    "kimp_intend_v1",
    "kimp_settle_v2",
    "kimp_release_v1",
    "kimp_posting_balances",
)


@pytest.mark.parametrize("name", [*EVERY_STEP, "kimp_redrive_v1"])
def test_a_function_of_every_step_or_batch_keeps_its_plan_and_reads_no_table_whole(
    name: str,
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT proconfig FROM pg_proc WHERE proname = %s", [name])
        ((settings,),) = cursor.fetchall()
    assert {"plan_cache_mode=force_generic_plan", "enable_seqscan=off"} <= set(settings)


@pytest.mark.parametrize(
    "name", ["kimp_intend_v1", "kimp_settle_v2", "kimp_posting_balances", "kimp_redrive_v1"]
)
def test_a_function_that_joins_what_it_was_given_looks_rows_up_one_by_one(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT proconfig FROM pg_proc WHERE proname = %s", [name])
        ((settings,),) = cursor.fetchall()
    assert {"enable_hashjoin=off", "enable_mergejoin=off"} <= set(settings)


def test_where_a_cycle_stands_is_read_as_of_now_even_within_the_statement_that_writes_it() -> None:
    """A function that is not volatile would see what stood when the claim began, before it had the row's lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT provolatile FROM pg_proc WHERE proname = 'kimp_standing_v3'")
        assert cursor.fetchall() == [("v",)]


def test_where_a_cycle_stands_is_told_by_every_column_of_the_models_and_no_other() -> None:
    expected = {"is_loose", "held", "p_created_at"}
    for letter, model in (("c", Cycle), ("s", Step)):
        expected |= {f"{letter}_{field.column}" for field in model._meta.concrete_fields}
    with connection.cursor() as cursor:
        cursor.execute("SELECT proargnames[2:] FROM pg_proc WHERE proname = 'kimp_standing_v3'")
        ((told,),) = cursor.fetchall()
    assert set(told) == expected
