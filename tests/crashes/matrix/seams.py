"""The places where a process can die, found by watching its commits and its calls, not by a list.

Runs inside the process that is to die. A place is named by where it lies in our code, with the line within each
function: code which commits or calls in a new place has a new name, and is killed there from then on.
"""

from __future__ import annotations

import http.client
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from exchanges.transport.calls import VenueTransport
from exchanges.transport.http import HttpSender
from exchanges.transport.wire import Request

ROOMS = ("cycles", "exchanges", "kimp")
# They run other people's work: the place is where that work stands.
CARRIERS = {"in_transaction", "in_one_statement", "_again_while_busy", "persistently"}
CARRYING_MODULES = {"committing", "plain", "stepping"}
CARRYING_ROOMS = ("kimp/database", "kimp/middleware.py")
# Functions of ours in the database, too, but for those that only read.
READING = r"standing_v\d+|home|ledger_problems_v\d+"
WRITES = re.compile(
    rf"\b(?:(?:INSERT INTO|UPDATE|DELETE FROM|MERGE INTO|TRUNCATE)\b|kimp_(?!(?:{READING})\b)\w+\()"
)
PROJECT = str(Path(__file__).resolve().parents[3])
FRAMES = 2  # that name a place: who commits, and for whom
LINE = re.compile(r":\d+")  # within its function, behind the function's name


def without_lines(place: str) -> str:
    """Name a place by its functions only: whoever writes a name down means every line of them."""
    return LINE.sub("", place)


@dataclass
class Seams:
    """Tells every place as it is reached, and dies at one: the `nth` time that `name` is reached.

    A name without lines is reached with each of its lines. Or it falls asleep there, or is told to stop, by another
    signal. Where `known` are given: at the first of those it `may` choose that is not known.
    """

    tell: Callable[[str], object]
    name: str = ""
    nth: int = 1
    context: str = ""
    sign: signal.Signals = signal.SIGKILL
    known: frozenset[str] | None = None
    may: re.Pattern[str] = re.compile("")
    _seen: int = 0
    _is_watching: bool = True

    def reach(self, place: str) -> None:
        """Be at a place; perhaps the last one."""
        if not self._is_watching:
            return
        name = f"{self.context}: {place}" if self.context else place
        self.tell(name)
        if self._is_chosen(name):
            self.known = None
            os.kill(os.getpid(), self.sign)
            time.sleep(
                60 if self.sign is signal.SIGKILL else 0.1
            )  # it arrives at once, or a moment later

    def _is_chosen(self, name: str) -> bool:
        if self.known is not None:
            return name not in self.known and bool(self.may.search(name))
        if self.name not in {name, without_lines(name)}:
            return False
        self._seen += 1
        return self._seen == self.nth

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """Do what belongs to the test."""
        before, self._is_watching = self._is_watching, False
        try:
            yield
        finally:
            self._is_watching = before


def watch(seams: Seams) -> None:
    """Watch every commit and every call of this process from now on."""
    _watch_commits(seams)
    _watch_calls(seams)


def _watch_commits(seams: Seams) -> None:
    commit = BaseDatabaseWrapper.commit

    def watched(self: BaseDatabaseWrapper) -> None:
        place = _here()
        seams.reach(f"{place} | before the commit")
        commit(self)
        seams.reach(f"{place} | after the commit")

    BaseDatabaseWrapper.commit = watched  # type: ignore[method-assign]
    statement = _statement_of(seams)

    def watch_statements(connection: BaseDatabaseWrapper, **_: object) -> None:
        if statement not in connection.execute_wrappers:  # a pooled one connects again and again
            connection.execute_wrappers.append(statement)

    watch_statements(connections["default"])
    connection_created.connect(watch_statements, weak=False)  # each thread has one of its own


def _statement_of(seams: Seams) -> Callable[..., Any]:
    """Watch what commits by itself: a statement that writes outside a transaction."""

    def watched(
        execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        if context["connection"].in_atomic_block or not WRITES.search(str(sql)):
            return execute(sql, params, many, context)
        place = _here()
        seams.reach(f"{place} | before the commit")
        result = execute(sql, params, many, context)
        seams.reach(f"{place} | after the commit")
        return result

    return watched


def _watch_calls(seams: Seams) -> None:
    """Watch whatever goes on the wire: a venue's calls by their names, others by where they stand."""
    call, send = VenueTransport._send, HttpSender.send
    getresponse = http.client.HTTPConnection.getresponse
    under_way: list[str] = []

    @contextmanager
    def on_the_wire(name: str) -> Iterator[None]:
        seams.reach(f"{name} | before the call")
        under_way.append(name)
        try:
            yield
        finally:  # also where it raised
            under_way.pop()
            seams.reach(f"{name} | after the call")

    def watched_call(self: VenueTransport, request: Request, ends_at: float) -> Any:
        with on_the_wire(f"{self._dialect.venue} {request.operation}"):
            return call(self, request, ends_at)

    def watched_send(self: HttpSender, *args: Any, **facts: Any) -> Any:
        if under_way:
            return send(self, *args, **facts)
        with on_the_wire(_here()):
            return send(self, *args, **facts)

    def watched_getresponse(self: http.client.HTTPConnection) -> http.client.HTTPResponse:
        if under_way:
            seams.reach(f"{under_way[-1]} | sent, not answered")
        return getresponse(self)

    VenueTransport._send = watched_call  # type: ignore[method-assign]
    HttpSender.send = watched_send  # type: ignore[method-assign]
    http.client.HTTPConnection.getresponse = watched_getresponse  # type: ignore[method-assign]


def _here() -> str:
    """Name the place by the innermost functions of ours that stand there."""
    lines: dict[str, int] = {}
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and len(lines) < FRAMES:
        name = _named(frame)
        if name:
            lines.setdefault(name, frame.f_lineno - frame.f_code.co_firstlineno)
        frame = frame.f_back
    return " < ".join(f"{name}:{line}" for name, line in lines.items()) or "elsewhere"


def _named(frame: FrameType) -> str:
    path = frame.f_code.co_filename.removeprefix(PROJECT + os.sep)
    room, _, rest = path.partition(os.sep)
    function = frame.f_code.co_qualname.replace(".<locals>.", ".")
    module = Path(rest).stem
    if room not in ROOMS or function in CARRIERS or module in CARRYING_MODULES:
        return ""
    if path.startswith(CARRYING_ROOMS):
        return ""
    return "" if function.startswith("<") else f"{module}.{function}"
