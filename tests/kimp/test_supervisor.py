"""The supervisor: children in sessions of their own, the dead started again, nothing left over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from kimp import desk
from kimp.children import ChildSpec
from kimp.leftovers import ChildFile
from kimp.process_table import Process, look_up, session_of
from kimp.supervisor import Printer, Supervisor

pytestmark = pytest.mark.processes
_PATIENCE = 20
_SLEEPER = "import time; print('ready', flush=True); time.sleep(600)"
_DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {_SLEEPER}"
_POLITE = """
import signal, sys, time
def end(*_):
    print('ended politely', flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print('ready', flush=True)
time.sleep(600)
"""
_WITH_GRANDCHILD = """
import subprocess, sys, time
inner = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: print('signalled', flush=True)); print('ready', flush=True); [time.sleep(1) for _ in range(600)]"
subprocess.Popen([sys.executable, "-c", inner])
time.sleep(600)
"""


class _Group:
    """A supervisor whose output is a list."""

    def __init__(self, folder: Path) -> None:
        self.lines: list[str] = []
        printer = Printer(write=self.lines.append, has_colours=False)
        self.supervisor = Supervisor(folder / "children.json", printer, check_seconds=0.1)

    def start(self, name: str, code: str, **more: Any) -> None:
        spec = ChildSpec(
            name=name, arguments=(sys.executable, "-c", code), environment=os.environ, **more
        )
        self.supervisor.start(spec)

    def says(self, text: str, times: int = 1) -> bool:
        return sum(text in line for line in self.lines) >= times

    def hears(self, text: str, times: int = 1) -> bool:
        return self.supervisor.pump(lambda: self.says(text, times), patience_seconds=_PATIENCE)

    def leader(self, index: int = 0) -> Process:
        identity = self.supervisor.children[index].identity
        assert identity is not None
        return identity


def _is_gone(leader: Process) -> bool:
    deadline = time.monotonic() + _PATIENCE
    while session_of(leader) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not session_of(leader)


def test_lines_carry_the_name_of_their_child(tmp_path: Path) -> None:
    group = _Group(tmp_path)
    with group.supervisor:
        group.start("feeder", _SLEEPER)
        assert group.hears("feeder     | ready")


def test_a_dead_child_is_started_again(tmp_path: Path) -> None:
    group = _Group(tmp_path)
    with group.supervisor:
        group.start("feeder", _SLEEPER)
        assert group.hears("ready")
        os.kill(group.leader().pid, signal.SIGKILL)
        assert group.hears("ready", times=2)
    assert group.says("feeder ended (status -9); starts again in 1 s")


def test_a_wedged_child_is_started_again(tmp_path: Path) -> None:
    group = _Group(tmp_path)
    reasons = ["its newest heartbeat is 200 s old"]

    def is_wedged(uptime_seconds: float) -> str | None:
        return reasons.pop() if reasons and group.says("ready") else None

    with group.supervisor:
        group.start("worker", _SLEEPER, is_wedged=is_wedged)
        assert group.hears("ready", times=2)
    assert group.says("heartbeat is 200 s old; starting it again")


def test_a_question_that_nobody_answers_keeps_nobody_waiting(tmp_path: Path) -> None:
    group, asked, answered = _Group(tmp_path), threading.Event(), threading.Event()

    def is_wedged(uptime_seconds: float) -> str | None:
        asked.set()
        answered.wait(_PATIENCE)
        return None

    with group.supervisor as supervisor:
        group.start("worker", _POLITE, is_wedged=is_wedged)
        assert supervisor.pump(asked.is_set, patience_seconds=_PATIENCE)
        group.start("feeder", _SLEEPER)
        assert group.hears("feeder     | ready")
        os.kill(os.getpid(), signal.SIGTERM)
        supervisor.run()
        assert not answered.is_set()
    answered.set()
    assert group.says("ended politely")


def test_a_signal_breaks_off_what_may_take_long_before_anything_serves(tmp_path: Path) -> None:
    group, ended = _Group(tmp_path), threading.Event()
    with group.supervisor as supervisor:
        told = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM))
        told.start()
        assert supervisor.unless_ended(lambda: ended.wait(_PATIENCE)) is None
        assert supervisor.is_ending
        assert supervisor.unless_ended(lambda: "begun") is None
    told.join()


def test_leaving_ends_every_child_politely(tmp_path: Path) -> None:
    group = _Group(tmp_path)
    with group.supervisor:
        for name in ("simulator", "feeder", "web"):
            group.start(name, _POLITE)
        assert group.hears("ready", times=3)
        leaders = [group.leader(index) for index in range(3)]
    assert group.says("ended politely", times=3)
    assert all(_is_gone(leader) for leader in leaders)


def test_a_child_deaf_to_the_signal_is_killed(tmp_path: Path) -> None:
    group = _Group(tmp_path)
    with group.supervisor as supervisor:
        group.start("simulator", _POLITE)
        group.start("feeder", _DEAF)
        assert group.hears("ready", times=2)
        leader = group.leader(1)
        supervisor.end_all(patience_seconds=0.2)
    assert group.says("feeder does not end; killed")
    assert _is_gone(leader)


def test_all_end_together_where_nobody_is_relied_on(tmp_path: Path) -> None:
    group = _Group(tmp_path)
    with group.supervisor as supervisor:
        group.start("feeder", _POLITE)
        group.start("initiator", _DEAF)
        assert group.hears("ready", times=2)
        supervisor.end_all(patience_seconds=2)
    assert _order(group, "ended politely", "initiator does not end; killed")


def test_who_is_relied_on_ends_after_all_others_wherever_it_was_started(tmp_path: Path) -> None:
    group = _Group(tmp_path)
    with group.supervisor as supervisor:
        group.start("initiator", _DEAF)
        group.start("simulator", _POLITE, ends_last=True)
        assert group.hears("ready", times=2)
        supervisor.end_all(patience_seconds=2)
    assert _order(group, "initiator does not end; killed", "ended politely")


def _order(group: _Group, *texts: str) -> bool:
    found = [index for text in texts for index, line in enumerate(group.lines) if text in line]
    return len(found) == len(texts) and found == sorted(found)


def test_only_the_leader_is_signalled_and_its_children_do_not_outlive_it(tmp_path: Path) -> None:
    group = _Group(tmp_path)
    with group.supervisor:
        group.start("worker", _WITH_GRANDCHILD)
        assert group.hears("ready")
        leader = group.leader()
        assert len(session_of(leader)) == 2
    assert not group.says("signalled")
    assert _is_gone(leader)


def test_a_signal_ends_the_run(tmp_path: Path) -> None:
    group = _Group(tmp_path)
    with group.supervisor as supervisor:
        group.start("feeder", _POLITE)
        assert group.hears("ready")
        os.kill(os.getpid(), signal.SIGTERM)
        supervisor.run()
    assert group.says("ended politely")


def test_children_of_a_killed_supervisor_are_ended_at_the_next_start(tmp_path: Path) -> None:
    orphan = subprocess.Popen(
        [sys.executable, "-c", _SLEEPER], start_new_session=True, stdout=subprocess.DEVNULL
    )
    identity = look_up(orphan.pid)
    assert identity is not None
    ChildFile(tmp_path / "children.json").add("finalizer", identity)
    group = _Group(tmp_path)
    with group.supervisor:
        assert group.says("ended finalizer, left over")
    assert orphan.wait(timeout=_PATIENCE) != 0


def test_a_pid_that_was_given_out_again_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen(
        [sys.executable, "-c", _SLEEPER], start_new_session=True, stdout=subprocess.DEVNULL
    )
    identity = look_up(stranger.pid)
    assert identity is not None
    older = Process(pid=identity.pid, session=identity.session, started=identity.started - 1)
    ChildFile(tmp_path / "children.json").add("finalizer", older)
    assert ChildFile(tmp_path / "children.json").end_leftovers(patience_seconds=1) == []
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_of_a_desk_the_venues_alone_are_relied_on() -> None:
    plans = desk.plans({}, None)
    simulation = desk.simulation_of_settings()
    assert simulation is not None
    specs = [desk.simulator(simulation, plans["web"]), *desk.roles(plans, lambda _: None)]
    assert [spec.name for spec in specs if spec.ends_last] == ["simulator"]
