"""Ctrl-C ends a demonstration, however early it comes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kimp.management.commands.demo import INTERRUPTED
from kimp.process_table import _parent_of, _pids
from tests.kimp.processes import PROJECT, database_url, until

IN_TIME = 10  # seconds: what Ctrl-C promises; nothing runs yet that it would have to end


def _play_of(demo: int) -> list[int]:
    """Give the process that plays, once it is another program than the one that has forked it."""
    return [one for one in _pids() if _parent_of(one) == demo and b"--prepared" in _words(one)]


def _words(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.processes
@pytest.mark.django_db
@pytest.mark.timeout(120)
def test_one_that_is_broken_off_before_it_has_begun_to_play_ends(tmp_path: Path) -> None:
    env = {name: text for name, text in os.environ.items() if name != "KIMP_ROLE"}
    with subprocess.Popen(
        [sys.executable, "manage.py", "demo"],
        cwd=PROJECT, env=env | {"DATABASE_URL": database_url(), "KIMP_HOME": str(tmp_path)},
        start_new_session=True, stderr=subprocess.PIPE, text=True,
    ) as demo:  # fmt: skip
        try:
            until(lambda: bool(_play_of(demo.pid)))
            os.killpg(demo.pid, signal.SIGINT)
            told = demo.communicate(timeout=IN_TIME)[1]
        finally:
            demo.kill()
    assert demo.returncode == INTERRUPTED, told
    assert "opened by hand" not in told
