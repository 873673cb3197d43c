"""One server works on the data, also where its processes cannot be seen: in another container that shares the folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kimp import postgres, postgres_process
from kimp.postgres_binaries import PostgresError
from kimp.postgres_connection import remember
from kimp.sockets import free_port
from tests.kimp.processes import PROJECT, until
from tests.kimp.servers import has_it, remove, with_a_table

pytestmark = pytest.mark.processes
ELSEWHERE = ("unshare", "--pid", "--fork", "--net", "--mount", "--ipc", "--mount-proc")
START = "import sys, pathlib; from kimp import postgres; postgres.ensure_running(pathlib.Path(sys.argv[1]))"
REFUSED = "cannot be seen from here"


@pytest.fixture
def home(reachable_path: Path) -> Iterator[Path]:
    folder = reachable_path / "home"
    yield folder
    remove(folder)


def _may_unshare() -> bool:
    try:
        tried = subprocess.run([*ELSEWHERE, "true"], check=False, capture_output=True)
    except FileNotFoundError:
        return False
    return tried.returncode == 0


@pytest.mark.skipif(not _may_unshare(), reason="namespaces of its own are not for this user")
def test_another_container_starts_no_second_server_on_the_data(home: Path) -> None:
    info = with_a_table(home)
    before = postgres.status(home)

    ran = subprocess.run(
        [*ELSEWHERE, sys.executable, "-c", START, home],
        cwd=PROJECT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip

    assert REFUSED in ran.stderr
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


def test_a_server_that_cannot_be_seen_is_not_started_twice(unseen: Path) -> None:
    (file,) = unseen.parent.rglob("postmaster.pid")
    before = file.read_text()

    with pytest.raises(PostgresError, match=REFUSED):
        postgres.ensure_running(unseen)

    assert file.read_text() == before


def test_nobody_is_told_that_a_server_was_stopped_that_cannot_be_seen(unseen: Path) -> None:
    with pytest.raises(PostgresError, match=REFUSED):
        postgres.stop(unseen)


def test_a_server_is_over_only_with_the_last_of_its_processes(home: Path) -> None:
    info = with_a_table(home)
    status = postgres.status(home)
    assert status.data is not None
    assert status.pid is not None
    others = [pid for pid in postgres_process.survivors(status.data) if pid != status.pid]
    os.kill(others[0], signal.SIGSTOP)
    os.kill(status.pid, signal.SIGKILL)
    until(lambda: not postgres.status(home).is_running)
    try:
        with pytest.raises(PostgresError, match=f"still work on .*: end {others[0]}"):
            postgres.ensure_running(home)
    finally:
        os.kill(others[0], signal.SIGKILL)
    again = postgres.ensure_running(home)
    assert again.port == info.port
    assert has_it(again)
