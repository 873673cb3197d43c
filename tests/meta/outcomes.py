"""Who writes what became of a request, as the code reads: each way to a final outcome, and each door for one that is given."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from cycles.domain.words import CallOutcome
from cycles.services.matching import OPEN
from tests.concurrency.places import called

ROOT = Path(__file__).resolve().parents[2]
NO_CODE_OF_OURS = {"migrations", "simulator"}  # the venues' side tells no outcome
FINAL = {outcome.name for outcome in CallOutcome} - {CallOutcome(one).name for one in OPEN}
READERS = {"filter", "exclude", "get", "Q", "count", "aggregate"}
# What takes an outcome: the two functions that write one, its value, its row.
DOORS = {"write_outcome", "record", "Noted", "ExchangeCall", "update", "create", "replace"}


@cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    """Give the modules of the product by name, from the package on."""
    return tuple(_read())


def _read() -> Iterator[tuple[str, ast.Module]]:
    for package in ("cycles", "kimp", "exchanges"):
        for file in sorted((ROOT / package).rglob("*.py")):
            path = file.relative_to(ROOT).with_suffix("")
            if not NO_CODE_OF_OURS.intersection(path.parts):
                yield ".".join(path.parts), ast.parse(file.read_text("utf-8"))


def _places(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Give each function, each method, and whatever else stands in a module or class."""
    for node in tree.body:
        for one in node.body if isinstance(node, ast.ClassDef) else [node]:
            yield getattr(one, "name", ""), one


def told(node: ast.AST) -> str:
    """Name the final outcome that an expression is; nothing if it is none."""
    if isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("CallOutcome"):
        return node.attr if node.attr in FINAL else ""
    return ""


def _told_as_text(node: ast.AST) -> Iterator[str]:
    """Name the final outcomes that are written as text where an outcome is meant."""
    meant: list[ast.AST | None] = []
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        meant += [value for key, value in pairs if getattr(key, "value", "") == "outcome"]
    elif isinstance(node, ast.Call):
        meant += [one.value for one in node.keywords if one.arg == "outcome"]
        meant += node.args if called(node) == "CallOutcome" else []
    elif isinstance(node, ast.Assign) and any(_is_outcome(one) for one in node.targets):
        meant.append(node.value)
    elif isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("CallOutcome"):
        meant.append(node.slice)
    for one in meant:
        text = getattr(one, "value", "")
        if isinstance(text, str) and text in FINAL:
            yield text


def _is_outcome(target: ast.AST) -> bool:
    """Say whether what is assigned to is an outcome."""
    key = getattr(getattr(target, "slice", None), "value", "")
    return "outcome" in (getattr(target, "attr", ""), key)


def _written(node: ast.AST, names: dict[str, set[str]]) -> Iterator[str]:
    """Name the final outcomes within a node that are not only asked for."""
    if isinstance(node, ast.Compare) or called(node) in READERS:
        node = ast.Tuple(elts=node.args) if isinstance(node, ast.Call) else ast.Tuple(elts=[])
    yield from filter(None, [told(node)])
    yield from _told_as_text(node)
    yield from names.get(getattr(node, "id", "") or getattr(node, "attr", ""), ())
    for child in ast.iter_child_nodes(node):
        yield from _written(child, names)


@cache
def constants() -> dict[str, set[str]]:
    """Give by name what stands for a final outcome, wherever it is used."""
    found: dict[str, set[str]] = {}
    for _, tree in modules():
        for node in tree.body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                outcomes = set(_written(node.value, {}))
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    if outcomes and isinstance(target, ast.Name):
                        found[target.id] = outcomes
    return found


def writers(module: str, tree: ast.Module, names: dict[str, set[str]]) -> list[str]:
    """Name each writing of a final outcome: `module.function: OUTCOME`."""
    short = module.removeprefix("cycles.services.")
    return [
        f"{short}.{place}: {outcome}"
        for place, node in _places(tree)
        if isinstance(node, ast.FunctionDef)
        for outcome in _written(node, names)
    ]


def doors(module: str, tree: ast.Module) -> set[str]:
    """Name the functions that write an outcome which they are given, or which cannot be read off."""
    short = module.removeprefix("cycles.services.")
    return {
        f"{short}.{place}"
        for place, node in _places(tree)
        for one in ast.walk(node)
        if any(not _is_named(value) for value in _given(one))
    }


def _given(node: ast.AST) -> Iterator[ast.AST]:
    """Give what a node gives as an outcome."""
    if isinstance(node, ast.Assign) and any(_is_outcome(one) for one in node.targets):
        yield node.value
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        yield from (value for key, value in pairs if getattr(key, "value", "") == "outcome")
    if isinstance(node, ast.Call) and called(node) in DOORS:
        yield from (one.value for one in node.keywords if one.arg == "outcome")
        if called(node) in {"write_outcome", "record"}:
            yield from (one for one in node.args[1:2] if called(one) != "Noted")


def _is_named(value: ast.AST) -> bool:
    """Say whether an outcome is told by its own name: then who writes it is read off."""
    return isinstance(value, ast.Attribute) and ast.unparse(value.value).endswith("CallOutcome")
