"""Every transaction in our code, and every call on the wire that does more than ask: found by reading the code, not by running it.

What commits by itself, one statement outside of a transaction, is not found so: `seams` sees it in what it watches,
`tests/writing_alone.py` in the suite. What moves money without the journal is not there: `tests/meta/test_architecture.py`.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from exchanges.port import ONLY_ASKS, Venue
from tests.crashes.matrix.seams import CARRIERS, CARRYING_MODULES, PROJECT, ROOMS

# `settle_together` and `stepping.intend` write for a group.
COMMITTING = {"in_transaction", "in_one_statement", "persistently", "atomic", "settle_together"}
COMMITTING_BY_MODULE = {"stepping.intend"}
# One statement that commits by itself, with no transaction around it.
ALONE = COMMITTING_BY_MODULE | {"in_one_statement", "settle_together"}
# What acts at a venue, whoever it is called on; and what posts to whom is no venue.
ACTING = frozenset(name for name in vars(Venue) if not name.startswith("_")) - ONLY_ASKS
POSTING = "post_json"
TRANSLATING = (
    "exchanges"  # it is called there by whoever is called: the place is where the business calls
)
NOT_OURS = {"migrations", "simulator"}  # the venues' side, and what runs before any worker does
# What only carries others' work, and the word that those others are found by.
CARRIED_BY = {
    "locking.in_transaction": "in_transaction",
    "locking.in_one_statement.nothing_around": "in_one_statement",
    "locking.persistently": "persistently",
    "stepping.write_intents": "stepping.intend",
    "stepping.write_settlements": "settle_together",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Site:
    """A line within a function, as `seams` counts it; None: any line, as a venue's call's place is named by the call.

    `sends`: what it calls at a venue; one site only does (`doubtful`). `is_alone`: it commits without a transaction around it.
    """

    function: str
    line: int | None
    sends: str = ""
    is_alone: bool = False


def read(text: str, module: str, *, calls: bool = True) -> dict[str, Site]:
    """Give the sites of a module's text by name: `module.function`, with `#2` for a second one in it.

    Without its `calls`: its commits only.
    """
    found: dict[str, Site] = {}
    for names, function, node in _nodes(ast.parse(text), (), None):
        site = None if function is None else _site(".".join((module, *names)), function, node)
        if site is None or (site.line is None and not calls):
            continue
        number = 1 + sum(one.function == site.function for one in found.values())
        found[site.function if number == 1 else f"{site.function}#{number}"] = site
    return found


def _site(name: str, function: Function, node: ast.AST) -> Site | None:
    """Give the site that a node is, within a function of that name; none if it neither commits nor sends."""
    if (
        isinstance(node, ast.Attribute) and node.attr in ACTING
    ):  # also where it is handed on, to be called
        return Site(name, None, node.attr)
    if not isinstance(node, ast.Call):
        return None
    word = _word(node)
    first = min([function.lineno, *(one.lineno for one in function.decorator_list)])
    if word.rpartition(".")[2] == POSTING:
        return Site(name, node.lineno - first)
    if word in COMMITTING_BY_MODULE or word.rpartition(".")[2] in COMMITTING:
        is_alone = word in ALONE or word.rpartition(".")[2] in ALONE
        return Site(name, node.lineno - first, is_alone=is_alone)
    return None


def unplaced(text: str) -> list[int]:
    """Give the lines that open a transaction around a whole function: as it commits none of that function's stands there."""
    tree = ast.parse(text)
    called = {one.func for one in ast.walk(tree) if isinstance(one, ast.Call)}
    called -= {
        one.func
        for node in ast.walk(tree)
        for one in getattr(node, "decorator_list", [])
        if isinstance(one, ast.Call)
    }
    return [
        one.lineno
        for one in ast.walk(tree)
        if isinstance(one, ast.Name | ast.Attribute)
        and one not in called
        and ast.unparse(one) in {"atomic", "transaction.atomic"}
    ]


def sources() -> Iterator[Path]:
    """Give every module of ours whose transactions and calls are places."""
    for room in ROOMS:
        for path in sorted(Path(PROJECT, room).rglob("*.py")):
            if NOT_OURS.isdisjoint(path.parts):
                yield path


@cache
def _all() -> dict[str, Site]:
    """Give every site of ours. Two modules of one name whose sites would be one another's fail here."""
    found: dict[str, Site] = {}
    for path in sources():
        is_called = TRANSLATING not in path.relative_to(PROJECT).parts
        new = read(path.read_text("utf-8"), path.stem, calls=is_called)
        assert found.keys().isdisjoint(new), path
        found |= new
    return found


@cache
def sites() -> dict[str, Site]:
    """Give every site of ours but for those that only run other people's work."""
    return {name: one for name, one in _all().items() if not _carries(one)}


def doubtful(found: Mapping[str, Site]) -> set[str]:
    """Give the sites that send what another sends too: that one was sent does not tell which of them was reached."""
    times = Counter(one.sends for one in found.values() if one.line is None)
    return {name for name, one in found.items() if one.line is None and times[one.sends] > 1}


def carriers() -> set[str]:
    """Give the sites that only run other people's work."""
    return _all().keys() - sites().keys()


def reached(places: Iterable[str]) -> set[str]:
    """Give the sites that these places stand at.

    A venue's call is named by what is called, which one site only calls: that its function was passed is seen at what
    it commits, before the call or behind it.
    """
    kept = list(places)
    frames = {frame for place in kept for frame in _frames(place)}
    functions = {frame.rpartition(":")[0] for frame in frames}
    sent = {frame.rpartition(" ")[2] for frame in frames}
    return {
        name
        for name, site in sites().items()
        if (
            site.function in functions and site.sends in sent
            if site.line is None
            else _frame(site) in frames
        )
    }


def _frame(site: Site) -> str:
    return f"{site.function}:{site.line}"


def _frames(place: str) -> list[str]:
    """Give the functions, with their lines, that name a place."""
    stands = place.partition(" | ")[0]
    return stands.rpartition(": ")[2].split(" < ")


def _carries(site: Site) -> bool:
    names = site.function.split(".")
    return names[0] in CARRYING_MODULES or not CARRIERS.isdisjoint(names)


def _word(call: ast.Call) -> str:
    """Give what is called, with the name before its dot if it has one."""
    named = call.func
    if isinstance(named, ast.Attribute):
        before = named.value.id if isinstance(named.value, ast.Name) else ""
        return f"{before}.{named.attr}"
    return named.id if isinstance(named, ast.Name) else ""


def _nodes(
    node: ast.AST, names: tuple[str, ...], function: Function | None
) -> Iterator[tuple[tuple[str, ...], Function | None, ast.AST]]:
    """Give every node of a tree with the function that it stands in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            yield from _nodes(child, (*names, child.name), child)
        elif isinstance(child, ast.ClassDef):
            yield from _nodes(child, (*names, child.name), function)
        else:
            yield names, function, child
            yield from _nodes(child, names, function)
