"""Django's secret key outside of production: generated once, kept in a 0600 file."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path


def kept(home: Path) -> str:
    """Return the secret key of this home; every process of the desk gets the same one."""
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
