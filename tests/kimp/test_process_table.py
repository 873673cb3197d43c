"""Ending a session ends all of it, whoever forks meanwhile."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kimp.process_table import kill_session, look_up, session_of

# Each process forks its successor and is gone, quicker than anybody can list them; the last one stays.
HOPS = """
import os, sys, time
sys.stdin.readline()
print(flush=True)
ends_at = time.monotonic() + 0.4
while time.monotonic() < ends_at:
    if os.fork():
        time.sleep(0.001)
        os._exit(0)
time.sleep(60)
"""


@pytest.mark.processes
def test_a_process_that_is_born_while_its_session_is_killed_dies_too() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOPS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as first:
        leader = look_up(first.pid)
        assert leader is not None
        assert first.stdin is not None
        assert first.stdout is not None
        first.stdin.write(b"\n")
        first.stdin.flush()
        first.stdout.readline()

        kill_session(leader)

        assert session_of(leader) == []
