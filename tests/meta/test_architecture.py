"""The shape of the sources: rooms, sizes, names and the one door for each thing."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_PROJECT = Path(__file__).resolve().parents[2]
_PACKAGES = ("kimp", "cycles", "exchanges", "tests")
_BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "constants", "signals", "misc"}
_LONGEST = 400
# Rooms where a number may be money; durations and metrics live elsewhere or say why below.
_MONEY_ROOMS = (
    "cycles/domain",
    "cycles/models",
    "cycles/services",
    "cycles/selectors",
    "exchanges/values.py",
    "exchanges/port.py",
    "exchanges/adapters",
    *(f"exchanges/feeds/{name}.py" for name in ("states", "ladder", "units", "diffs", "korean")),
    "exchanges/simulator/core",
)
_DURATIONS_ONLY = {"cycles/services/working.py"}  # the loop that waits, and nothing else


def _sources(*rooms: str) -> Iterator[Path]:
    for room in rooms:
        path = _PROJECT / room
        files = [path] if path.is_file() else sorted(path.rglob("*.py"))
        yield from (file for file in files if "migrations" not in file.parts)


def _relative(file: Path) -> str:
    return str(file.relative_to(_PROJECT))


def test_import_contracts_hold() -> None:
    reply = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"],
        cwd=_PROJECT, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert reply.returncode == 0, reply.stdout


def test_no_source_is_longer_than_400_lines() -> None:
    lengths = {_relative(file): len(file.read_text().splitlines()) for file in _sources(*_PACKAGES)}
    assert {name: length for name, length in lengths.items() if length > _LONGEST} == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [_relative(file) for file in _sources(*_PACKAGES) if file.stem in _BANNED_NAMES] == []


def test_rows_are_locked_in_one_module_only() -> None:
    lockers = [
        _relative(file)
        for file in _sources("kimp", "cycles", "exchanges")
        if "select_for_update(" in file.read_text()
    ]
    assert len(lockers) <= 1, lockers


def _places(rooms: tuple[str, ...], is_it: Callable[[ast.Call], bool]) -> list[str]:
    """Give where a call of a kind stands."""
    return sorted(
        {
            f"{_relative(file)}"
            for file in _sources(*rooms)
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.Call) and is_it(node)
        }
    )


def _calls(name: str) -> Callable[[ast.Call], bool]:
    return lambda node: name in {getattr(node.func, "attr", ""), getattr(node.func, "id", "")}


def test_a_withdrawal_is_made_and_sent_in_one_place_only() -> None:
    """Of what the business does; the border below it only translates names."""
    assert _places(("cycles", "kimp"), _calls("WithdrawalRequest")) == [
        "cycles/services/transferring.py"
    ]
    sent = _places(("cycles", "kimp"), lambda node: _calls("withdraw")(node) and bool(node.args))
    assert sent == ["cycles/services/transferring.py"]
    assert _places(("exchanges",), _calls("confirmed_address")) == []
    confirmed = _places(("cycles", "kimp"), _calls("confirmed_address"))
    assert confirmed == ["cycles/services/opening.py", "cycles/services/transferring.py"]


MOVING = {"place_order", "cancel_order", "withdraw"}


def _moving(node: ast.AST) -> list[int]:
    """Give the lines of calls that move money, or take it back, on whatever they are called."""
    return [
        one.lineno
        for one in ast.walk(node)
        if isinstance(one, ast.Call)
        and isinstance(one.func, ast.Attribute)
        and one.func.attr in MOVING
    ]


def _sent_otherwise(text: str) -> list[int]:
    """Give the lines of such calls that are not sent by `calling.called`, which sends what the journal has."""
    tree = ast.parse(text)
    journalled = [
        line
        for one in ast.walk(tree)
        if isinstance(one, ast.Call) and ast.unparse(one.func) == "calling.called"
        for argument in one.args
        for line in _moving(argument)
    ]
    return sorted(set(_moving(tree)) - set(journalled))


def test_what_moves_money_is_sent_with_its_intent_in_the_journal_only() -> None:
    sent = {
        _relative(file): _sent_otherwise(file.read_text()) for file in _sources("cycles", "kimp")
    }
    assert {name: lines for name, lines in sent.items() if lines} == {}


def test_below_the_business_only_adapters_and_their_door_speak_of_what_moves_money() -> None:
    """They translate: who calls them is the business."""
    below = {
        _relative(file)
        for file in _sources("exchanges")
        if "simulator" not in file.parts and _moving(ast.parse(file.read_text()))
    }
    door = "exchanges/identity/named_venue.py"
    assert {name for name in below if not name.startswith("exchanges/adapters/")} == {door}


@pytest.mark.parametrize(
    "text",
    [
        "venue.place_order(order)",
        "registry.venue(code).withdraw(one)",
        "called(call, lambda: venue.cancel_order(m))",
    ],
)
def test_the_finder_of_what_moves_money_finds_each(text: str) -> None:
    assert _sent_otherwise(text) == [1]


COPIED = {"inflater.copy", "decimal.DefaultContext.copy"}  # what is no cursor


def _copied(text: str) -> list[str]:
    """Give what is called that may be a cursor's way past the statements that are watched."""
    methods = [
        one.func
        for one in ast.walk(ast.parse(text))
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute)
    ]
    named = [ast.unparse(one) for one in methods if one.attr == "copy"]
    return [name for name in named if name not in COPIED]


def test_no_cursor_copies() -> None:
    """What it writes is seen neither by who watches statements nor by who is killed at them."""
    found = {
        _relative(file): _copied(file.read_text())
        for file in _sources("kimp", "cycles", "exchanges")
    }
    assert {name: calls for name, calls in found.items() if calls} == {}


def test_the_finder_of_copies_finds_one() -> None:
    assert _copied("with cursor.copy(INTO) as rows: ...\ninflater.copy()") == ["cursor.copy"]


def _is_no_money(node: ast.AST) -> bool:
    """Tell a duration, or a source of chance, from what might be money."""
    if isinstance(node, ast.arg):
        return node.arg.endswith("seconds")
    return isinstance(node, ast.FunctionDef) and node.name in ("random", "uniform")


def _floats(node: ast.AST) -> Iterator[int]:
    if isinstance(node, ast.Name) and node.id == "float":
        yield node.lineno
    for child in ast.iter_child_nodes(node):
        if not _is_no_money(child):
            yield from _floats(child)


@pytest.mark.parametrize("room", _MONEY_ROOMS)
def test_money_meets_no_float(room: str) -> None:
    found = [
        f"{_relative(file)}:{line}"
        for file in _sources(room)
        if _relative(file) not in _DURATIONS_ONLY
        for line in _floats(ast.parse(file.read_text()))
    ]
    assert found == []


def test_the_float_finder_finds_one() -> None:
    assert list(_floats(ast.parse("def price(quantity: float) -> None: ..."))) == [1]


def test_every_source_says_what_it_is_for() -> None:
    silent = [
        _relative(file)
        for file in _sources("kimp", "cycles", "exchanges")
        if file.read_text().strip() and ast.get_docstring(ast.parse(file.read_text())) is None
    ]
    assert silent == []
