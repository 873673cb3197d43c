"""Processes as /proc shows them: who they are beyond a number that is given out again."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

MARK = "_KIMP_CHILD"  # in a child's environment, and thereby in that of all whom it starts
_PROC = Path("/proc")
_DYING_SECONDS = 2.0
_EMPTY_LOOKS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process by pid and start time; `started` counts clock ticks since boot.

    `mark` is what its environment has as MARK, if it was started with one.
    """

    pid: int
    started: int
    session: int
    mark: str = field(default="", compare=False)


def boot_id() -> str:
    """Name this boot of the machine: start times mean nothing beyond it."""
    with contextlib.suppress(OSError):
        return (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
    return ""


def look_up(pid: int) -> Process | None:
    """Return the living process of that pid; None for a zombie, too."""
    found = _read(pid)
    return None if found is None or found[1] in "ZX" else found[0]


def _read(pid: int) -> tuple[Process, str] | None:
    try:
        fields = (
            (_PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        )
    except OSError:
        return None
    return Process(pid=pid, session=int(fields[3]), started=int(fields[19])), fields[0]


def session_of(leader: Process) -> list[Process]:
    """Return the living processes of the session that `leader` opened, itself included.

    The number of a session is not given out again while a member lives; a living pid with
    another start time shows that the session is long gone and its number somebody else's. So does
    one without the leader's mark: a daemon whose own leader, of the same number, has ended as well.
    """
    now = look_up(leader.pid)
    if now is not None and now.started != leader.started:
        return []
    found = (look_up(pid) for pid in _pids())
    return [
        process
        for process in found
        if process and process.session == leader.pid and process.started >= leader.started
        if not leader.mark or _has_mark(process.pid, leader.mark)
    ]


def _has_mark(pid: int, mark: str) -> bool:
    """Tell whether a process has inherited the mark; of somebody else's, who lets us not look, it has not."""
    try:
        variables = (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return f"{MARK}={mark}".encode() in variables


def end_session(leader: Process, *, patience_seconds: float) -> None:
    """End a session: ask its leader, wait, then kill whoever is left."""
    if any(process.pid == leader.pid for process in session_of(leader)):
        _signal(leader.pid, signal.SIGTERM)
        deadline = time.monotonic() + patience_seconds
        while time.monotonic() < deadline and look_up(leader.pid) == leader:
            time.sleep(0.05)
    kill_session(leader)


def kill_session(leader: Process) -> None:
    """Kill every living process of a session, those too that are born while it dies.

    Who forks and ends while /proc is read hides its child. So the leader's group is killed by its
    number, which the kernel does for all of it at once, and one empty look is not believed.
    """
    ends_at = time.monotonic() + _DYING_SECONDS
    empty_looks = 0
    while empty_looks < _EMPTY_LOOKS and time.monotonic() < ends_at:
        left = session_of(leader)
        empty_looks = 0 if left else empty_looks + 1
        found = _read(leader.pid)
        if left or (found is not None and found[0] == leader):  # its number is nobody else's
            _signal(-leader.pid, signal.SIGKILL)
        for process in left:
            _signal(process.pid, signal.SIGKILL)
        time.sleep(0.01)


def kill_descendants(pid: int) -> None:
    """Kill all whom a process has started, and all whom they have; who starts others goes first.

    Whoever has opened a session of its own lives on, and all below: the database server, which others use.
    """
    found = _read(pid)
    if found is None:
        return
    session = found[0].session
    same = [one for one in _pids() if (now := _read(one)) and now[0].session == session]
    parents = {one: _parent_of(one) for one in same}
    generation = {pid}
    while generation := {one for one, parent in parents.items() if parent in generation}:
        for one in generation:
            _signal(one, signal.SIGKILL)


def _parent_of(pid: int) -> int:
    with contextlib.suppress(OSError):
        stat = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
        return int(stat.rpartition(")")[2].split()[1])
    return 0


def _signal(pid: int, sign: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, sign)


def _pids() -> Iterator[int]:
    with contextlib.suppress(OSError):
        yield from (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())
