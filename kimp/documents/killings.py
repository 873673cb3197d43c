"""The tables of the crash matrix, from the result that `make crash-matrix ARGS=--keep` leaves in docs/measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from kimp.documents.grids import grid
from kimp.documents.measured import KEPT

NAME = "crash_matrix"
NONE_KEPT = "*No run of this release is kept: `make crash-matrix ARGS=--keep` keeps one, and `manage.py document` writes it here.*"
NOT_RUN = "*The run that is kept had none of these yet.*"
# Which columns stand together, by the name of their table; what stands nowhere else is told with what loses replies.
TOGETHER: dict[str, tuple[str, ...]] = {
    "killed-round-trip": ("none", "F2", "F4", "F6", "F7", "F8", "F9", "F24"),
    "killed-other-ways": (
        "Bithumb", "Bithumb F9", "home only", "unwinding abroad", "unwinding in Korea", "unwinding at Bithumb",
        "unwinding on the way home",
    ),
    "killed-not-workers": (
        "trouble", "jobs", "jobs F4", "jobs F9", "verbs", "verbs F4", "verbs F9",
    ),
    "killed-deeds": ("opening", "deeds", "door", "groups"),
}  # fmt: skip
REST = "killed-while-lost"

Columns = Mapping[str, Mapping[str, int]]


def table(columns: Columns) -> str:
    """Lay figures out, a column for each, a row for each kind of place."""
    words = next(iter(columns.values()), {})
    rows = ((one, *(str(column[one]) for column in columns.values())) for one in words)
    return grid(("killed", *columns), rows)


def some(name: str, folder: Path = KEPT) -> str:
    """Give one of the tables of the run that is kept."""
    told = _kept(folder)
    if told is None:
        return NONE_KEPT
    columns: Columns = told["columns"]
    wanted = TOGETHER.get(name) or _rest(columns)
    found = {column: columns[column] for column in wanted if column in columns}
    return table(found) if found else NOT_RUN


def seen(folder: Path = KEPT) -> str:
    """Say what the run that is kept came to, and how and where it was had."""
    told = _kept(folder)
    if told is None:
        return NONE_KEPT
    minutes, seconds = divmod(round(told["seconds"]), 60)
    return (
        f"{told['kills']:,} kills at {told['places']:,} places (lines of code; jobs, verbs and deeds name theirs apart);"
        f" all {told['tests']} tests passed, {told['processes']} at a time, in {minutes} minutes {seconds} seconds.\n\n"
        f"*`make crash-matrix`, {told['at'][:10]}, revision {told['revision']}, Python {told['python']},"
        f" {told['machine']['cores']} cores; MACHINE_SEED={told['seed']}*"
    )


def _rest(columns: Iterable[str]) -> list[str]:
    taken = {column for together in TOGETHER.values() for column in together}
    return [column for column in columns if column not in taken]


def _kept(folder: Path) -> dict[str, Any] | None:
    path = folder / f"{NAME}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else None


TABLES: dict[str, Callable[[], str]] = {
    "killed-seen": seen,
    **{name: partial(some, name) for name in (*TOGETHER, REST)},
}
