"""Remove what a simulated desk has left on this machine: `python -m kimp.clean`."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path

from kimp import environment_files as files, live_books, postgres, postgres_owner
from kimp.environment_parse import ParseError, parse
from kimp.environment_table import BY_NAME, ENVIRONMENTS, ROLES
from kimp.leftovers import ChildFile
from kimp.locks import FileLock
from kimp.postgres_owner import Standing

_PROJECT = Path(__file__).resolve().parent.parent
_CACHES = (".pytest_cache", ".mypy_cache", ".ruff_cache", ".import_linter_cache", ".hypothesis")


class KeptError(Exception):
    """Nothing was removed; the message says why and what to do."""


class InUseError(KeptError):
    """Somebody works with what would be removed."""


class LiveDeskError(KeptError):
    """What would be removed are a live desk's books, or may be."""


def clean(project: Path, say: Callable[[str], object] = lambda _: None) -> list[Path]:
    """Stop the embedded servers of a project and remove its data; return what went.

    `say` is told whom of a desk that was killed it has ended. Raises KeptError, with everything in its place,
    while a desk is up and for one that is LIVE.
    """
    _demand_no_live_settings(project)
    gone = []
    with ExitStack() as ours:
        _take_desks(project, ours)
        homes = list(_homes(project))
        for home in homes:  # until all is gone: who starts meanwhile waits, and begins anew
            ours.enter_context(postgres.shut(home))
        for home in homes:
            _demand_simulated(home, project)
        for children in _found(project, "children.json"):  # of desks that were killed
            for name in ChildFile(children).end_leftovers(patience_seconds=5):
                say(f"ended {name}, left over from a desk that was killed")
        _take_servers(project, ours)
        for home in homes:
            postgres.end(home)
            gone += [path for path in _outside(home) if path.exists()]
        gone += [path for path in _inside(project) if path.exists()]
        for path in gone:
            shutil.rmtree(path)
    return gone


def _demand_no_live_settings(project: Path) -> None:
    """Refuse where any environment or role of the project is set to be LIVE, whose database may be elsewhere."""
    for environment, role in product(ENVIRONMENTS, ROLES):
        layers = files.layers(project, environment, role, os.environ)
        named = [layer for layer in layers if "KIMP_LIVE" in layer.texts]
        if named and not _is_off(named[-1].texts["KIMP_LIVE"]):
            raise LiveDeskError(
                f"KIMP_LIVE is set ({named[-1].origin}): a LIVE desk may work in {project}. Nothing was removed. "
                "If none does any more, take KIMP_LIVE out there and run make clean again."
            )


def _is_off(text: str) -> bool:
    try:
        return not parse(BY_NAME["KIMP_LIVE"], text)
    except ParseError:
        return False


def _take_desks(project: Path, ours: ExitStack) -> None:
    """Hold what desks and demonstrations that are up hold, if none is."""
    for path in _found(project, "desk.lock"):
        _take(path, "This desk is up in another terminal: end it first.", ours)


def _take_servers(project: Path, ours: ExitStack) -> None:
    """Hold what users of the embedded servers hold, if there are none."""
    for path in _found(project, "postgres/users"):
        _take(path, f"Something uses the database in {path.parent}: end it first.", ours)


def _demand_simulated(home: Path, project: Path) -> None:
    """Refuse to remove books that stay for ever, and what cannot be asked for its kind."""
    where = ", ".join(map(str, (home, *_outside(home))))
    try:
        is_live = live_books.are_kept_in(home, project)
    except live_books.UnknownKindError as error:
        raise LiveDeskError(
            f"Whether a LIVE desk's books are in {where} cannot be asked: {error}\nNothing was removed. "
            "If that desk was simulated, remove this by hand and run make clean again."
        ) from error
    if is_live:
        raise LiveDeskError(
            f"The books of a LIVE desk are in {where}: they stay, nothing was removed. For another desk name "
            "another folder in KIMP_HOME; once you have a backup that you trust, these can be moved away by hand."
        )


def _found(project: Path, name: str) -> list[Path]:
    return [path for base in _bases(project) for path in base.rglob(name)]


def _take(path: Path, why: str, ours: ExitStack) -> None:
    """Hold a lock until all is done, so that no desk starts meanwhile."""
    lock = FileLock(path)
    ours.callback(lock.close)
    if not lock.try_exclusive():
        raise InUseError(f"{why} Nothing was removed.")


def _homes(project: Path) -> Iterator[Path]:
    yield from (lock.parent.parent for lock in _found(project, "postgres/lock"))


def _bases(project: Path) -> tuple[Path, Path]:
    return (project / ".kimp", project / ".demo")


def _outside(home: Path) -> Iterator[Path]:
    """Give where its data lies outside of it, unless that is another's: a copy remembers it as well."""
    base = home / "postgres"
    folder = postgres_owner.remembered(base)
    if folder is not None and postgres_owner.standing(base, folder) is Standing.OURS:
        yield folder


def _inside(project: Path) -> Iterator[Path]:
    yield from (project / name for name in (".kimp", ".demo", "staticfiles", *_CACHES))


if __name__ == "__main__":
    try:
        for removed in clean(_PROJECT, lambda line: sys.stdout.write(f"{line}\n")):
            sys.stdout.write(f"removed {removed}\n")
    except (KeptError, postgres.PostgresError, OSError) as error:
        sys.exit(str(error))
