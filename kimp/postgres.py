"""Embedded PostgreSQL: one starter, many joiners, the last one out stops the server.

A real server over TCP on loopback, with scram and a random password in a 0600 file. A process
that uses it holds a shared lock for as long as it lives, whatever kills it; a process that ends
in an orderly way and finds no other holder stops the server.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from psycopg import sql

from kimp import postgres_process as processes, postgres_serving as serving
from kimp.locks import FileLock, LockTimeoutError
from kimp.postgres_binaries import WAYS_OUT, PostgresError, found
from kimp.postgres_connection import (
    USER,
    ConnectionInfo,
    connect,
    new_info,
    remember,
    remembered,
    serves,
)
from kimp.postgres_home import START_SECONDS, base_of, exclusive
from kimp.postgres_place import Place, chosen, demand_whole, known, own, own_all, reachable
from kimp.sockets import free_port, is_free

__all__ = [
    "ConnectionInfo", "PostgresError", "asked", "end", "ensure_running", "held", "release", "shut", "status", "stop",
]  # fmt: skip

_STOP_SECONDS = 15
_BIRTH_SECONDS = 15  # at least, from the first process on
CUT_SHORT = "the database server did not end in time and was ended by force; it recovers when it is started again"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatus:
    """What `status` found."""

    is_running: bool
    pid: int | None
    port: int | None
    data: Path | None


@dataclass(slots=True)
class _Held:
    """This process's share in a running server."""

    info: ConnectionInfo
    users: FileLock
    pid: int  # the process that took it: a forked child must not give it back


_held: dict[Path, _Held] = {}
_children: list[subprocess.Popen[bytes]] = []  # kept so that a dead postmaster is reaped here


def ensure_running(home: Path, programs: Path | None = None) -> ConnectionInfo:
    """Start the server of `home`, or join it when it runs, and hold it until this process ends.

    `programs` is a folder with postgres and initdb, to be used instead of those found.

    Raises PostgresError, whose message names the three ways out.
    """
    base = base_of(home)
    with exclusive(base):
        info, place = remembered(base), known(base)
        if info is None or place is None or not serves(info, place.data):
            info = _begin(base, programs)
        _hold(base, info)
    return info


def _begin(base: Path, programs: Path | None) -> ConnectionInfo:
    """Start the server; if that is broken off (Ctrl-C), none is left running that nobody holds."""
    before = list(_children)
    try:
        return _start(base, programs)
    except KeyboardInterrupt:
        users = FileLock(base / "users")
        if users.try_exclusive():
            _end_seen(known(base), 3.0)
            processes.end_unborn([child for child in _children if child not in before])
        users.close()
        raise


def held(home: Path) -> ConnectionInfo | None:
    """Return what this process (or the one it was forked from) already holds."""
    share = _held.get(home.absolute() / "postgres")
    return share.info if share is not None else None


def release(
    home: Path,
    *,
    patience_seconds: float = _STOP_SECONDS,
    say: Callable[[str], object] | None = None,
) -> bool:
    """Give up this process's share; stops the server and returns True if nobody else holds one.

    `say` is told when the server had to be ended by force. Raises PostgresError where the patience ends first.
    """
    base = home.absolute() / "postgres"
    share = _held.pop(base, None)
    if share is None or share.pid != os.getpid():
        return False
    ends_at = time.monotonic() + patience_seconds
    users = contextlib.closing(share.users)  # given up in our turn, and also where that never comes
    with users, exclusive(base, patience_seconds / 2), users:
        is_last = share.users.try_exclusive()
        if not is_last:
            _detach()
        elif _end(base, ends_at - time.monotonic()) not in (None, signal.SIGINT) and say:
            say(CUT_SHORT)
    return is_last


def stop(home: Path) -> bool:
    """Stop the server of `home`, whoever uses it; return whether one ran."""
    with shut(home):
        return end(home)


@contextlib.contextmanager
def shut(home: Path) -> Iterator[None]:
    """Let nobody start, join or stop the server of `home` meanwhile. Raises PostgresError."""
    with exclusive(base_of(home)):
        yield


def end(home: Path) -> bool:
    """Stop the server of a home that is shut, whoever uses it; return whether one ran. Raises PostgresError."""
    base = base_of(home)
    return remembered(base) is not None and _end(base, _STOP_SECONDS) is not None


@contextlib.contextmanager
def asked(home: Path, programs: Path | None = None) -> Iterator[ConnectionInfo | None]:
    """Have the server of a home that is shut run; one that was down is stopped again.

    Gives None where there is no data; nothing is made. Raises PostgresError, also where data is missing.
    """
    base = base_of(home)
    place, info = known(base), remembered(base)
    if place is None or _major_of(place.data) is None:
        demand_whole(base)
        yield None
    elif info is not None and serves(info, place.data):
        yield info
    else:
        try:
            yield _begin(base, programs)
        finally:
            _end(base, _STOP_SECONDS)


def status(home: Path) -> ServerStatus:
    """Say whether the server of `home` answers, without starting anything."""
    base = home.absolute() / "postgres"
    info, place = (remembered(base), known(base)) if base.exists() else (None, None)
    if info is None or place is None:
        return ServerStatus(is_running=False, pid=None, port=None, data=None)
    data = place.data
    is_running = serves(info, data)
    pid = processes.postmaster_pid(data) if is_running else None
    return ServerStatus(is_running=is_running, pid=pid, port=info.port, data=data)


def _hold(base: Path, info: ConnectionInfo) -> None:
    share = _held.get(base)
    if share is not None and share.pid == os.getpid():
        share.info = info
        return
    users = FileLock(base / "users")
    try:
        users.shared(patience_seconds=START_SECONDS)
    except LockTimeoutError as error:
        users.close()
        raise PostgresError(
            f"Somebody else holds {base / 'users'} for himself, as make clean of an older release does: end "
            f"that, then start again. {WAYS_OUT}"
        ) from error
    _held[base] = _Held(info=info, users=users, pid=os.getpid())
    atexit.register(_release_at_exit, base)


def _release_at_exit(base: Path) -> None:
    with contextlib.suppress(PostgresError, OSError):
        release(base.parent)


def _start(base: Path, named: Path | None) -> ConnectionInfo:
    binaries = found(None, named)  # first: where there are none, nothing is created
    place = chosen(base)
    wanted = _major_of(place.data)
    if wanted not in (None, binaries.major):
        binaries = found(wanted, named)
    programs = reachable(binaries, place)
    info = remembered(base)
    if wanted is None or info is None:
        if wanted is not None:
            raise PostgresError(
                f"{base / 'connection.json'} is gone, and with it the password of the data in "
                f"{place.data}. Put it back, or move that data away. {WAYS_OUT}"
            )
        info = new_info(port=free_port())
        remember(base, info)
        _initialise(programs, place, info.password)
    own_all(place)
    return _launch(base, place, programs, info)


def _major_of(data: Path) -> str | None:
    try:
        return (data / "PG_VERSION").read_text("utf-8").strip()
    except FileNotFoundError:
        return None


def _initialise(programs: Path, place: Place, password: str) -> None:
    """Run initdb into a draft folder, so that one killed half-way leaves no broken data."""
    draft = place.folder / "data.new"
    if draft.exists():
        shutil.rmtree(draft)
    draft.mkdir(mode=0o700)
    own(place, draft)
    # A file, for /dev/stdin fails when the user changes; in the draft folder it would be in the way.
    secret = place.folder / f"secret-{secrets.token_hex(4)}"
    with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(password)
    own(place, secret)
    try:
        _run_initdb(programs, place, draft, secret)
    finally:
        secret.unlink(missing_ok=True)
    draft.rename(place.data)


def _run_initdb(programs: Path, place: Place, draft: Path, secret: Path) -> None:
    reply = subprocess.run(  # noqa: S603  our own argument list, no shell
        [
            programs / "initdb", "-D", draft, "-U", USER, f"--pwfile={secret}",
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--data-checksums",
            "--no-instructions",
        ],
        capture_output=True, text=True, check=False, timeout=120, env=_plain_environment(),
        **place.identity,
    )  # fmt: skip
    if reply.returncode != 0:
        raise PostgresError(f"initdb failed: {reply.stderr.strip()[-600:]} {WAYS_OUT}")


def _plain_environment() -> dict[str, str]:
    # PGDATA, PGPORT and their like would reach the server; our own secrets must not.
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _launch(base: Path, place: Place, programs: Path, info: ConnectionInfo) -> ConnectionInfo:
    """Run the postmaster until it answers; a foreign port or dying backends are tried again."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        if not processes.serves_here(place.data):
            info = _run(base, place, programs, info, deadline)
        # What was left of a killed server may have taken all the time there was.
        if _wait_until_up(info, place, max(deadline, time.monotonic() + _BIRTH_SECONDS)):
            _create_database(info)
            return info
        if time.monotonic() > deadline:
            raise PostgresError(f"PostgreSQL does not start: {_last_words(base)} {WAYS_OUT}")
        time.sleep(0.2)


def _run(
    base: Path, place: Place, programs: Path, info: ConnectionInfo, deadline: float
) -> ConnectionInfo:
    """Run the postmaster unless it runs already; give where. Raises PostgresError while others work on the data."""
    with serving.taken(place, patience_seconds=deadline - time.monotonic()) as lock:
        if lock is None:
            return info
        # Only now: where a server cannot be seen its file looks stale.
        left = deadline - time.monotonic()
        processes.remove_stale_pid_file(place.data, patience_seconds=left)
        if not is_free(info.port):
            info = new_info(port=free_port(), password=info.password)
        remember(base, info)
        _spawn(base, place, programs, info, lock)
    return info


def _spawn(base: Path, place: Place, programs: Path, info: ConnectionInfo, lock: FileLock) -> None:
    """Start the postmaster, which inherits the lock."""
    settings = {
        "listen_addresses": info.host,
        "port": str(info.port),
        "unix_socket_directories": "",
        "max_connections": "200",
        "fsync": "on",
        # A burst finds the log's segments there: whoever begins a new one writes it full first, and all commits wait for that.
        "min_wal_size": "1GB",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    arguments = [f"--{name}={value}" for name, value in settings.items()]
    with (base / "server.log").open("ab") as log:
        child = subprocess.Popen(  # noqa: S603  our own argument list, no shell
            [programs / "postgres", "-D", place.data, *arguments],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_plain_environment(),
            start_new_session=True,  # Ctrl-C is for us; the server is stopped last, by us
            pass_fds=[lock.fileno()],
            **place.identity,
        )  # fmt: skip
    _children.append(child)


def _wait_until_up(info: ConnectionInfo, place: Place, deadline: float) -> bool:
    while time.monotonic() < deadline:
        if serves(info, place.data):
            return True
        is_over = all(child.poll() is not None for child in _children)
        if is_over and not processes.serves_here(place.data):
            return False
        time.sleep(0.05)
    return False


def _last_words(base: Path) -> str:
    try:
        return " / ".join((base / "server.log").read_text("utf-8", "replace").splitlines()[-4:])
    except OSError:
        return "no log was written"


def _create_database(info: ConnectionInfo) -> None:
    with connect(info, "postgres") as connection:
        row = connection.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", [info.database]
        ).fetchone()
        if row is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(info.database)))


def _detach() -> None:
    """Leave the server to its other users: it outlives us on purpose, which Popen warns of."""
    for child in _children:
        if child.poll() is None:
            child.returncode = 0
    _children.clear()


def _end(base: Path, patience_seconds: float) -> signal.Signals | None:
    """End the server of this home, if it has one that runs; return the signal that it took.

    Raises PostgresError if it does not end, also where that is because it cannot be seen from here.
    """
    place = known(base)
    took = _end_seen(place, patience_seconds)
    if took is None and place is not None:
        serving.demand_over(place, patience_seconds=patience_seconds)
    return took


def _end_seen(place: Place | None, patience_seconds: float) -> signal.Signals | None:
    pid = processes.postmaster_pid(place.data) if place else None
    if place is None or pid is None or not processes.is_server_of(pid, place.data):
        return None
    took = processes.end(pid, place.data, patience_seconds=patience_seconds)
    if took is None:
        raise PostgresError(f"The server {pid} does not stop.")
    for child in _children:
        child.poll()
    return took
