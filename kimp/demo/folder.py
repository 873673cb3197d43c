"""The folder of a demonstration, with the list of its processes: whoever is left of them is ended by it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kimp.leftovers import ChildFile
from kimp.locks import FileLock
from kimp.process_table import look_up

PREFIX = "demo-"
CHILDREN = "children.json"
_LOCK = "desk.lock"
_PATIENCE_SECONDS = 5.0


@contextmanager
def own_folder(home: Path) -> Iterator[Path]:
    """Make the folder of this process's demonstration; in the end nobody of its list runs, and it is gone."""
    folder = home / f"{PREFIX}{os.getpid()}"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with taking_part(folder):
            yield folder
    finally:
        ChildFile(folder / CHILDREN).end_leftovers(patience_seconds=_PATIENCE_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def taking_part(folder: Path) -> Iterator[None]:
    """Show for as long as we live that the demonstration is not left over."""
    lock = FileLock(folder / _LOCK)
    lock.shared(patience_seconds=_PATIENCE_SECONDS)
    try:
        yield
    finally:
        lock.close()


def end_left_over(home: Path) -> list[str]:
    """End what is left of demonstrations that were killed, and remove their folders; return the names of those found."""
    found: list[str] = []
    for folder in home.glob(f"{PREFIX}*"):
        number = folder.name.removeprefix(PREFIX)
        if not number.isdigit() or look_up(int(number)) is not None:
            continue  # not ours, or it begins just now
        with suppress(
            OSError
        ):  # of another user, who alone can end it; or another starter has removed it
            found += _end(folder)
    return found


def _end(folder: Path) -> list[str]:
    """End what is left of one demonstration, unless somebody takes part in it."""
    lock = FileLock(folder / _LOCK)
    try:
        if not lock.try_exclusive():
            return []
        found = ChildFile(folder / CHILDREN).end_leftovers(patience_seconds=_PATIENCE_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)
        return found
    finally:
        lock.close()
