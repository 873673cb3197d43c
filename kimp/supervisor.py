"""The foreground supervisor: starts children, prefixes their lines, starts the dead again."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

from kimp.asking import Asked
from kimp.children import Child, ChildSpec
from kimp.leftovers import ChildFile

_Result = TypeVar("_Result")
_CHECK_SECONDS = 10.0
# All of it ends within ten seconds of the signal: the roles (5.5, the queue's cluster 6), then the venues
# on which they rely, then what whoever runs us ends last, the database server.
_END_SECONDS = 9.2
_ROLES_END_SECONDS = 6.5
_ALL_END_SECONDS = 8.0
_COLOURS = (36, 32, 33, 35, 34, 96, 92, 93)


class SupervisorError(Exception):
    """The desk cannot start; the message is one clear sentence."""


class InterruptedBySignalError(KeyboardInterrupt):
    """A signal breaks off what `unless_ended` runs; not a fault that anybody may swallow."""


@dataclass(slots=True)
class Printer:
    """Writes one line of one child, its name in front."""

    write: Callable[[str], object]
    has_colours: bool
    width: int = 10
    _names: list[str] = field(default_factory=list)

    def line(self, name: str, text: str) -> None:
        """Print a line; a terminal that has gone away is no reason to die."""
        if name not in self._names:
            self._names.append(name)
        prefix = f"{name:<{self.width}} |"
        if self.has_colours:
            colour = _COLOURS[self._names.index(name) % len(_COLOURS)]
            prefix = f"\x1b[{colour}m{prefix}\x1b[0m"
        try:
            self.write(f"{prefix} {text}\n")
        except OSError:
            self.write = lambda _: None


class Supervisor(AbstractContextManager["Supervisor"]):
    """A group of children in one foreground process.

    Use as a context manager: leaving it ends every child, those on which others rely last.
    """

    def __init__(
        self, child_file: Path, printer: Printer, *, check_seconds: float = _CHECK_SECONDS
    ) -> None:
        self.children: list[Child] = []
        self.is_ending = False
        self._told_at: float | None = None
        self._may_break_off = False
        self._printer = printer
        self._file = ChildFile(child_file)
        self._pipes = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        self._handlers: dict[signal.Signals, Any] = {}
        self._check_seconds = check_seconds
        self._next_check = time.monotonic() + check_seconds

    def __enter__(self) -> Self:
        """End the leftovers of a killed supervisor, then listen for signals."""
        for name in self._file.end_leftovers(patience_seconds=5):
            self._printer.line("kimp", f"ended {name}, left over from a supervisor that was killed")
        os.set_blocking(self._wake_write, False)
        os.set_blocking(self._wake_read, False)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        self._pipes.register(self._wake_read, selectors.EVENT_READ)
        for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._handlers[sign] = signal.signal(sign, self._on_signal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End every child; a second signal kills them at once."""
        self._begin_to_end()
        self.end_all()
        signal.set_wakeup_fd(-1)
        for sign, handler in self._handlers.items():
            signal.signal(sign, handler)
        self._pipes.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def unless_ended(self, work: Callable[[], _Result]) -> _Result | None:
        """Do what serves no children and may take long; a signal breaks it off, as Ctrl-C does, and gives None."""
        try:
            self._may_break_off = True
            return None if self.is_ending else work()
        except InterruptedBySignalError:
            return None
        finally:
            self._may_break_off = False

    def seconds_left(self, until: float = _END_SECONDS) -> float:
        """Give what is left of so many seconds since we were told to end; all, if we were not."""
        told_at = time.monotonic() if self._told_at is None else self._told_at
        return max(told_at + until - time.monotonic(), 0.0)

    def start(self, spec: ChildSpec) -> Child:
        """Start a child and keep it running from now on."""
        child = Child(spec=spec)
        self.children.append(child)
        self._launch(child)
        return child

    def run(self) -> None:
        """Serve until a signal says to end."""
        self.pump(lambda: False)

    def pump(self, is_done: Callable[[], bool], *, patience_seconds: float | None = None) -> bool:
        """Serve until the claim holds; False if a signal or the patience's end came first."""
        deadline = None if patience_seconds is None else time.monotonic() + patience_seconds
        while not self.is_ending:
            if is_done():
                return True
            if deadline is not None and time.monotonic() > deadline:
                return False
            self._turn(0.2)
            self._revive()
            self._check()
        return False

    def end_all(self, *, patience_seconds: float | None = None) -> None:
        """End the children: together, then those on which they rely (the venues of a simulated desk)."""
        last = [child for child in self.children if child.spec.ends_last]
        rest = [child for child in self.children if not child.spec.ends_last]
        given = self.seconds_left(_ROLES_END_SECONDS)
        self._end(rest, given if patience_seconds is None else patience_seconds)
        self._end(last, self.seconds_left(_ALL_END_SECONDS))

    def _end(self, children: Sequence[Child], patience_seconds: float) -> None:
        for child in children:
            child.ask_to_end()
        deadline = time.monotonic() + patience_seconds
        running = [child for child in children if child.process is not None]
        was_ending = self.is_ending
        while running and time.monotonic() < deadline and self.is_ending == was_ending:
            self._turn(0.05)
            for child in [child for child in running if child.has_ended()]:
                running.remove(child)
                self._bury(child)
        for child in running:
            self._printer.line("kimp", f"{child.spec.name} does not end; killed")
            self._bury(child)

    def _turn(self, seconds: float) -> None:
        """Pass on what the children have written."""
        for key, _ in self._pipes.select(seconds):
            if key.data is None:
                os.read(self._wake_read, 512)
            else:
                self._pass_on(key.data)

    def _pass_on(self, child: Child) -> None:
        for line in child.lines():
            self._printer.line(child.spec.name, line)
        if child.is_silent:
            self._unregister(child)

    def _unregister(self, child: Child) -> None:
        if child.pipe is not None and child.pipe in self._pipes.get_map():
            self._pipes.unregister(child.pipe)

    def _launch(self, child: Child) -> None:
        child.start()
        if child.pipe is not None:
            self._pipes.register(child.pipe, selectors.EVENT_READ, child)
        if child.identity is not None:
            self._file.add(child.spec.name, child.identity)

    def _bury(self, child: Child) -> int:
        self._pass_on(child)
        self._unregister(child)
        self._file.forget(child.spec.name)
        return child.bury()

    def _revive(self) -> None:
        for child in self.children:
            if child.has_ended():
                code = self._bury(child)
                pause = max(0, round(child.due_at - time.monotonic()))
                self._printer.line(
                    "kimp", f"{child.spec.name} ended (status {code}); starts again in {pause} s"
                )
            if child.process is None and time.monotonic() >= child.due_at and not self.is_ending:
                self._launch(child)

    def _check(self) -> None:
        """Ask about each child in a thread: who is asked (a database) may stand still."""
        is_due = time.monotonic() >= self._next_check
        if is_due:
            self._next_check = time.monotonic() + self._check_seconds
        for child in self.children:
            question = child.spec.is_wedged
            if child.asked is not None and child.asked.is_answered:
                reason, child.asked = child.asked.answer, None
                self._start_again(child, reason)
            elif is_due and question and child.asked is None and child.process is not None:
                child.asked = Asked(partial(question, child.uptime_seconds))

    def _start_again(self, child: Child, reason: str | None) -> None:
        if reason and child.process is not None:
            self._printer.line("kimp", f"{child.spec.name}: {reason}; starting it again")
            self._end([child], 5.0)
            child.due_at = 0.0

    def _begin_to_end(self) -> None:
        self.is_ending = True
        if self._told_at is None:
            self._told_at = time.monotonic()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.is_ending:  # the second one: no more patience
            for child in self.children:
                if child.process is not None:
                    child.process.kill()
        self._begin_to_end()
        if self._may_break_off:
            raise InterruptedBySignalError
