"""File locks that the kernel takes back when their process dies."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path


class LockTimeoutError(Exception):
    """Somebody else has held the lock for longer than we were willing to wait."""


class FileLock:
    """An flock on a file; it belongs to this object and to children forked while it is held."""

    def __init__(self, path: Path) -> None:
        # Root locks in folders of others too, where a link may lead anywhere.
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(path, flags, 0o600)

    def exclusive(self, *, patience_seconds: float) -> None:
        """Wait to be the only holder; raises LockTimeoutError."""
        self._wait(fcntl.LOCK_EX, patience_seconds)

    def shared(self, *, patience_seconds: float) -> None:
        """Wait to be one of the holders; raises LockTimeoutError."""
        self._wait(fcntl.LOCK_SH, patience_seconds)

    def try_exclusive(self) -> bool:
        """Become the only holder if nobody else holds it now."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def lies_at(self, path: Path) -> bool:
        """Tell whether the file there is the one that is locked, and was not removed meanwhile."""
        try:
            return os.path.samestat(os.fstat(self._fd), path.lstat())
        except FileNotFoundError:
            return False

    def fileno(self) -> int:
        """Give what a child must inherit to hold the lock as well, for as long as it lives."""
        return self._fd

    def close(self) -> None:
        """Let go."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _wait(self, kind: int, patience_seconds: float) -> None:
        deadline = time.monotonic() + patience_seconds
        while True:
            try:
                fcntl.flock(self._fd, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise LockTimeoutError from None
                time.sleep(0.02)
            else:
                return
