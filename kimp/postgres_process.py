"""Look at server processes through /proc: is this postmaster ours, and is it truly alive?"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


def postmaster_pid(data: Path) -> int | None:
    """Return the pid that postmaster.pid names, alive or not."""
    try:
        first = (data / "postmaster.pid").read_text("utf-8").split("\n", 1)[0]
    except FileNotFoundError:
        return None
    return int(first) if first.strip().isdigit() else None


def is_server_of(pid: int, data: Path) -> bool:
    """Tell whether the pid is a living process of the server on this data folder."""
    if _is_zombie_or_gone(pid):
        return False
    try:
        return (PROC / str(pid) / "cwd").readlink() == data.resolve()
    except OSError:
        # Without /proc, or without leave to look, believe the pid file: refusing is the safe side.
        return not PROC.joinpath("self").exists() or _names_data(pid, data)


def serves_here(data: Path) -> bool:
    """Tell whether the server of this data folder lives."""
    pid = postmaster_pid(data)
    return pid is not None and is_server_of(pid, data)


def _names_data(pid: int, data: Path) -> bool:
    try:
        return os.fsencode(data) in (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return False


def _is_zombie_or_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    try:
        stat = (PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return PROC.joinpath("self").exists()
    return stat.rpartition(")")[2].split()[0] in "ZX"


def survivors(data: Path) -> list[int]:
    """Return the pids of every living process whose working folder is the data folder."""
    pids = (int(entry.name) for entry in PROC.glob("[0-9]*"))
    return [pid for pid in pids if is_server_of(pid, data)]


def remove_stale_pid_file(data: Path, *, patience_seconds: float) -> None:
    """Remove postmaster.pid once no process of that server lives any more.

    PostgreSQL itself trusts any living pid, also a zombie's or one that was given out again.
    Orphaned backends end by themselves soon after their postmaster; until then the file stays.
    """
    pid = postmaster_pid(data)
    if pid is None or is_server_of(pid, data) or not PROC.joinpath("self").exists():
        return
    deadline = time.monotonic() + patience_seconds
    while survivors(data):
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)
    (data / "postmaster.pid").unlink(missing_ok=True)


def end(pid: int, data: Path, *, patience_seconds: float) -> signal.Signals | None:
    """End a server within the patience: a fast shutdown first, then an immediate one, then all of it by force.

    Returns the signal that it took, None if not even the last did.
    """
    ends_at, quick = time.monotonic() + patience_seconds, min(patience_seconds / 5, 2.0)
    for sign, left in ((signal.SIGINT, 2 * quick), (signal.SIGQUIT, quick), (signal.SIGKILL, 0.0)):
        # Of a postmaster that is killed the others notice, unless they stand still as it did.
        others = survivors(data) if sign is signal.SIGKILL else []
        for one in (pid, *others):
            with suppress(ProcessLookupError):
                os.kill(one, sign)
        while is_server_of(pid, data) and time.monotonic() < ends_at - left:
            time.sleep(0.02)
        if not is_server_of(pid, data):
            return sign
    return None


def end_unborn(children: Iterable[subprocess.Popen[bytes]]) -> None:
    """End servers that we have started, and that no postmaster.pid names yet."""
    for child in children:
        child.send_signal(signal.SIGINT)  # of one that is over it sends none
        try:
            child.wait(2.0)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
