"""Rows by the thousand, made from one by statements: opening each as an operator would takes fifty milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import connection

COPIES = "B-"  # how the codes of copied cycles begin
OWN_ID = {"id": "DEFAULT"}
AT_ONCE = 1000  # cycles: what checks postings reads them as one group


def copy(
    table: str,
    number: int,
    changed: Mapping[str, str],
    *,
    where: str,
    beside: str = "generate_series(1, %s) g",
) -> None:
    """Copy each row of a table `t` that is meant for each row `g` that stands beside it.

    `changed`: expressions for columns that are not copied as they are; DEFAULT leaves one out.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s "
            "AND table_schema = current_schema()",
            [table],
        )
        names = [name for (name,) in cursor.fetchall() if changed.get(name) != "DEFAULT"]
        columns = ", ".join(f'"{name}"' for name in names)
        values = ", ".join(changed.get(name, f't."{name}"') for name in names)
        cursor.execute(
            f"INSERT INTO {table} ({columns}) SELECT {values} FROM {table} t CROSS JOIN {beside} WHERE {where}",
            [number],
        )


def copied_ids(begun: int) -> dict[str, str]:
    """Give expressions for the id and code of copied cycles.

    Ids grow as the product's do (UUIDs of version 7), else filling would be spent on the key's index.
    """
    serial = f"lpad(to_hex(g + {begun}), 12, '0')"
    return {
        "id": f"('00000000-0000-7000-8000-' || {serial})::uuid",
        "code": f"'{COPIES}' || {serial}",
    }


def copy_whole(template: UUID, number: int) -> None:
    """Copy a cycle with its steps, history, first call and books: the desk pays for each copy."""
    for done in range(0, number, AT_ONCE):
        _copy_some(template, min(AT_ONCE, number - done))


def _copy_some(template: UUID, number: int) -> None:
    of = f"t.cycle_id = '{template}'"
    begun = count("cycles_cycle")
    copy("cycles_cycle", number, copied_ids(begun), where=f"t.id = '{template}'")
    copies = (
        f"(SELECT id, code FROM cycles_cycle WHERE code > '{COPIES}{begun:012x}' "
        f"AND code LIKE '{COPIES}%%' ORDER BY id LIMIT %s) n"
    )
    of_a_copy = OWN_ID | {"cycle_id": "n.id"}

    def of_each(table: str, **changed: str) -> None:
        copy(table, number, of_a_copy | changed, where=of, beside=copies)

    of_each("cycles_step")
    of_each("cycles_transition")
    calls = of_a_copy | {"step_id": "s.id", "client_order_id": "lower(n.code)"}
    first = f"{copies} JOIN cycles_step s ON s.cycle_id = n.id AND s.position = 0"
    copy("cycles_exchangecall", number, calls, where=of, beside=first)
    fills = of_a_copy | {"call_id": "c.id"}
    called = f"{copies} JOIN cycles_exchangecall c ON c.cycle_id = n.id"
    copy("cycles_fill", number, fills, where=of, beside=called)
    of_each("cycles_account", balance="0")
    of_each("cycles_posting", key="t.key || n.code")
    copy(
        "cycles_entry",
        number,
        OWN_ID | {"posting_id": "p.id", "account_id": "coalesce(b.id, a.id)"},
        where="q.id = t.posting_id",
        beside=f"""{copies} JOIN cycles_posting q ON q.cycle_id = '{template}'
            JOIN cycles_posting p ON p.key = q.key || n.code JOIN cycles_account a ON a.id = t.account_id
            LEFT JOIN cycles_account b ON a.cycle_id IS NOT NULL
             AND (b.cycle_id, b.venue, b.asset, b.owner) = (n.id, a.venue, a.asset, a.owner)""",
    )


def count(table: str) -> int:
    """Count a table's rows."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        row: Any = cursor.fetchone()
    return int(row[0])
