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


def take_out(
    monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any], guard: str, instead: str = ""
) -> None:
    """Let a function run without a guard of its text, for whoever has imported it."""
    text = _without(textwrap.dedent(inspect.getsource(function)), guard, instead)
    found: dict[str, Any] = {}
    exec(f"from __future__ import annotations\n{text}", function.__globals__, found)
    monkeypatch.setattr(function, "__code__", found[function.__name__].__code__)


@contextmanager
def database_without(function: str, guard: str, instead: str = "") -> Iterator[None]:
    """Let a function of the database run without a guard of its text, for a block."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_functiondef(%s::regproc)", [function])
        (whole,) = cursor.fetchone()
        cursor.execute(_without(whole, guard, instead))
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(whole)


def _without(text: str, guard: str, instead: str) -> str:
    assert text.count(guard) == 1, (
        "the guard stands elsewhere by now: the control would prove nothing"
    )
    return text.replace(guard, instead)
