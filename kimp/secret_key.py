"""Django's secret key outside of production: generated once, kept in a 0600 file."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from kimp.environment import SettingsError


def kept(home: Path) -> str:
    """Return the secret key of this home; every process of the desk gets the same one.

    Raises SettingsError where the home cannot be read and written.
    """
    try:
        return _kept(home)
    except OSError as error:
        raise SettingsError(
            [f"KIMP_HOME: {home} cannot be used ({error.strerror}); name a folder you may write"]
        ) from error


def _kept(home: Path) -> str:
    path = home / "secret_key"
    with contextlib.suppress(FileNotFoundError):
        return path.read_text("ascii")
    home.mkdir(parents=True, exist_ok=True)
    draft = home / f"secret_key.{os.getpid()}.{secrets.token_hex(4)}"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(50))
    with contextlib.suppress(FileExistsError):  # link, not rename: the first of two writers wins
        path.hardlink_to(draft)
    draft.unlink()
    return path.read_text("ascii")
