"""Finds, by reading the source, how services refuse: the sentences, and those no catalogue could know."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from cycles import errors
from cycles.services import idempotency, replanning

ROOT = Path(__file__).resolve().parents[3]
ROOMS = (
    "cycles/services",
    "cycles/selectors",
    "cycles/domain",
    "cycles/admin",
    "exchanges/identity",
)
# What no page of the admin leads to, and why; the doors that do lead there speak English.
ELSEWHERE = {
    "cycles/domain/decision.py": "the initiator's",
    "cycles/services/advancing.py": "a worker's",
    "cycles/services/calling.py": "a worker's",
    "cycles/services/catching_up.py": "a command's",
    "cycles/services/concluding.py": "a command's",
    "cycles/services/following_up.py": "a command's",
    "cycles/services/idempotency.py": "the API's; the admin tells it in words of its own",
    "cycles/services/recalling.py": "a command's",
    "cycles/services/remaking.py": "a command's",
    "cycles/services/replaying.py": "a command's",
    "cycles/services/replanning.py": "a command's",
    "cycles/services/seeding.py": "a command's",
    "cycles/services/settling.py": "a worker's",
    "cycles/services/standing_in.py": "a command's",
    "cycles/services/venue_health.py": "a worker's",
    "exchanges/clocks.py": "kept in a row as it was when trading stopped",
}
DECLARED_BELOW = (replanning.MisfitError, idempotency.KeyReusedError)  # loaded, so that they count
REFERENCE = {"StaleReferenceError", "UnconfirmedError"}
PUT_TOGETHER = (ast.JoinedStr, ast.BinOp)


def error_names() -> set[str]:
    """Name every error whose words may come to a page."""
    names, waiting = set(REFERENCE), [errors.CycleError, *DECLARED_BELOW]
    while waiting:
        one = waiting.pop()
        names.add(one.__name__)
        waiting += one.__subclasses__()
    return names


def sources() -> Iterator[tuple[str, ast.Module]]:
    paths = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    paths += (ROOT / "exchanges").glob("*.py")
    for path in sorted(paths):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text("utf-8"))


def _is_call_of(node: ast.AST, names: set[str]) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") in names


def _calls(tree: ast.AST, names: set[str]) -> Iterator[ast.expr]:
    """Give the first argument of each call of one of these."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _is_call_of(node, names) and node.args:
            yield node.args[0]


def _refused(tree: ast.AST, names: set[str]) -> Iterator[ast.expr]:
    """Give what is said where an error is made, and what a function named for objections gives."""
    yield from _calls(tree, names)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and "objection" in node.name:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return) and inner.value is not None:
                    yield inner.value


def _constants(node: ast.expr) -> Iterator[str]:
    """Give the sentences that an argument may be: itself, or either side of a choice."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (*_constants(node.body), *_constants(node.orelse))
    elif isinstance(node, ast.BoolOp):
        for one in node.values:
            yield from _constants(one)


def patterns(tree: ast.AST, names: set[str]) -> Iterator[str]:
    """Give every sentence that is written out where something is refused."""
    for argument in (*_refused(tree, names), *_calls(tree, {"Sentence"})):
        yield from _constants(argument)


def _assigned(tree: ast.AST, name: str) -> Iterator[ast.expr]:
    """Give what is put together, and refused under a name."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign) or not isinstance(node.value, PUT_TOGETHER):
            continue
        yield from (node.value for target in node.targets if getattr(target, "id", "") == name)


def unknowable(tree: ast.AST, names: set[str]) -> Iterator[tuple[int, str]]:
    """Give what is refused in words that are put together: no catalogue has them."""
    for argument in (*_refused(tree, names), *_calls(tree, {"Sentence"})):
        if isinstance(argument, ast.Name):
            for value in _assigned(tree, argument.id):
                yield value.lineno, ast.unparse(value)
        called = getattr(argument, "func", None)
        is_joined = isinstance(called, ast.Attribute) and called.attr in {"join", "format"}
        if is_joined or _is_call_of(argument, {"str"}) or isinstance(argument, PUT_TOGETHER):
            yield argument.lineno, ast.unparse(argument)
