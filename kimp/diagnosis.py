"""What a machine needs for the desk, looked at one thing at a time."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from kimp import desk, postgres
from kimp.environment import SettingsError
from kimp.postgres_binaries import PostgresError, found

_MINIMUM_FREE_MEGABYTES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    is_well: bool
    detail: str


def findings() -> Iterator[Finding]:
    """Look at everything; nothing is started or changed."""
    yield _python()
    yield _home(settings.KIMP_HOME)
    yield _database()
    yield from _roles()
    yield _browser()


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding(subject="python", is_well=sys.version_info >= (3, 11), detail=version)


def _home(home: Path) -> Finding:
    parent = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(parent).free // 1_000_000
    is_well = os.access(parent, os.W_OK) and free >= _MINIMUM_FREE_MEGABYTES
    return Finding(subject="KIMP_HOME", is_well=is_well, detail=f"{home}, {free} MB free")


def _database() -> Finding:
    if settings.DATABASES["default"]["ENGINE"] != "kimp.database":
        return Finding(subject="database", is_well=True, detail="outside, by DATABASE_URL")
    try:
        named = settings.DATABASES["default"]["OPTIONS"]["embedded_programs"]
        programs = found(named=Path(named) if named else None)
        state = postgres.status(settings.KIMP_HOME)
    except PostgresError as error:
        return Finding(subject="database", is_well=False, detail=str(error))
    word = f"runs on port {state.port}" if state.is_running else "does not run now"
    detail = f"embedded PostgreSQL {programs.major} from {programs.folder}, {word}"
    return Finding(subject="database", is_well=True, detail=detail)


def _roles() -> Iterator[Finding]:
    try:
        plans = desk.plans({})
    except SettingsError as error:
        yield Finding(subject="settings", is_well=False, detail="; ".join(error.problems))
        return
    taken = desk.taken_ports(plans, desk.simulation_of_settings())
    detail = " ".join(taken) or "all free"
    yield Finding(subject="ports", is_well=not taken, detail=detail)


def _browser() -> Finding:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    return Finding(
        subject="chromium", is_well=True, detail=path or "not here; only browser tests want it"
    )
