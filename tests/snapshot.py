"""A desk's rows, kept by this process and laid down again in milliseconds.

The rows were written through the product's own doors; laid down again, they pass no trigger: a seeded desk's for the
next test, or all rows of a database as a restored dump has them.
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
from tests.tables import filled_tables

# Of the moment, and written by a connection apart.
PASSING: tuple[type[Model], ...] = (RateWindow, VenueClock)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The rows of every table that has any, as COPY writes them."""

    tables: dict[str, bytes]
    highest: dict[str, int]  # what each table's sequence had given by then

    def lay_down(self, *, turns_back: bool = False) -> None:
        """Write them into tables that are empty; `turns_back`: sequences that are further go back."""
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            for table, rows in self.tables.items():
                with cursor.copy(_copy(table, "FROM STDIN")) as copy:
                    copy.write(rows)
            cursor.execute("SET LOCAL session_replication_role = origin")
            cursor.execute(
                "SELECT setval(name, highest) FROM unnest(%s::text[], %s::bigint[]) AS s(name, highest) "
                "WHERE %s OR highest > coalesce(pg_sequence_last_value(name::regclass), 0)",
                [list(self.highest), list(self.highest.values()), turns_back],
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
    tables = {table: rows for table, rows in _copied(sources).items() if rows}
    return Snapshot(tables=tables, highest=_sequences(list(tables)))


def take_all() -> Snapshot:
    """Read every row that `empty_tables` deletes, and every sequence."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        tables = _copied({table: table for table in filled_tables()})
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT quote_ident(sequencename), last_value FROM pg_sequences "
                "WHERE schemaname = 'public' AND last_value IS NOT NULL"
            )
            return Snapshot(tables=tables, highest=dict(cursor.fetchall()))


def _copied(sources: dict[str, str]) -> dict[str, bytes]:
    """Give what tables hold, each from the source of its rows."""
    found = {}
    with connection.cursor() as cursor:
        for table, source in sources.items():
            with cursor.copy(f"COPY {source} TO STDOUT") as copy:
                found[table] = b"".join(bytes(block) for block in copy)
    return found


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
