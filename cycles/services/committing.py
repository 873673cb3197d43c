"""Group commit: what many threads want written at one moment is written in one transaction.

Whoever comes while nobody writes, writes at once, alone; whoever comes meanwhile is written together with
all others that came. Nobody waits for company, nor for a lock that another's row is kept waiting by, nor for
long behind a statement that hangs with its connection: but what is in that statement waits for its end.
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
PATIENCE_SECONDS = 3.0  # then somebody else leads, whatever the one who leads waits for


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
    is_called: threading.Event = field(default_factory=threading.Event)  # it is over, or to lead
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
        self.waiting: list[_Waiting[Row, Told]] = []  # in nobody's statement yet
        self._guard = threading.Lock()
        self._leader: _Waiting[Row, Told] | None = None

    def __call__(self, row: Row) -> Told:
        """Write a row, with others if there are any; raises what writing it raised."""
        mine: _Waiting[Row, Told] = _Waiting(row)
        with self._guard:
            self.waiting.append(mine)
            if leads := self._leader is None:
                self._call_next()
        try:
            if not leads:
                lend_connection()  # whoever writes for us may need it
        finally:
            # Whatever it met: all behind it may wait for it to lead.
            while group := self._taken(mine):
                self._lead(mine, group)
        if mine.error is not None:
            raise mine.error
        return self._alone(row) if mine.told is None else mine.told

    def _taken(self, mine: _Waiting[Row, Told]) -> list[_Waiting[Row, Told]]:
        """Wait until one's own row is over, which gives nothing, or take what waits, in order to lead.

        In one's turn, or in place of a leader that takes too long. A row that is taken is in a statement, so that
        it may stand already: nobody takes it again.
        """
        while True:
            mine.is_called.wait(PATIENCE_SECONDS)
            with self._guard:
                if mine.is_over:
                    return []
                if mine in self.waiting:
                    self._leader = mine
                    group, self.waiting = self.waiting[:MOST], self.waiting[MOST:]
                    return group
                mine.is_called.clear()  # to lead: another did it in our place

    def _lead(self, mine: _Waiting[Row, Told], group: Sequence[_Waiting[Row, Told]]) -> None:
        """Write a group; then let the first of those that came meanwhile lead, unless another leads by now."""
        try:
            self._write_together(self._apart(group))
        except Exception as error:  # noqa: BLE001  handed to the threads that it belongs to
            # Nobody knows whether it was written: each row's own thread sees to that.
            for one in group:
                one.error = error
        finally:
            with self._guard:
                for one in group:
                    one.is_over = True
                    one.is_called.set()
                if self._leader is mine:
                    self._call_next()

    def _call_next(self) -> None:
        """Let the first that waits lead, if anybody waits; under the guard."""
        self._leader = self.waiting[0] if self.waiting else None
        if self._leader is not None:
            self._leader.is_called.set()

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
