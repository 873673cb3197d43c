"""One server works on the data, also where its processes cannot be seen: in another container that shares the folder."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest

from kimp import postgres, postgres_process, postgres_serving
from kimp.locks import FileLock
from kimp.management.commands.demo import Command as Demo
from kimp.postgres_binaries import PostgresError
from kimp.postgres_connection import remember
from kimp.sockets import free_port
from tests.kimp.processes import PROJECT, until
from tests.kimp.servers import has_it, remove, with_a_table

pytestmark = pytest.mark.processes
ELSEWHERE = ("unshare", "--pid", "--fork", "--net", "--mount", "--ipc", "--mount-proc")
UNPRIVILEGED = ("setpriv", "--inh-caps=-sys_ptrace", "--bounding-set=-sys_ptrace")
START = """
import sys, pathlib
from kimp import postgres
postgres.START_SECONDS = 1
postgres.ensure_running(pathlib.Path(sys.argv[1]))
"""
REFUSED = "cannot be seen from here"


@pytest.fixture
def home(reachable_path: Path) -> Iterator[Path]:
    folder = reachable_path / "home"
    yield folder
    remove(folder)


def _may_run(wrapper: tuple[str, ...]) -> bool:
    try:
        tried = subprocess.run([*wrapper, "true"], check=False, capture_output=True)
    except FileNotFoundError:
        return False
    return tried.returncode == 0


def _started(wrapper: tuple[str, ...], home: Path) -> str:
    """Start the server of a home in a process of another kind; give what it says."""
    ran = subprocess.run(
        [*wrapper, sys.executable, "-c", START, home],
        cwd=PROJECT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return ran.stderr


@pytest.mark.skipif(not _may_run(ELSEWHERE), reason="namespaces of its own are not for this user")
def test_another_container_starts_no_second_server_on_the_data(home: Path) -> None:
    info = with_a_table(home)
    before = postgres.status(home)

    assert REFUSED in _started(ELSEWHERE, home)
    assert postgres.status(home) == before
    assert has_it(info)
    assert postgres.release(home)
    assert not postgres.status(home).is_running


@pytest.fixture
def unseen(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Give a home whose server runs, and is as one in another container: out of reach, and in no /proc."""
    info = with_a_table(home)
    base = home / "postgres"
    remember(base, replace(info, port=free_port()))
    (tmp_path / "proc" / "self").mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr(postgres_process, "PROC", tmp_path / "proc")
        yield home
    remember(base, info)


def test_a_server_that_cannot_be_seen_is_not_started_twice(
    unseen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file,) = unseen.parent.rglob("postmaster.pid")
    before = file.read_text()

    monkeypatch.setattr(postgres, "START_SECONDS", 1)
    with pytest.raises(PostgresError, match=REFUSED):
        postgres.ensure_running(unseen)

    assert file.read_text() == before


def test_nobody_is_told_that_a_server_was_stopped_that_cannot_be_seen(
    unseen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_STOP_SECONDS", 1)
    with pytest.raises(PostgresError, match=REFUSED):
        postgres.stop(unseen)


@pytest.fixture
def orphan(home: Path) -> Iterator[int]:
    """Give a process, standing still, of a home's server whose postmaster was killed."""
    with_a_table(home)
    status = postgres.status(home)
    assert status.data is not None
    assert status.pid is not None
    others = [pid for pid in postgres_process.survivors(status.data) if pid != status.pid]
    os.kill(others[0], signal.SIGSTOP)
    os.kill(status.pid, signal.SIGKILL)
    data = status.data
    until(lambda: postgres_process.survivors(data) == others[:1])
    yield others[0]
    if postgres_process.is_server_of(others[0], data):
        os.kill(others[0], signal.SIGKILL)


def test_a_server_is_over_only_with_the_last_of_its_processes(
    home: Path, orphan: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = postgres.status(home)
    with monkeypatch.context() as patch:
        patch.setattr(postgres, "START_SECONDS", 1)
        with pytest.raises(PostgresError, match=f"still work on .*: end {orphan}"):
            postgres.ensure_running(home)
    os.kill(orphan, signal.SIGKILL)
    again = postgres.ensure_running(home)
    assert again.port == before.port
    assert has_it(again)


class Clock:
    """A clock by which a nap takes a second; a process ends in the fifteenth."""

    def __init__(self, pid: int) -> None:
        self._pid, self._naps = pid, 0

    def monotonic(self) -> float:
        return time.monotonic() + self._naps

    def sleep(self, _: float) -> None:
        self._naps += 1
        if self._naps == 15:
            os.kill(self._pid, signal.SIGKILL)
        time.sleep(0.1)


def test_a_start_waits_for_what_a_killed_server_computes_still(
    home: Path, orphan: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement may compute for up to a minute after its postmaster was killed."""
    monkeypatch.setattr(postgres_serving, "time", Clock(orphan))
    assert has_it(postgres.ensure_running(home))


def test_a_start_that_has_waited_as_long_as_it_may_gives_its_server_time_to_begin(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_a_table(home)
    assert postgres.release(home)
    monkeypatch.setattr(postgres, "START_SECONDS", 0.01)
    assert has_it(postgres.ensure_running(home))


@pytest.mark.skipif(
    os.geteuid() != 0 or not _may_run(UNPRIVILEGED), reason="only root has capabilities to drop"
)
def test_who_may_not_look_at_processes_is_told_that_they_may_be_its_own(
    home: Path, orphan: int
) -> None:
    told = _started(UNPRIVILEGED, home)
    assert REFUSED in told
    assert "another container" in told
    assert "SYS_PTRACE" in told


def _no_space(*_: object) -> NoReturn:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_start_that_fails_keeps_nobody_from_starting_the_server(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_a_table(home)
    assert postgres.release(home)
    with monkeypatch.context() as patch:
        patch.setattr(postgres, "remember", _no_space)
        with pytest.raises(OSError, match="No space left"):
            postgres.ensure_running(home)
    assert has_it(postgres.ensure_running(home))


def _has_no_users(home: Path) -> bool:
    with closing(FileLock(home / "postgres" / "users")) as users:
        return users.try_exclusive()


def test_who_could_not_end_the_server_gives_up_its_share_all_the_same(
    home: Path, orphan: int
) -> None:
    with pytest.raises(PostgresError, match="still work on"):
        postgres.release(home, patience_seconds=1)
    assert _has_no_users(home)


def test_who_waits_in_vain_for_its_turn_gives_up_its_share_all_the_same(home: Path) -> None:
    with_a_table(home)
    with closing(FileLock(home / "postgres" / "lock")) as lock:
        assert lock.try_exclusive()
        with pytest.raises(PostgresError, match="for too long"):
            postgres.release(home, patience_seconds=0.2)
    assert _has_no_users(home)


def test_a_server_that_is_not_given_back_costs_a_demonstration_no_exit_status(
    home: Path, orphan: int, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.KIMP_HOME = home
    impatient = partial(postgres.release, patience_seconds=1)
    monkeypatch.setattr(postgres, "release", impatient)
    command = Demo(stderr=io.StringIO())
    command._give_back_the_server()
    assert f"end {orphan}" in command.stderr.getvalue()
