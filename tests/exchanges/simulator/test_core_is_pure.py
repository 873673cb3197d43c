"""The core brings no clock, chance, sockets or framework of its own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from exchanges.simulator import core

FORBIDDEN = {
    "aiohttp", "asyncio", "django", "logging", "os", "pathlib", "random", "requests", "secrets",
    "socket", "structlog", "subprocess", "threading", "time", "uuid",
}  # fmt: skip
ROOM = Path(str(core.__file__)).parent
MODULES = sorted(ROOM.rglob("*.py"))


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOM)))
def test_a_module_of_the_core_imports_nothing_impure(path: Path) -> None:
    assert imported(path) & FORBIDDEN == set()


def test_the_check_would_find_an_impure_module() -> None:
    server = ROOM.parent / "server.py"
    assert imported(server) & FORBIDDEN >= {"aiohttp", "asyncio", "random", "time"}
