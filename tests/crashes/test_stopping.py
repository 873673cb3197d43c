"""Ends that are asked for: SIGTERM ends a role in time whatever its venue does, and strands nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cycles.domain.plan import client_order_id
from cycles.domain.words import CallOutcome
from cycles.models import ExchangeCall, Heartbeat
from tests.builders import person
from tests.crashes.proof import all_end, assert_one_story
from tests.crashes.running import RunningDesk
from tests.desk import eventually
from tests.kimp.processes import PROJECT, environ_of, give_another_thread

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

IN_TIME = 10  # seconds: what Ctrl-C promises
HELD_LOCK = """
import django, os, signal
django.setup()
from cycles.management.role import stop_on_signals
stop = stop_on_signals()
with stop._cond:  # as the main thread is inside `stop.wait`
    os.kill(os.getpid(), signal.SIGTERM)
assert stop.wait(5)
print("stopped")
"""


def test_sigterm_ends_a_role_while_a_venue_hangs_and_the_next_one_finishes(
    desk: RunningDesk,
) -> None:
    person("alice", "administrator")
    desk.pin("XRP", usdt="2.2", krw="3300")
    desk.start("feeder-1")
    cycle = desk.open()
    order_id = client_order_id(cycle.pk, position=1, attempt=1)
    rule = desk.fault(
        fault="F2", venue="binance", method="POST", path_regex="/order$",
        args={"milliseconds": 90_000}, when={"client_id_regex": order_id},
    )  # fmt: skip
    desk.variables["KIMP_VENUE_DEADLINE_SECONDS"] = "90"
    desk.start("initiator-1", "finalizer-1")
    eventually(lambda: desk.fired(rule) == 1)

    desk.signal("initiator-1", signal.SIGTERM)
    code = desk.children["initiator-1"].wait(timeout=IN_TIME)

    assert code == 0, desk.tail("initiator-1")
    cycle.refresh_from_db()
    assert (cycle.status, cycle.lease_owner) == ("STARTED", "")
    assert ExchangeCall.objects.get(client_order_id=order_id).outcome == CallOutcome.INTENDED
    assert not Heartbeat.objects.filter(role="initiator").exists()
    desk.start("initiator-2")
    all_end(cycle)
    assert ExchangeCall.objects.get(client_order_id=order_id).outcome == CallOutcome.DONE
    assert_one_story(desk)
    for name in ("finalizer-1", "feeder-1"):
        desk.signal(name, signal.SIGTERM)
        assert desk.children[name].wait(timeout=IN_TIME) == 0, desk.tail(name)
    assert not Heartbeat.objects.filter(role__in=["finalizer", "feeder"]).exists()


def test_a_role_hears_a_signal_that_another_of_its_threads_was_given(desk: RunningDesk) -> None:
    """The main thread waits meanwhile, and only it can act on signals."""
    person("alice", "administrator")
    names = ("feeder-1", "finalizer-1")
    desk.start(*names)
    roles = Heartbeat.objects.filter(role__in=["feeder", "finalizer"])
    eventually(lambda: roles.count() == len(names))
    for name in names:
        give_another_thread(desk.children[name].pid, signal.SIGTERM)
    for name in names:
        assert desk.children[name].wait(timeout=IN_TIME) == 0, desk.tail(name)


def test_a_signal_that_meets_the_main_thread_inside_the_events_lock_still_stops_it(
    transactional_db: None, tmp_path: Path
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", HELD_LOCK],
        cwd=PROJECT, env=environ_of("initiator", 1, tmp_path),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert ran.stdout == "stopped\n", ran.stderr
