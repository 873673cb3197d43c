"""Every batch has a test that counts its statements: none asks the database for each row unless its test says so.

A batch is found by its means: rows written by one call, rows sent as one parameter, rows taken so many at once.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.meta.batch_proofs import COUNTED, FIXED

PROJECT = Path(__file__).resolve().parents[2]
PLACES = ("cycles", "exchanges", "kimp")
WRITES = {"bulk_create", "bulk_update", "executemany"}
SIZES = re.compile(r"BATCH|AT_ONCE")
ROWS_IN_ONE = re.compile(r"\bunnest\(|jsonb_to_recordset\(")
COUNTS = re.compile(
    r"CaptureQueriesContext|execute_wrapper|assert_(max_)?num_queries|statements\w*\(|metered|\.run\("
)


def batches() -> Iterator[str]:
    """Name each batch by its file and function, or by the file of its SQL."""
    for place in PLACES:
        for path in sorted((PROJECT / place).rglob("*")):
            name = path.relative_to(PROJECT).as_posix()
            if "/migrations/" in name:
                continue
            if path.suffix == ".sql" and ROWS_IN_ONE.search(path.read_text("utf-8")):
                yield name
            elif path.suffix == ".py":
                yield from (f"{name}:{one}" for one in in_module(path.read_text("utf-8")))


def in_module(text: str) -> list[str]:
    """Name the functions, and the texts of SQL outside of them, that are batches."""
    found = []
    for node in ast.parse(text).body:
        functions = [one for one in ast.walk(node) if isinstance(one, ast.FunctionDef)]
        found += [one.name for one in functions if _is_batch(one)]
        if isinstance(node, ast.Assign) and ROWS_IN_ONE.search(ast.unparse(node)):
            found.append(ast.unparse(node.targets[0]))
    return found


def _is_batch(function: ast.FunctionDef) -> bool:
    return any(
        (isinstance(node, ast.Attribute) and node.attr in WRITES)
        or (isinstance(node, ast.Name) and SIZES.fullmatch(node.id))
        or (isinstance(node, ast.Constant) and ROWS_IN_ONE.search(str(node.value)))
        for node in ast.walk(function)
    )


def test_each_batch_has_a_test_that_counts_its_statements_or_says_why_rows_make_no_more() -> None:
    assert sorted(batches()) == sorted([*COUNTED, *FIXED]), (
        "a batch that is new goes into batch_proofs.py, beside the test that counts; one that is gone goes"
    )


@pytest.mark.parametrize("test", sorted(set(COUNTED.values())))
def test_who_is_said_to_count_counts(test: str) -> None:
    file, _, name = test.partition(":")
    text = (PROJECT / file).read_text("utf-8")
    tests = [
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef) and node.name == name
    ]
    assert tests, f"there is no {test}"
    assert COUNTS.search(ast.unparse(tests[0])), f"{test} counts nothing"


@pytest.mark.parametrize(
    "text",
    [
        "def keep(rows):\n    Row.objects.bulk_create(rows)",
        "def keep(rows):\n    cursor.executemany(SQL, rows)",
        "class Store:\n    def keep(self, rows):\n        self.rows.bulk_update(rows, ['a'])",
        "def keep():\n    return rows[:BATCH]",
        "def keep():\n    cursor.execute('SELECT unnest(%s)')",
        "keep = 'SELECT * FROM jsonb_to_recordset(%s) AS r(id int)'",
    ],
)
def test_a_new_batch_is_found(text: str) -> None:
    assert in_module(text) == ["keep"]


def test_what_is_no_batch_is_not_found() -> None:
    assert in_module("def keep(row):\n    row.save()\nBATCH = 100") == []
