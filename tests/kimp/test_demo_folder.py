"""Whatever kills a demonstration, none of its processes outlives its folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kimp.clean import clean
from kimp.demo.folder import CHILDREN, PREFIX, end_left_over, own_folder
from kimp.demo.run import _turns
from kimp.leftovers import ChildFile
from kimp.locks import FileLock
from kimp.process_table import look_up
from kimp.supervisor import Printer, Supervisor

pytestmark = pytest.mark.processes
_PATIENCE = 20


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """Give a process of a desk whose supervisor is no more."""
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        yield process
        process.kill()


def _list(folder: Path, child: subprocess.Popen[bytes]) -> None:
    identity = look_up(child.pid)
    assert identity is not None
    ChildFile(folder / CHILDREN).add("feeder", identity)


def _folder_of_a_killed_one(home: Path, child: subprocess.Popen[bytes]) -> Path:
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    folder = home / f"{PREFIX}{killed.pid}"
    folder.mkdir(parents=True)
    _list(folder, child)
    return folder


def test_children_whose_supervisor_was_killed_end_with_the_demonstration(
    tmp_path: Path, child: subprocess.Popen[bytes]
) -> None:
    with own_folder(tmp_path) as folder:
        _list(folder, child)
    assert child.wait(_PATIENCE) != 0
    assert not folder.exists()


def test_the_next_one_ends_what_a_killed_demonstration_has_left(
    tmp_path: Path, child: subprocess.Popen[bytes]
) -> None:
    folder = _folder_of_a_killed_one(tmp_path, child)
    with own_folder(tmp_path) as living:
        assert end_left_over(tmp_path) == ["feeder"]
        assert living.exists()
    assert child.wait(_PATIENCE) != 0
    assert not folder.exists()


def test_clean_ends_what_a_killed_demonstration_has_left(
    tmp_path: Path, child: subprocess.Popen[bytes]
) -> None:
    _folder_of_a_killed_one(tmp_path / ".kimp", child)
    told = list[str]()
    clean(tmp_path, told.append)
    assert child.wait(_PATIENCE) != 0
    assert told == ["ended feeder, left over from a desk that was killed"]


def test_a_play_whose_parent_was_killed_is_over(tmp_path: Path) -> None:
    printer = Printer(write=lambda _: None, has_colours=False)
    with Supervisor(tmp_path / CHILDREN, printer) as group:
        deadline = time.monotonic() + _PATIENCE
        assert _turns(group, deadline, os.getppid())(0)
        assert not _turns(group, deadline, os.getpid())(0)


def test_what_another_user_has_left_stops_nobody(
    tmp_path: Path, child: subprocess.Popen[bytes]
) -> None:
    foreign = _folder_of_a_killed_one(tmp_path, child)
    (foreign / "desk.lock").symlink_to("desk.lock")  # refused, as a file of mode 0600 is to a user
    other = _folder_of_a_killed_one(tmp_path, child)

    assert end_left_over(tmp_path) == ["feeder"]

    assert foreign.exists()
    assert not other.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may be somebody else for a while")
def test_a_user_starts_beside_what_root_has_left(
    reachable_path: Path, child: subprocess.Popen[bytes]
) -> None:
    folder = _folder_of_a_killed_one(reachable_path, child)
    FileLock(folder / "desk.lock").close()
    os.seteuid(1)
    try:
        assert end_left_over(reachable_path) == []
    finally:
        os.seteuid(0)
    assert child.poll() is None
    assert folder.exists()


def test_a_folder_that_is_gone_once_it_is_looked_into_stops_nobody(
    tmp_path: Path, child: subprocess.Popen[bytes]
) -> None:
    folder = _folder_of_a_killed_one(tmp_path, child)
    shutil.rmtree(folder)  # as another starter does, after this one has seen its name
    folder.symlink_to("gone")

    assert end_left_over(tmp_path) == []
