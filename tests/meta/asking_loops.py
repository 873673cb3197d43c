"""Find loops that ask the database each time around: by a call of their own, or of a function that asks itself.

Read off the text, one call deep: what a function of another module does that is called by way of a third, what a method
of an object does, what a call does that is handed over as a value (`acted(SWEEP, call, read.reconciled)`), and a loop within
a loop's own function are not seen; nor is a related row that is fetched as its attribute is read (`call.step`).
Of these the tests that count statements tell, which `batch_proofs.py` names.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

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
    """Give the parts of a loop that run each time around; nothing of what is none."""
    if isinstance(loop, (ast.For, ast.AsyncFor)):
        yield from loop.body
    elif isinstance(loop, ast.While):
        yield from (loop.test, *loop.body)
    elif isinstance(loop, COMPREHENSIONS):
        first, *inner = loop.generators
        yield from first.ifs
        yield from inner
        yield from (loop.key, loop.value) if isinstance(loop, ast.DictComp) else (loop.elt,)


@cache
def parsed(text: str) -> ast.Module:
    """Parse a module, once for all who read it."""
    return ast.parse(text)


class Module:
    """One module: its functions that ask the database themselves, and what its functions do each time around."""

    def __init__(self, text: str) -> None:
        self.imports: list[ast.ImportFrom] = []
        self.asking: set[str] = set()
        self.repeated: list[tuple[str, ast.AST]] = []  # function, node
        todo: list[tuple[ast.AST, tuple[str, ...], bool]] = [(parsed(text), (), False)]
        parts: set[ast.AST] = set()
        while todo:
            node, names, is_repeated = todo.pop()
            if isinstance(node, FUNCTIONS):
                names = (*names, node.name)
            self._note(node, names, is_repeated=is_repeated)
            parts.update(around(node))
            todo += (
                (one, names, is_repeated or one in parts) for one in ast.iter_child_nodes(node)
            )

    def _note(self, node: ast.AST, names: tuple[str, ...], *, is_repeated: bool) -> None:
        if isinstance(node, ast.ImportFrom):
            self.imports.append(node)
        if asks(node):
            self.asking.update(names)
        if is_repeated and isinstance(node, (ast.Call, ast.Attribute)):
            self.repeated += ((name, node) for name in names)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "map":
            each = ast.Call(func=node.args[0], args=[], keywords=[])
            self.repeated += ((name, each) for name in names)


class Modules:
    """The modules of a project, by their files."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._modules = {name: Module(text) for name, text in texts.items()}

    def loops(self) -> Iterator[str]:
        """Name the functions in which a loop asks: `file:function`."""
        for name, module in self._modules.items():
            known = {**self._imported(module), **{one: (name, one) for one in module.asking}}
            found = {
                function
                for function, node in module.repeated
                if asks(node) or self._calls_who_asks(node, known)
            }
            yield from (f"{name}:{one}" for one in sorted(found))

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
        return module in self._modules and name in self._modules[module].asking

    @staticmethod
    def _of(known: Mapping[str, tuple[str, str]], held: str, name: str) -> tuple[str, str]:
        """Give a function of a module that was imported whole."""
        module, _ = known.get(held, ("", ""))
        return module, name

    def _imported(self, module: Module) -> dict[str, tuple[str, str]]:
        """Give what names of a module stand for: the file that defines them, and their name there."""
        found = {}
        for node in module.imports:
            folder = (node.module or "").replace(".", "/")
            for one in node.names:
                called = one.asname or one.name
                if f"{folder}/{one.name}.py" in self._modules:
                    found[called] = (f"{folder}/{one.name}.py", "")
                elif f"{folder}.py" in self._modules:
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
