"""Where the services write rows that decide of a cycle or its money, as their code reads."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

from tests.concurrency.places import called, functions

# Whose rows say where a cycle stands, what it does next, and what it owns.
DECIDING = {"Cycle", "Step", "Account", "Posting", "Entry"}
RELATED = {"steps", "accounts", "postings", "entries"}  # as a cycle or a step names these
FACTS = {"calls"}  # what became of requests: never fenced (`test_outcomes.py`)
WRITES = {
    "update", "create", "get_or_create", "update_or_create", "save", "delete",
    "bulk_create", "bulk_update",
}  # fmt: skip


def writes(function: ast.AST) -> Iterator[ast.Call]:
    """Give each call within a function that writes such rows."""
    names: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        for name, value in _named(node):
            names.setdefault(name, []).append(value)
    for node in ast.walk(function):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr in WRITES and _is_deciding(node.func.value, names):
            yield node


def _named(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Give the names that a node binds, with what each comes from: assigned, gone through, annotated."""
    targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
    value = getattr(node, "value", None) or getattr(node, "iter", None)
    if isinstance(node, ast.withitem):
        targets, value = [node.optional_vars], node.context_expr
    if isinstance(node, ast.arg) and node.annotation is not None:
        yield node.arg, node.annotation
    for target in targets:
        if target is not None and value is not None:
            yield from ((one.id, value) for one in ast.walk(target) if isinstance(one, ast.Name))


def _is_deciding(written: ast.AST, names: dict[str, list[ast.expr]]) -> bool:
    """Say whether what is written comes from such rows, along its dots, calls and names."""
    if isinstance(written, ast.Attribute):
        if written.attr in FACTS | RELATED:
            return written.attr in RELATED
        return _is_deciding(written.value, names)
    if isinstance(written, ast.Call):
        return called(written) in _givers() or _is_deciding(written.func, names)
    if isinstance(written, ast.Name):
        left = {name: values for name, values in names.items() if name != written.id}
        meant = names.get(written.id, [])
        return written.id in DECIDING or any(_is_deciding(one, left) for one in meant)
    return names_one(written)  # an annotation, rows that are picked, either of two


def names_one(node: ast.AST) -> bool:
    """Say whether an annotation names such rows."""
    return bool(DECIDING.intersection(re.findall(r"\w+", ast.unparse(node))))


@cache
def _givers() -> frozenset[str]:
    """Name the functions of the services that give such rows."""
    return frozenset(one.name for _, one in functions() if one.returns and names_one(one.returns))
