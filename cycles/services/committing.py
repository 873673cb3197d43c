"""Group commit: what many threads want written at one moment is written in one transaction.

Whoever comes while nobody writes, writes at once, alone; whoever comes meanwhile is written together with
all others that came. Nobody waits for company, nor for a lock that another's row is kept waiting by.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from django.db import Error

from cycles.services.outage import UNREACHABLE, lend_connection

Row = TypeVar("Row")
Told = TypeVar("Told")
Given_contra = TypeVar("Given_contra", contravariant=True)
Answer_co = TypeVar("Answer_co", covariant=True)

MOST = 100  # rows of one statement


class Write(Protocol[Given_contra, Answer_co]):
    """Commits some rows, and gives what was told of each, in order.

    None of a row that somebody else may have locked, unless it `waits` for that.
    """

    def __call__(
        self, rows: Sequence[Given_contra], /, *, waits: bool
    ) -> Sequence[Answer_co | None]: ...


@dataclass(slots=True, eq=False)
class _Waiting(Generic[Row, Told]):
    """One row on its way, and what became of it."""

    row: Row
    is_over: bool = False  # for the group: what it did not write is the row's own thread's
    is_done: threading.Event = field(default_factory=threading.Event)
    told: Told | None = None
    error: BaseException | None = None


class Group(Generic[Row, Told]):
    """Writes rows of one kind. `of` says what a row is about: two rows about the same are never written together.

    Where it only `reads`, nothing is in doubt after an error, whatever it was: each thread reads its own row again.
    """

    def __init__(
        self, write: Write[Row, Told], *, of: Callable[[Row], object], reads: bool = False
    ) -> None:
        self._write, self._of, self._reads = write, of, reads
        self.waiting: list[_Waiting[Row, Told]] = []
        self._guard = threading.Lock()
        self._is_led = False

    def __call__(self, row: Row) -> Told:
        """Write a row, with others if there are any; raises what writing it raised."""
        mine: _Waiting[Row, Told] = _Waiting(row)
        with self._guard:
            self.waiting.append(mine)
            leads, self._is_led = not self._is_led, True
        if leads:
            self._lead()
        else:
            try:
                lend_connection()  # whoever writes for us may need it
            finally:
                mine.is_done.wait()
                if not mine.is_over:  # the one who led has done its own: the next in line goes on,
                    self._lead()  # whatever it met, for all behind it wait for it
        if mine.error is not None:
            raise mine.error
        return self._alone(row) if mine.told is None else mine.told

    def _lead(self) -> None:
        """Write what waits, one's own row among it; then let the first of those that came meanwhile lead."""
        with self._guard:
            group, self.waiting = self.waiting[:MOST], self.waiting[MOST:]
        try:
            self._write_together(self._apart(group))
        except Exception as error:  # noqa: BLE001  handed to the threads that it belongs to
            # Nobody knows whether it was written: each row's own thread sees to that.
            for one in group:
                one.error = error
        finally:
            self._hand_over(group)

    def _hand_over(self, group: Sequence[_Waiting[Row, Told]]) -> None:
        """Let everybody of a group go, and somebody else lead, if anybody waits."""
        for one in group:
            one.is_over = True
            one.is_done.set()
        with self._guard:
            self._is_led = bool(self.waiting)
            if self.waiting:
                self.waiting[0].is_done.set()

    def _apart(self, group: Sequence[_Waiting[Row, Told]]) -> list[_Waiting[Row, Told]]:
        """Give the first row about each thing; the others are of another lease, perhaps a lost one."""
        first = {self._of(one.row): one for one in reversed(group)}
        return [one for one in group if first[self._of(one.row)] is one]

    def _write_together(self, group: Sequence[_Waiting[Row, Told]]) -> None:
        """Write some rows by one statement. If the database refuses one of several, none of them stands."""
        try:
            told = self._write([one.row for one in group], waits=False)
        except Error as error:
            is_in_doubt = isinstance(error, UNREACHABLE) and not self._reads
            if len(group) == 1 or is_in_doubt:
                raise
            return
        for one, answer in zip(group, told, strict=True):
            one.told = answer

    def _alone(self, row: Row) -> Told:
        """Write what a group did not, over the thread's own connection, waiting for whoever has its locks."""
        (told,) = self._write([row], waits=True)
        if told is None:
            raise AssertionError("unreachable")
        return told
