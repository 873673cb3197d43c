"""Group commit: what many threads want written at one moment is written in one transaction.

Whoever comes while nobody writes, writes at once, alone; whoever comes meanwhile is written together with
all others that came. Nobody waits for company.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from django.db import DatabaseError

from cycles.services.outage import UNREACHABLE, lend_connection

Row = TypeVar("Row")
Told = TypeVar("Told")

MOST = 100  # rows of one statement


@dataclass(slots=True, eq=False)
class _Waiting(Generic[Row, Told]):
    """One row on its way, and what became of it."""

    row: Row
    is_written: bool = False
    is_done: threading.Event = field(default_factory=threading.Event)
    told: Told | None = None
    error: BaseException | None = None


def _is_refusal(error: Exception) -> bool:
    """Say whether the database refused one of the rows, so that all of them were rolled back."""
    return isinstance(error, DatabaseError) and not isinstance(error, UNREACHABLE)


class Group(Generic[Row, Told]):
    """Writes rows of one kind. `write` commits some rows and gives what was told of each, in order.

    None of a row whose lock somebody else has: then it is written alone, and `write` waits for the lock.
    `of` says what a row is about: two rows about the same are never written together.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Row]], Sequence[Told | None]],
        *,
        of: Callable[[Row], object],
    ) -> None:
        self._write, self._of = write, of
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
            lend_connection()  # whoever writes for us may need it
            mine.is_done.wait()
            if not mine.is_written:
                self._lead()  # the one who led has done its own: the next in line goes on
        if mine.error is not None:
            raise mine.error
        if mine.told is None:
            raise AssertionError("unreachable")
        return mine.told

    def _lead(self) -> None:
        """Write all that waits, one's own row among it; then let the first of those that came meanwhile lead."""
        with self._guard:
            group, self.waiting = self.waiting[:MOST], self.waiting[MOST:]
        try:
            self._write_all(group)
        finally:
            self._hand_over(group)

    def _hand_over(self, group: Sequence[_Waiting[Row, Told]]) -> None:
        """Let everybody of a group go, and somebody else lead, if anybody waits."""
        for one in group:
            one.is_written = True
            one.is_done.set()
        with self._guard:
            self._is_led = bool(self.waiting)
            if self.waiting:
                self.waiting[0].is_done.set()

    def _write_all(self, group: Sequence[_Waiting[Row, Told]]) -> None:
        """Write a group; what it could not, or must not, write together is written row by row."""
        together, others = self._apart(group)
        rest: Sequence[_Waiting[Row, Told]] = group
        if len(together) > 1:
            try:
                told = self._write([one.row for one in together])
            except Exception as error:  # noqa: BLE001  handed to the threads that it belongs to
                if not _is_refusal(error):
                    # Nobody knows whether it was written: each row's own thread sees to that.
                    for one in group:
                        one.error = error
                    return
            else:
                for one, answer in zip(together, told, strict=True):
                    one.told = answer
                rest = [*(one for one in together if one.told is None), *others]
        for one in rest:
            self._write_alone(one)

    def _apart(
        self, group: Sequence[_Waiting[Row, Told]]
    ) -> tuple[list[_Waiting[Row, Told]], list[_Waiting[Row, Told]]]:
        """Give the first row about each thing, and the others: theirs is another lease, perhaps a lost one."""
        first = {self._of(one.row): one for one in reversed(group)}
        together = [one for one in group if first[self._of(one.row)] is one]
        return together, [one for one in group if first[self._of(one.row)] is not one]

    def _write_alone(self, one: _Waiting[Row, Told]) -> None:
        """Write one row, waiting for whoever holds its locks; what it raises is its thread's to handle."""
        try:
            (one.told,) = self._write([one.row])
        except Exception as error:  # noqa: BLE001  handed to the thread that it belongs to
            one.error = error
