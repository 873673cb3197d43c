"""Whose data outside of a home is: every copy of the home remembers its folder, and one alone may have it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from contextlib import suppress
from enum import Enum
from pathlib import Path

from kimp.locks import FileLock
from kimp.postgres_binaries import PostgresError
from kimp.postgres_process import serves_here

_NOTE, _LOCK = "owner", "owner.lock"


class Standing(Enum):
    """What a folder of data is to a home that remembers it."""

    OURS = "ours"
    OF_ANOTHER = "of another"  # which is still there: we are its copy
    OF_NOBODY = "of nobody"  # its home is gone: we may be what it was moved to


def name_for(home: Path) -> str:
    """Name the folder that a home makes outside of itself."""
    return f"kimp-{hashlib.sha256(os.fsencode(home)).hexdigest()[:12]}"


def standing(home: Path, folder: Path) -> Standing:
    """Tell whose the folder is, by the note that its owner has left in it."""
    note = _read(folder)
    if note is None:  # of the releases before, or new
        return Standing.OURS if folder.name == name_for(home) else Standing.OF_NOBODY
    path, place = note
    if path == str(home) or place == _place_of(home) or _is_same(Path(path), home):
        return Standing.OURS
    return Standing.OF_ANOTHER if remembered(Path(path)) == folder else Standing.OF_NOBODY


def is_free_for(home: Path, folder: Path) -> bool:
    """Tell whether the home may use the folder: it is its own, or nobody's and no server works on it."""
    found = standing(home, folder)
    return found is Standing.OURS or (
        found is Standing.OF_NOBODY and not serves_here(folder / "data")
    )


def demand_idle(home: Path, folder: Path) -> None:
    """Raise PostgresError while a server works on the folder for a home that is gone."""
    if standing(home, folder) is Standing.OF_NOBODY and not is_free_for(home, folder):
        raise PostgresError(
            f"A server still works on {folder} for a folder that was moved or removed: end what uses it, "
            "then try again."
        )


def demand_there(home: Path, folder: Path) -> None:
    """Raise PostgresError if the folder that the home remembers is gone, or the empty one on which it was mounted."""
    if not any((folder / name).exists() for name in (_NOTE, "data")):
        raise PostgresError(
            f"{folder} is gone, and with it the data of {home}. Put it back, or, to begin anew "
            f"without it, remove {home / 'location'}."
        )


def is_new_or_made_by(home: Path, folder: Path) -> bool:
    """Tell whether a home that remembers no folder may have this one: its path alone may be another's of before."""
    note = _read(folder)
    return note is None or note[1] == _place_of(home)


def remembered(home: Path) -> Path | None:
    """Give the folder outside that a home remembers."""
    with suppress(OSError):
        return Path((home / "location").read_text("utf-8"))
    return None


def take(home: Path, folder: Path) -> bool:
    """Write our name into the folder, unless it is another's. Raises PostgresError while its server runs for one that is gone."""
    lock = lock_in(folder / _LOCK)
    try:
        lock.exclusive(patience_seconds=10)
        if standing(home, folder) is Standing.OF_ANOTHER:
            return False
        demand_idle(home, folder)
        _write(home, folder)
    finally:
        lock.close()
    return True


def owner_of(folder: Path) -> Path | None:
    """Give the home that has written its name into the folder."""
    note = _read(folder)
    return None if note is None else Path(note[0])


def _is_same(path: Path, home: Path) -> bool:
    """Tell whether both lead to one folder: by a link or a mount, and it may be restored since (another inode)."""
    with suppress(OSError):
        return path.samefile(home)
    return False


def _read(folder: Path) -> tuple[str, list[int]] | None:
    with suppress(OSError, ValueError, KeyError):
        note = json.loads((folder / _NOTE).read_text("utf-8"))
        return note["home"], note["place"]
    return None


def _write(home: Path, folder: Path) -> None:
    draft = folder / f"{_NOTE}.new"
    draft.unlink(missing_ok=True)  # the folder is the server's user's, who may have made it a link
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(draft, flags, 0o644), "w", encoding="utf-8") as file:
        json.dump({"home": str(home), "place": _place_of(home)}, file)
    draft.replace(folder / _NOTE)


def lock_in(path: Path) -> FileLock:
    """Open a lock in a folder that is another user's, who may have put a link there. Raises PostgresError."""
    try:
        return FileLock(path)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise PostgresError(
            f"{path} is a link, which kimp never makes there: remove it."
        ) from error


def _place_of(home: Path) -> list[int]:
    """Give device and inode: they stay when a folder is renamed."""
    found = home.stat()
    return [found.st_dev, found.st_ino]
