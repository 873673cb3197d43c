"""Reads that a busy process asks for again and again, remembered for a second: what changes by the minute.

Off until a process says that it is busy: commands, pages and single tests read anew each time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

MOST = 10_000  # readings; then all are forgotten


class _Memory:
    """What this process remembers, and for how many seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.guard = threading.Lock()
        self.readings: dict[object, tuple[float, object]] = {}


_memory = _Memory()


def remember(seconds: float) -> None:
    """Let readings be used for so long; 0: read anew each time."""
    _memory.seconds = seconds
    forget()


def forget() -> None:
    """Read everything anew: something has changed."""
    with _memory.guard:
        _memory.readings.clear()


def recent(read: Callable[P, T]) -> Callable[P, T]:
    """Let a reading be used again while it is recent; what it raises is not remembered."""

    @wraps(read)
    def remembered(*args: P.args, **kwargs: P.kwargs) -> T:
        if not _memory.seconds:
            return read(*args, **kwargs)
        key = (read, args, tuple(sorted(kwargs.items())))
        found = _memory.readings.get(key)
        if found is not None and time.monotonic() - found[0] < _memory.seconds:
            return found[1]  # type: ignore[return-value]  # put there below
        began = time.monotonic()
        result = read(*args, **kwargs)
        with _memory.guard:
            if len(_memory.readings) >= MOST:
                _memory.readings.clear()
            _memory.readings[key] = (began, result)
        return result

    return remembered
