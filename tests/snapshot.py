"""A seeded desk's rows, kept by this process and laid down again in milliseconds for its next test.

The rows were written once through the product's own doors; laid down again, they pass no trigger.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Model
from psycopg import sql

from cycles.services.addressing import STAND_INS
from exchanges.models import RateWindow, VenueClock

# Of the moment, and written by a connection apart.
PASSING: tuple[type[Model], ...] = (RateWindow, VenueClock)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The rows of every table that has any, as COPY writes them."""

    tables: dict[str, bytes]
    highest: dict[str, int]  # what each table's sequence had given by then

    def lay_down(self) -> None:
        """Write them into tables that are empty."""
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            for table, rows in self.tables.items():
                with cursor.copy(_copy(table, "FROM STDIN")) as copy:
                    copy.write(rows)
            cursor.execute("SET LOCAL session_replication_role = origin")
            cursor.execute(
                "SELECT setval(name, highest) FROM unnest(%s::text[], %s::bigint[]) AS s(name, highest) "
                "WHERE highest > coalesce(pg_sequence_last_value(name::regclass), 0)",
                [list(self.highest), list(self.highest.values())],
            )


def take() -> Snapshot | None:
    """Read what the seeding has written; None where this database's user may not lay it down again."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('is_superuser') = 'on'")
        if not cursor.fetchone()[0]:
            return None
        names = "', '".join(STAND_INS)
        people = f"(SELECT * FROM {User._meta.db_table} WHERE username IN ('{names}'))"
        sources = {User._meta.db_table: people}
        for model in (
            *apps.get_app_config("exchanges").get_models(),
            *apps.get_app_config("cycles").get_models(),
        ):
            if model not in PASSING:
                sources[model._meta.db_table] = model._meta.db_table
        found = {}
        for table, source in sources.items():
            with cursor.copy(f"COPY {source} TO STDOUT") as copy:
                found[table] = b"".join(bytes(block) for block in copy)
    tables = {table: rows for table, rows in found.items() if rows}
    return Snapshot(tables=tables, highest=_sequences(list(tables)))


def _sequences(tables: list[str]) -> dict[str, int]:
    """Give the sequences of these tables, and how far they are: some tests set them back."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, pg_sequence_last_value(name::regclass) FROM ("
            "SELECT pg_get_serial_sequence(t, 'id') AS name FROM unnest(%s::text[]) AS t "
            "WHERE EXISTS (SELECT FROM pg_attribute WHERE attrelid = t::regclass AND attname = 'id')"
            ") AS s WHERE name IS NOT NULL",
            [tables],
        )
        return {name: last for name, last in cursor.fetchall() if last is not None}


def _copy(table: str, direction: str) -> sql.Composed:
    return sql.SQL("COPY {} " + direction).format(sql.Identifier(table))
