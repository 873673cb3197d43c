"""The statements that every step sends keep their plans, and go by indexes however small the tables were then."""

from __future__ import annotations

import pytest
from django.db import connection

pytestmark = pytest.mark.django_db

EVERY_STEP = ("kimp_standing_v1", "kimp_intend_v1", "kimp_settle_v1", "kimp_release_v1")


@pytest.mark.parametrize("name", EVERY_STEP)
def test_a_function_of_every_step_keeps_its_plan_and_reads_no_table_whole(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT proconfig FROM pg_proc WHERE proname = %s", [name])
        ((settings,),) = cursor.fetchall()
    assert {"plan_cache_mode=force_generic_plan", "enable_seqscan=off"} <= set(settings)
