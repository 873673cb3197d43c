"""Reads that a busy process asks for again and again, remembered for a second: what changes by the minute.

Off until a process says that it is busy: commands, pages and single tests read anew each time. Such a process may
`refresh` what is asked for, so that only whoever asks first waits for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar, cast

from django.db import InterfaceError, OperationalError

P = ParamSpec("P")
T = TypeVar("T")
Question = tuple[Callable[..., object], tuple[object, ...], tuple[tuple[str, object], ...]]

MOST = 10_000  # readings; then all are forgotten
ASKED_LATELY_SECONDS = 60.0
# Parts of the time that a reading may be used for: when it is refreshed, and when whoever asks reads it instead.
# Who refreshes comes by each third of that time: at every second turn, for reading ahead costs every process, and with
# time to spare before anybody who drives a cycle has to read.
REFRESHED_FROM, READ_FROM = 0.45, 0.9


class _Memory:
    """What this process remembers, and for how many seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.guard = threading.Lock()
        self.readings: dict[Question, tuple[float, object]] = {}
        self.asked_at: dict[Question, float] = {}
        self.being_read: set[Question] = set()
        self.forgotten_at = -1.0

    def is_mine_to_read(self, question: Question) -> bool:
        """Say whether nobody else reads it anew at this moment; who does so says when it `is_read`."""
        with self.guard:
            is_free = question not in self.being_read
            if is_free:
                self.being_read.add(question)
        return is_free

    def is_read(self, question: Question) -> None:
        """Let the next one read it anew."""
        with self.guard:
            self.being_read.discard(question)

    def keep(self, question: Question, began: float, result: object) -> None:
        """Keep what was read, unless all was forgotten since, or somebody has read it later."""
        with self.guard:
            known = self.readings.get(question)
            if began <= self.forgotten_at or (known is not None and known[0] > began):
                return
            if len(self.readings) >= MOST:
                self.readings.clear()
                self.asked_at.clear()
            self.readings[question] = (began, result)

    def answer(self, question: Question) -> object:
        """Give what is known while it is recent, or read it."""
        now = time.monotonic()
        with self.guard:
            found = self.readings.get(question)
            self.asked_at[question] = now
        age = now - found[0] if found is not None else self.seconds
        is_mine = age >= self.seconds * READ_FROM and self.is_mine_to_read(question)
        if found is not None and age < self.seconds and not is_mine:
            return found[1]
        return self.read(question, is_mine=is_mine)

    def read(self, question: Question, *, is_mine: bool) -> object:
        """Read, and remember unless it raises."""
        read, args, kwargs = question
        began = time.monotonic()
        try:
            result = read(*args, **dict(kwargs))
            self.keep(question, began, result)
        finally:
            if is_mine:
                self.is_read(question)
        return result

    def getting_old(self) -> list[Question]:
        """Give what somebody asked for lately and that should be read anew; what nobody asks for is forgotten."""
        now = time.monotonic()
        with self.guard:
            asked_from = now - ASKED_LATELY_SECONDS
            self.asked_at = {one: at for one, at in self.asked_at.items() if at >= asked_from}
            self.readings = {
                one: known
                for one, known in self.readings.items()
                if one in self.asked_at or now - known[0] < self.seconds
            }
            oldest = now - self.seconds * REFRESHED_FROM
            known = self.readings.items()
            return [one for one, (began, _) in known if began <= oldest and one in self.asked_at]

    def leave(self, question: Question) -> None:
        """Let nobody read it until somebody asks."""
        with self.guard:
            self.asked_at.pop(question, None)


_memory = _Memory()


def remember(seconds: float) -> None:
    """Let readings be used for so long; 0: read anew each time."""
    _memory.seconds = seconds
    forget()


def forget() -> None:
    """Read everything anew: something has changed."""
    with _memory.guard:
        _memory.readings.clear()
        _memory.asked_at.clear()
        _memory.forgotten_at = time.monotonic()


def refresh() -> None:
    """Read anew what was asked for in the last seconds and is getting old, before anybody has to wait for it.

    Raises what a database raises that is away. Any other error is left for whoever asks next, who has it too: a bug
    in one reading stops no other.
    """
    for question in _memory.getting_old():
        if not _memory.is_mine_to_read(question):
            continue
        try:
            _memory.read(question, is_mine=True)
        except (OperationalError, InterfaceError):
            raise
        except Exception:  # noqa: BLE001  whoever asks has it
            _memory.leave(question)


def recent(read: Callable[P, T]) -> Callable[P, T]:
    """Let a reading be used again while it is recent; what it raises is not remembered.

    Late in that time one thread reads it anew, and has what that raises, while the others still go by what
    they have: all of them at once would ask the same.
    """

    @wraps(read)
    def remembered(*args: P.args, **kwargs: P.kwargs) -> T:
        if not _memory.seconds:
            return read(*args, **kwargs)
        return cast(T, _memory.answer((read, args, tuple(sorted(kwargs.items())))))

    return remembered
