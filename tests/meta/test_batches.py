"""Every batch names a test that counts statements, and so does every loop that asks: no query for each row unless its test says so.

A batch is found by its means: rows written by one call, rows sent as one parameter, rows taken so many at once; by
`pk__in` alone none is. That the test counts is read off its text, that it counts this batch's own statements is not.
A loop is found by a call that asks the database each time around; `asking_loops.py` says what it cannot see.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.meta.asking_loops import Modules, in_project, parsed
from tests.meta.batch_proofs import COUNTED, FIXED, NAMED
from tests.meta.loop_proofs import EACH, FEW

PROJECT = Path(__file__).resolve().parents[2]
PLACES = ("cycles", "exchanges", "kimp")
WRITES = {"bulk_create", "bulk_update", "executemany"}
SIZES = re.compile(r"BATCH|AT_ONCE|\w+_ROWS")
FIRST_OF_MANY = re.compile(
    r"MOST"
)  # as where a slice ends; elsewhere it is a limit of another kind
ROWS_IN_ONE = re.compile(r"\bunnest\(|jsonb_to_recordset\(|= ANY\(%")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
COUNTS = re.compile(
    r"CaptureQueriesContext|execute_wrapper|assert_(max_)?num_queries|(statements|queries)(_\w+)?\(|metered|\.run\("
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
    for node in parsed(text).body:
        functions = [one for one in ast.walk(node) if isinstance(one, FUNCTIONS)]
        found += [one.name for one in functions if _is_batch(one)]
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and ROWS_IN_ONE.search(ast.unparse(node)):
            found.append(
                ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
            )
    return found


def _is_batch(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(_tells_of_many(node) for node in ast.walk(function))


def _tells_of_many(node: ast.AST) -> bool:
    """Say whether a node is one of the means by which a batch is found."""
    if isinstance(node, ast.Constant):
        return bool(ROWS_IN_ONE.search(str(node.value)))
    if isinstance(node, ast.Slice):
        return bool(node.upper and FIRST_OF_MANY.fullmatch(_name(node.upper)))
    return _name(node) in WRITES or bool(SIZES.fullmatch(_name(node)))


def _name(node: ast.AST) -> str:
    """Give what a name or an attribute is called; empty for any other node."""
    return getattr(node, "id", "") or getattr(node, "attr", "")


def test_each_batch_has_a_test_that_counts_its_statements_or_says_why_rows_make_no_more() -> None:
    assert sorted(batches()) == sorted([*COUNTED, *FIXED]), (
        "a batch that is new goes into batch_proofs.py, beside the test that counts; one that is gone goes"
    )


def test_each_loop_that_asks_has_a_test_that_counts_what_each_takes_or_says_why_they_are_few() -> (
    None
):
    assert in_project(PROJECT, ("cycles", "exchanges")) == sorted([*EACH, *FEW]), (
        "let one statement do for all rows; a loop that must ask goes into loop_proofs.py, with the reason, and beside "
        "the test that counts; one that is gone goes"
    )


@pytest.mark.parametrize("test", sorted({*NAMED, *(test for _, test in EACH.values())}))
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
        "def keep():\n    return rows[:redriving.BATCH]",
        "def keep():\n    return rows[:MOST]",
        "def keep():\n    return span // SLICE_ROWS",
        "async def keep(rows):\n    await Row.objects.bulk_create(rows)",
        "def keep(ids):\n    cursor.execute('SELECT 1 FROM t WHERE id = ANY(%s)', [ids])",
        "keep = 'UPDATE t SET a = 1 WHERE id = ANY(%(ids)s::uuid[])'",
        "keep: str = 'SELECT unnest(%s)'",
        "def keep():\n    cursor.execute('SELECT unnest(%s)')",
        "keep = 'SELECT * FROM jsonb_to_recordset(%s) AS r(id int)'",
    ],
)
def test_a_new_batch_is_found(text: str) -> None:
    assert in_module(text) == ["keep"]


def test_what_is_no_batch_is_not_found() -> None:
    assert in_module("def keep(row):\n    row.save()\nBATCH = 100") == []
    assert in_module("MOST = 9\ndef keep(row):\n    return len(row) > MOST") == []
    assert in_module("def keep(rows):\n    for row in rows:\n        row.save()") == []  # a loop


ONE = "def one(row):\n    row.save()\n"


@pytest.mark.parametrize(
    "text",
    [
        "def keep(rows):\n    for row in rows:\n        row.save()",
        "def keep(rows):\n    for row in rows:\n        Row.objects.filter(pk=row.pk).update(a=1)",
        "def keep(ids):\n    for one in ids:\n        found = Row.objects.get(pk=one)",
        "def keep(ids):\n    for one in ids:\n        Row.objects.create(pk=one)",
        "def keep(ids):\n    rows = of_desk()\n    for one in ids:\n        rows.filter(pk=one).first()",
        "def keep(ids):\n    return [locked(rows_of(one)).get() for one in ids]",
        "def keep(ids):\n    return {one: Row.objects.filter(pk=one).exists() for one in ids}",
        "def keep(rows):\n    return sum(row.calls.count() for row in rows)",
        "def keep(rows):\n    return [row for row in rows if row.calls.exists()]",
        "def keep(ids):\n    return [row for one in ids for row in Row.objects.filter(pk=one)]",
        "def keep(rows):\n    for row in rows[:500]:\n        row.calls.update(a=1)",
        "def keep(rows):\n    for row in rows:\n        row.delete()",
        "def keep(rows):\n    for row in rows:\n        cursor.execute(SQL, [row])",
        "def keep(rows):\n    for row in rows:\n        with transaction.atomic():\n            pass",
        "def keep(rows):\n    while rows.exists():\n        pass",
        "async def keep(rows):\n    async for row in rows:\n        await row.asave()",
        f"{ONE}def keep(rows):\n    for row in rows:\n        one(row)",
        f"{ONE}def keep(rows):\n    list(map(one, rows))",
        "class Store:\n    def one(self):\n        self.a.save()\n    def keep(self, rows):\n        return [self.one() for _ in rows]",
        "from cycles import other\ndef keep(rows):\n    for row in rows:\n        other.one(row)",
        "from cycles.other import one as write\ndef keep(rows):\n    return [write(row) for row in rows]",
    ],
)
def test_a_loop_that_asks_is_found(text: str) -> None:
    assert loops_in(text) == ["cycles/a.py:keep"]


@pytest.mark.parametrize(
    "text",
    [
        "def keep(rows):\n    for row in rows.filter(a=1):\n        print(row)",
        "def keep(rows):\n    return [row.pk for row in Row.objects.all()]",
        "def keep(rows):\n    for row in rows:\n        facts.update(row)\n        known.get(row, 0)",
        "def keep(rows):\n    for row in rows:\n        text.count(row)\n    Row.objects.bulk_create(rows)",
        "def keep(jobs):\n    while job := jobs.get(timeout=1):\n        print(job)",
        f"{ONE}def keep(row):\n    one(row)",
        f"{ONE}def keep(rows):\n    return [two(row) for row in rows]",
    ],
)
def test_a_loop_that_does_not_ask_is_not_found(text: str) -> None:
    assert loops_in(text) == []


def test_what_lies_two_calls_deep_or_is_handed_over_is_not_seen() -> None:
    """As `asking_loops.py` says: tests that count statements hold that."""
    between = f"{ONE}def two(row):\n    one(row)\n"
    assert loops_in(f"{between}def keep(rows):\n    for row in rows:\n        two(row)") == []
    assert loops_in(f"{ONE}def keep(rows):\n    for row in rows:\n        acted(row, one)") == []
    assert loops_in("def keep(rows):\n    return [row.step.kind for row in rows]") == []


def loops_in(text: str) -> list[str]:
    """Name the loops that ask in a module that may call another."""
    return list(Modules({"cycles/a.py": text, "cycles/other.py": ONE}).loops())
