"""The documents say what the code says: tables, names, the tour's functions, links and targets."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from django.core.management import get_commands

from cycles.domain.words import CycleStatus, FailureClass
from kimp.documents import rewriting, tables
from kimp.environment_table import TABLE
from tests.benchmarks.__main__ import asked

_PROJECT = Path(__file__).resolve().parents[2]
_DOCUMENTS = (*rewriting.NAMES, "CHANGELOG.md")
_TOUR = re.compile(r"`([\w/]+\.py):(\w+)`")
_LINK = re.compile(r"\]\((?!https?://)([^)\s#]*)(?:#([^)\s]+))?\)")
_TARGET = re.compile(r"`(?:\$ )?make ([a-z-]+)|^\$ make ([a-z-]+)", re.MULTILINE)
_BENCH = re.compile(r"make bench\s+ARGS=(\"[^\"]+\"|[\w-]+)")
_COMMAND = re.compile(r"manage\.py (?!COMMAND)([a-z_]+)")


def _text(name: str = "README.md") -> str:
    return (_PROJECT / name).read_text("utf-8")


@cache
def _tables() -> dict[str, str]:
    return tables.all_tables()


def test_the_documents_are_as_generated() -> None:
    stale = [str(path.relative_to(_PROJECT)) for path in rewriting.stale(_tables())]
    assert stale == [], "run manage.py document"


def test_a_document_that_differs_is_found(tmp_path: Path) -> None:
    for name in rewriting.NAMES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(_text(name), "utf-8")
    told = _text().replace("| `TRANSIENT` |", "| `TRANSITORY` |")
    (tmp_path / "README.md").write_text(told, "utf-8")
    assert [path.name for path in rewriting.stale(_tables(), project=tmp_path)] == ["README.md"]


def test_a_table_that_nobody_makes_is_an_error() -> None:
    with pytest.raises(rewriting.UnknownTableError, match="no-such"):
        rewriting.rewritten("<!-- table:no-such -->\n<!-- /table -->", _tables())


def test_every_table_that_is_made_stands_in_a_document() -> None:
    placed = [name for document in rewriting.NAMES for name in rewriting.named(_text(document))]
    assert sorted(placed) == sorted(tables.TABLES)


def _names() -> Iterator[str]:
    yield from tables.commands()
    yield from (setting.name for setting in TABLE)
    yield from CycleStatus.values
    yield from FailureClass.values
    yield from (error.code for error in tables.error_classes())


@pytest.mark.parametrize("name", sorted(_names()))
def test_the_readme_names(name: str) -> None:
    assert f"`{name}`" in _text()


def test_no_two_errors_share_a_code() -> None:
    codes = [error.code for error in tables.error_classes()]
    assert len(codes) == len(set(codes))


def test_the_tour_has_all_ten_steps() -> None:
    assert re.findall(r"^\| (\d+) \| \*\*", _text(), re.MULTILINE) == [str(n) for n in range(1, 11)]


def _tour() -> list[tuple[str, str]]:
    return sorted({found for name in rewriting.NAMES for found in _TOUR.findall(_text(name))})


@pytest.mark.parametrize(("file", "function"), _tour())
def test_the_tour_leads_somewhere(file: str, function: str) -> None:
    tree = ast.parse(_text(file))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    assert function in {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


def _anchors(document: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", title.lower()) for title in titles)
    return {title.replace(" ", "-") for title in plain}


@pytest.mark.parametrize("name", _DOCUMENTS)
def test_no_relative_link_is_dead(name: str) -> None:
    here = _PROJECT / name
    dead = []
    for target, anchor in _LINK.findall(_text(name)):
        path = here.parent / target if target else here
        if not path.exists() or (anchor and anchor not in _anchors(path)):
            dead.append(f"{target}#{anchor}")
    assert dead == []


@pytest.mark.parametrize("name", _DOCUMENTS)
def test_every_make_target_that_is_named_exists(name: str) -> None:
    made = set(re.findall(r"^([a-z-]+):", _text("Makefile"), re.MULTILINE))
    named = {one or other for one, other in _TARGET.findall(_text(name))}
    assert named <= made


@pytest.mark.parametrize("name", _DOCUMENTS)
def test_every_benchmark_that_is_named_can_be_run_as_it_stands(name: str) -> None:
    for arguments in _BENCH.findall(_text(name)):
        asked(shlex.split(arguments.strip('"')))  # it ends the program where it knows one not


def test_a_benchmark_that_there_is_not_is_found() -> None:
    (arguments,) = _BENCH.findall('`make bench ARGS="waking --naps"`')
    with pytest.raises(SystemExit):
        asked(shlex.split(arguments.strip('"')))


def test_every_make_target_is_named() -> None:
    made = set(re.findall(r"^([a-z-]+):.*## ", _text("Makefile"), re.MULTILINE))
    named = {one or other for one, other in _TARGET.findall(_text())}
    assert made <= named


@pytest.mark.parametrize("name", _DOCUMENTS)
def test_every_command_that_is_named_exists(name: str) -> None:
    djangos = {"migrate", "check", "changepassword", "createsuperuser", "dbshell"}
    named = set(
        _COMMAND.findall(re.sub(r"<!-- table.*?/table -->", "", _text(name), flags=re.DOTALL))
    )
    brake = {command for command, app in get_commands().items() if app == "axes"}
    assert named <= {*tables.commands(), *djangos, *brake}
