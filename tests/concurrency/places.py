"""Where the services decide under a lease, found by reading their code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SERVICES = Path(__file__).resolve().parents[2] / "cycles" / "services"
GUARD = "lock_for_decision"


def deciding_places() -> list[str]:
    """Name each function that calls the guard, as often as it does: `module.function`."""
    return sorted(
        f"{module}.{function.name}"
        for module, function in functions()
        for node in ast.walk(function)
        if called(node) == GUARD
    )


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    """Give each function of a module of the services, and each method, but not what lies within it."""
    for file in sorted(SERVICES.glob("*.py")):
        for node in ast.parse(file.read_text("utf-8")).body:
            inner = node.body if isinstance(node, ast.ClassDef) else [node]
            yield from ((file.stem, one) for one in inner if isinstance(one, ast.FunctionDef))


def called(node: ast.AST) -> str:
    """Give the last name of what a node calls; nothing if it calls nothing."""
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "attr", "") or getattr(node.func, "id", "")
