"""Remove what a simulated desk has left on this machine: `python -m kimp.clean`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from kimp import postgres

_PROJECT = Path(__file__).resolve().parent.parent
_CACHES = (".pytest_cache", ".mypy_cache", ".ruff_cache", ".import_linter_cache", ".hypothesis")


def clean(project: Path) -> list[Path]:
    """Stop the embedded servers of a project and remove its data; return what went."""
    gone = []
    for home in _homes(project):
        postgres.stop(home)
        gone += [path for path in _outside(home) if path.exists()]
    gone += [path for path in _inside(project) if path.exists()]
    for path in gone:
        shutil.rmtree(path)
    return gone


def _homes(project: Path) -> Iterator[Path]:
    for base in (project / ".kimp", project / ".demo"):
        yield from (lock.parent.parent for lock in base.rglob("postgres/lock"))


def _outside(home: Path) -> Iterator[Path]:
    location = home / "postgres" / "location"
    if location.exists():
        yield Path(location.read_text("utf-8"))


def _inside(project: Path) -> Iterator[Path]:
    yield from (project / name for name in (".kimp", ".demo", "staticfiles", *_CACHES))


if __name__ == "__main__":
    try:
        for removed in clean(_PROJECT):
            sys.stdout.write(f"removed {removed}\n")
    except postgres.PostgresError as error:
        sys.exit(str(error))
