"""The folder of a home that tells about its server, and the lock under which it is started, joined and stopped."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from kimp.locks import FileLock, LockTimeoutError
from kimp.postgres_binaries import WAYS_OUT, PostgresError

START_SECONDS = 60


def base_of(home: Path) -> Path:
    """Make the folder of what kimp keeps about a server. Raises PostgresError."""
    base = home.absolute() / "postgres"
    try:
        base.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PostgresError(
            f"Cannot create {base} ({error.strerror}). Name another folder in KIMP_HOME. {WAYS_OUT}"
        ) from error
    return base


@contextlib.contextmanager
def exclusive(base: Path, patience_seconds: float = START_SECONDS * 2) -> Iterator[None]:
    """Be the only one who starts, joins or stops the server. Raises PostgresError when that takes too long."""
    try:
        lock = _locked(base, patience_seconds)
    except PermissionError as error:
        raise PostgresError(
            f"{base} belongs to another user. Run as that user, or name another folder in "
            f"KIMP_HOME. {WAYS_OUT}"
        ) from error
    except LockTimeoutError as error:
        raise PostgresError(f"Another process has held {base} for too long. {WAYS_OUT}") from error
    try:
        yield
    finally:
        lock.close()


def _locked(base: Path, patience_seconds: float) -> FileLock:
    """Take the lock that lies there; make clean may remove it, and its folder, while we wait."""
    path = base / "lock"
    while True:
        lock = FileLock(path)
        lock.exclusive(patience_seconds=patience_seconds)
        if lock.lies_at(path):
            return lock
        lock.close()
        base_of(base.parent)
