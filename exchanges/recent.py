"""Reads that a busy process asks for again and again, remembered for a second: what changes by the minute.

Off until a process says that it is busy: commands, pages and single tests read anew each time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")

MOST = 10_000  # readings; then all are forgotten


class _Memory:
    """What this process remembers, and for how many seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.guard = threading.Lock()
        self.readings: dict[object, tuple[float, object]] = {}
        self.being_read: set[object] = set()
        self.forgotten_at = -1.0

    def is_mine_to_read(self, key: object) -> bool:
        """Say whether nobody else reads it anew at this moment; who does so says when it `is_read`."""
        with self.guard:
            is_free = key not in self.being_read
            if is_free:
                self.being_read.add(key)
        return is_free

    def is_read(self, key: object) -> None:
        """Let the next one read it anew."""
        with self.guard:
            self.being_read.discard(key)

    def keep(self, key: object, began: float, result: object) -> None:
        """Keep what was read, unless all was forgotten since, or somebody has read it later."""
        with self.guard:
            known = self.readings.get(key)
            if began <= self.forgotten_at or (known is not None and known[0] > began):
                return
            if len(self.readings) >= MOST:
                self.readings.clear()
            self.readings[key] = (began, result)


_memory = _Memory()


def remember(seconds: float) -> None:
    """Let readings be used for so long; 0: read anew each time."""
    _memory.seconds = seconds
    forget()


def forget() -> None:
    """Read everything anew: something has changed."""
    with _memory.guard:
        _memory.readings.clear()
        _memory.forgotten_at = time.monotonic()


def recent(read: Callable[P, T]) -> Callable[P, T]:
    """Let a reading be used again while it is recent; what it raises is not remembered.

    From half of that time on one thread reads it anew, and has what that raises, while the others still go by what
    they have: all of them at once would ask the same.
    """

    @wraps(read)
    def remembered(*args: P.args, **kwargs: P.kwargs) -> T:
        if not _memory.seconds:
            return read(*args, **kwargs)
        key = (read, args, tuple(sorted(kwargs.items())))
        found = _memory.readings.get(key)
        began = time.monotonic()
        age = began - found[0] if found is not None else _memory.seconds
        is_mine = age >= _memory.seconds / 2 and _memory.is_mine_to_read(key)
        if found is not None and age < _memory.seconds and not is_mine:
            return cast(T, found[1])
        try:
            result = read(*args, **kwargs)
            _memory.keep(key, began, result)
        finally:
            if is_mine:
                _memory.is_read(key)
        return result

    return remembered
