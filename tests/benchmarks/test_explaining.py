"""How pages are counted: nobody else changes what is counted meanwhile, and all is as before afterwards."""

from __future__ import annotations

import pytest
from django.db import connection

from tests.benchmarks.explaining import unvacuumed


def kept_off() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE 'autovacuum_enabled=off' = ANY(reloptions)"
        )
        return {name for (name,) in cursor.fetchall()}


@pytest.mark.django_db(transaction=True)
def test_autovacuum_is_kept_off_our_tables_for_a_block() -> None:
    assert kept_off() == set()
    with unvacuumed():
        assert {"cycles_cycle", "cycles_exchangecall", "cycles_entry"} <= kept_off()
    assert kept_off() == set()
