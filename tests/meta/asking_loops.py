"""Find loops that ask the database each time around: by a call of their own, or of a function that asks itself.

Read off the text, one call deep: what a function of another module does that is called by way of a third, what a method
of an object does, what a call does that is handed over as a value (`acted(SWEEP, call, read.reconciled)`), and a loop within
a loop's own function are not seen; nor is a related row that is fetched as its attribute is read (`call.step`).
Of these the tests that count statements tell, which `batch_proofs.py` names.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
MANAGERS = {"objects", "_default_manager", "_base_manager"}
# Nothing but rows, sets of rows and cursors has these.
OF_ROWS = {
    "save", "refresh_from_db", "asave", "delete", "bulk_create", "bulk_update", "get_or_create", "update_or_create",
    "in_bulk", "aggregate", "first", "last", "latest", "earliest", "exists", "execute", "executemany", "fetchall",
    "fetchone", "select_for_update", "values_list", "atomic",
}  # fmt: skip
# Of a mapping or a list these take a value; of a set of rows columns by their names, or nothing.
BY_NAME = {"update", "create", "count"}


def asks(node: ast.AST) -> bool:
    """Say whether a node, by itself, asks the database."""
    if isinstance(node, ast.Attribute):
        return node.attr in MANAGERS
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    if node.func.attr == "get" and not node.args:  # of a queue it may take a timeout
        by_column = {word.arg for word in node.keywords} - {"timeout", "block"}
        return bool(by_column) or isinstance(node.func.value, ast.Call)
    return node.func.attr in OF_ROWS or (node.func.attr in BY_NAME and not node.args)


def around(loop: ast.AST) -> Iterator[ast.AST]:
    """Give the parts of a loop that run each time around."""
    if isinstance(loop, (ast.For, ast.AsyncFor)):
        yield from loop.body
    elif isinstance(loop, ast.While):
        yield from (loop.test, *loop.body)
    elif isinstance(loop, COMPREHENSIONS):
        first, *inner = loop.generators
        yield from first.ifs
        yield from inner
        yield from (loop.key, loop.value) if isinstance(loop, ast.DictComp) else (loop.elt,)
    elif isinstance(loop, ast.Call) and isinstance(loop.func, ast.Name) and loop.func.id == "map":
        yield ast.Call(func=loop.args[0], args=[], keywords=[])


def functions(tree: ast.AST) -> list[Function]:
    """Give all functions of a module, those of its classes as well."""
    return [node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)]


class Modules:
    """The modules of a project, and which of their functions ask the database themselves."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._trees = {name: ast.parse(text) for name, text in texts.items()}
        self._asking = {
            name: {one.name for one in functions(tree) if any(map(asks, ast.walk(one)))}
            for name, tree in self._trees.items()
        }

    def loops(self) -> Iterator[str]:
        """Name the functions in which a loop asks: `file:function`."""
        for name, tree in self._trees.items():
            known = {**self._imported(tree), **{one: (name, one) for one in self._asking[name]}}
            found = {one.name for one in functions(tree) if self._has_such(one, known)}
            yield from (f"{name}:{one}" for one in sorted(found))

    def _has_such(self, function: Function, known: Mapping[str, tuple[str, str]]) -> bool:
        parts = (part for node in ast.walk(function) for part in around(node))
        nodes = (node for part in parts for node in ast.walk(part))
        return any(asks(node) or self._calls_who_asks(node, known) for node in nodes)

    def _calls_who_asks(self, node: ast.AST, known: Mapping[str, tuple[str, str]]) -> bool:
        if not isinstance(node, ast.Call):
            return False
        if isinstance(node.func, ast.Name):
            module, name = known.get(node.func.id, ("", ""))
        elif isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            held, name = node.func.value.id, node.func.attr
            module, name = (
                known.get(name, ("", ""))
                if held in {"self", "cls"}
                else self._of(known, held, name)
            )
        else:
            return False
        return name in self._asking.get(module, ())

    @staticmethod
    def _of(known: Mapping[str, tuple[str, str]], held: str, name: str) -> tuple[str, str]:
        """Give a function of a module that was imported whole."""
        module, _ = known.get(held, ("", ""))
        return module, name

    def _imported(self, tree: ast.AST) -> dict[str, tuple[str, str]]:
        """Give what names of a module stand for: the file that defines them, and their name there."""
        found = {}
        for node in ast.walk(tree):
            for one in node.names if isinstance(node, ast.ImportFrom) else ():
                folder, called = (node.module or "").replace(".", "/"), one.asname or one.name
                if f"{folder}/{one.name}.py" in self._trees:
                    found[called] = (f"{folder}/{one.name}.py", "")
                elif f"{folder}.py" in self._trees:
                    found[called] = (f"{folder}.py", one.name)
        return found


def in_project(project: Path, places: Iterable[str]) -> list[str]:
    """Name such functions of a project; migrations run once, and simulated venues have no database."""
    paths = [path for place in places for path in sorted((project / place).rglob("*.py"))]
    names = {path.relative_to(project).as_posix(): path for path in paths}
    return sorted(Modules({
        name: path.read_text("utf-8")
        for name, path in names.items()
        if "/migrations/" not in name and "/simulator/" not in name
    }).loops())  # fmt: skip
