"""Which tables of the test database have rows, and how they are emptied between tests."""

from __future__ import annotations

from django.db import connection, transaction

TOLD_BY_MODELS = {"django_content_type", "auth_permission"}


def empty_tables() -> None:
    """Empty all tables, triggers and foreign keys notwithstanding: in the end nothing is left to refer to."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table in filled_tables():
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")


def filled_tables() -> list[str]:
    """Name the tables that have rows, but for those that say which models there are."""
    found = connection.introspection.django_table_names(only_existing=True, include_views=False)
    tables = sorted({*found} - TOLD_BY_MODELS)
    looks = " UNION ALL ".join(
        f"SELECT {number} WHERE EXISTS (SELECT FROM {connection.ops.quote_name(table)})"
        for number, table in enumerate(tables)
    )
    with connection.cursor() as cursor:
        cursor.execute(looks)
        return [tables[number] for (number,) in cursor.fetchall()]
