"""Ending a session ends all of it, whoever forks meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from kimp.process_table import MARK, Process, kill_descendants, kill_session, look_up, session_of
from tests.kimp.processes import until

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


# The leader of a session starts one that stays in it, and is gone: only the number is left.
DAEMON = """
import subprocess, sys
sys.stdin.readline()
inner = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL)
print(inner.pid, flush=True)
"""


def _daemon(**variables: str) -> tuple[Process, Process]:
    """Start a daemon in a session whose leader has ended; give both."""
    with subprocess.Popen(
        [sys.executable, "-c", DAEMON],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, **variables},
    ) as first:
        leader = look_up(first.pid)
        told = first.communicate(b"\n")[0]
    daemon = look_up(int(told))
    assert leader is not None
    assert daemon is not None
    return leader, daemon


@pytest.mark.processes
def test_a_strangers_daemon_whose_session_has_a_childs_number_lives_on() -> None:
    leader, daemon = _daemon(**{MARK: "of another child"})
    ours = replace(leader, mark="of our child", started=leader.started - 1)

    kill_session(ours)

    assert look_up(daemon.pid) == daemon
    os.kill(daemon.pid, signal.SIGKILL)


@pytest.mark.processes
def test_what_a_child_has_left_behind_is_known_by_its_mark() -> None:
    leader, daemon = _daemon(**{MARK: "of our child"})

    kill_session(replace(leader, mark="of our child"))

    assert look_up(daemon.pid) is None


# One child of its own session, as the database server is, with one below it; and one of ours.
FAMILY = """
import subprocess, sys
server = ["sh", "-c", "sleep 60 & echo $!; wait"]
apart = subprocess.Popen(server, start_new_session=True, stdout=subprocess.PIPE, text=True)
ours = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL)
print(ours.pid, apart.pid, apart.stdout.readline(), flush=True)
sys.stdin.readline()
"""


@pytest.mark.processes
def test_who_has_opened_a_session_of_its_own_outlives_those_that_die_with_their_starter() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        ours, apart, below = map(int, first.stdout.readline().split())

        kill_descendants(first.pid)

        until(lambda: look_up(ours) is None)
        assert [one for one in (apart, below) if look_up(one)] == [apart, below]
        os.killpg(apart, signal.SIGKILL)
        first.communicate("\n")
