"""The product's own code and statements with one guard taken out: what happens then is what the guard is for.

A control that wrote the unguarded way once more would prove something of itself, and nothing of the product.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from tests.tables import empty_tables


def take_out(
    monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any], guard: str, instead: str = ""
) -> None:
    """Let a function run without a guard of its text, for whoever has imported it."""
    text = without(textwrap.dedent(inspect.getsource(function)), guard, instead)
    found: dict[str, Any] = {}
    exec(f"from __future__ import annotations\n{text}", function.__globals__, found)
    monkeypatch.setattr(function, "__code__", found[function.__name__].__code__)


@contextmanager
def database_without(function: str, guard: str, instead: str = "") -> Iterator[None]:
    """Let a function of the database run without a guard of its text, for a block."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_functiondef(%s::regproc)", [function])
        (whole,) = cursor.fetchone()
        cursor.execute(without(whole, guard, instead))
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(whole)


@contextmanager
def table_without(table: str, constraint: str) -> Iterator[None]:
    """Let a table do without one of its constraints, for a block; nothing is left in it then."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", [constraint]
        )
        (definition,) = cursor.fetchone()
        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
    try:
        yield
    finally:
        empty_tables()
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {definition}")


def without(text: str, guard: str, instead: str = "") -> str:
    """Give a text without a guard that stands in it once."""
    assert text.count(guard) == 1, (
        "the guard stands elsewhere by now: the control would prove nothing"
    )
    return text.replace(guard, instead)
