"""The roles at work: any number of each, on threads of this process and as commands."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import F

from cycles.domain.words import Channel, CycleStatus, FailureClass, Role
from cycles.management.commands import feeder
from cycles.models import Cycle, Heartbeat, Step, Transition
from cycles.services import desk as desk_services, opening, verifying
from cycles.services.intervening import Actor
from cycles.services.outage import Outage
from cycles.services.working import Worker
from tests.concurrency.meeting import until_somebody_waits
from tests.concurrency.test_stopping import unanswered
from tests.cycles.services.acts import accepted
from tests.desk import TestDesk, eventually
from tests.kimp.processes import PROJECT, environ_of

pytestmark = pytest.mark.concurrency
SYSTEM = Actor(user=None, channel=Channel.SYSTEM)
LONG = 90.0


@contextmanager
def at_work(*workers: Worker) -> Iterator[None]:
    """Let workers run on threads; then stop them and wait for their end."""

    def run(worker: Worker) -> None:
        worker.run()
        connection.close()

    threads = [threading.Thread(target=run, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for worker in workers:
            worker.stop.set()
        for thread in threads:
            thread.join(LONG)
        assert not any(thread.is_alive() for thread in threads)


def worker(role: Role, number: int = 1) -> Worker:
    """Make a worker with a name of its own (in life each is a process)."""
    made = Worker(role=role)
    made.owner = f"{role.value}-{number}"
    return made


def open_cycles(desk: TestDesk, count: int) -> list[Cycle]:
    """Open cycles by hand, in deep books."""
    desk.stand_still()
    desk.sample()
    return [
        opening.open_by_hand(asset=asset, notional_usdt=Decimal(500), actor=SYSTEM, reason="a test")
        for asset in ("XRP", "SOL", "USDT")[:count]
    ]


def all_are(rows: list[Cycle], desk: TestDesk, status: CycleStatus) -> bool:
    """Say whether every cycle has come to a status; keeps the quotes fresh."""
    desk.sample()
    ids = [row.pk for row in rows]
    return Cycle.objects.filter(pk__in=ids, status=status).count() == len(rows)


def test_two_of_each_role_finish_cycles_together_and_leave_nothing_behind(
    committed_desk: TestDesk,
) -> None:
    rows = open_cycles(committed_desk, 3)
    crew = [worker(role, n) for role in (Role.INITIATOR, Role.FINALIZER) for n in (1, 2)]
    with at_work(*crew):
        eventually(lambda: all_are(rows, committed_desk, CycleStatus.COMPLETED), seconds=LONG)
    assert set(accepted(committed_desk, "binance").values()) <= {1}
    assert set(accepted(committed_desk, "upbit").values()) == {1}
    assert verifying.verify_ledger().matches_venues
    assert not Cycle.objects.exclude(lease_owner="").exists()
    assert not Heartbeat.objects.filter(name__in=[one.owner for one in crew]).exists()


def test_the_initiator_opens_and_drives_outward_only(committed_desk: TestDesk) -> None:
    desk_services.set_policy(
        {"max_open_cycles": 1, "notional_usdt": Decimal(500), "min_open_edge_bps": Decimal(-9000)},
        actor=SYSTEM, reason="r", seen_number=1,
    )  # fmt: skip
    committed_desk.sample()
    initiator = worker(Role.INITIATOR)

    def look() -> None:
        opening.open_if_decided(actor=initiator.owner)

    def has_gone_out() -> bool:
        committed_desk.sample()
        return Cycle.objects.filter(status=CycleStatus.INITIAL_TRADE_COMPLETED).exists()

    initiator.duty = look
    with at_work(initiator):
        eventually(has_gone_out, seconds=LONG)
    row = Cycle.objects.get()
    actors = Transition.objects.filter(cycle=row).values_list("actor", flat=True)
    assert set(actors) == {initiator.owner}
    assert (row.status, row.lease_owner) == (CycleStatus.INITIAL_TRADE_COMPLETED, "")


def test_a_worker_that_is_stopped_hands_its_cycles_back(committed_desk: TestDesk) -> None:
    (row,) = open_cycles(committed_desk, 1)
    committed_desk.fault(fault="F28", venue="binance", when="once")  # it will wait for a credit
    with at_work(worker(Role.INITIATOR)):
        eventually(lambda: Step.objects.filter(cycle=row, kind="WITHDRAW", attempt=1).exists())
    row.refresh_from_db()
    assert (row.status, row.lease_owner, row.lease_expires_at) == ("STARTED", "", None)
    assert row.wake_at is not None


def test_what_nobody_foresaw_parks_its_cycle_and_leaves_the_worker_running(
    committed_desk: TestDesk,
) -> None:
    broken, sound = open_cycles(committed_desk, 2)
    # Such a position fits no client order id.
    Step.objects.filter(cycle=broken).update(position=F("position") + 150)
    with at_work(worker(Role.INITIATOR)):
        eventually(
            lambda: (
                all_are([sound], committed_desk, CycleStatus.INITIAL_TRADE_COMPLETED)
                and all_are([broken], committed_desk, CycleStatus.DEAD_LETTER)
            ),
            seconds=LONG,
        )
    broken.refresh_from_db()
    assert broken.failure_class == FailureClass.BUG
    assert "client order id" in broken.failure_reason


@pytest.mark.processes
@pytest.mark.parametrize("role", ["feeder", "initiator", "finalizer"])
def test_a_role_says_in_one_sentence_that_there_is_no_desk_yet(
    role: str, transactional_db: None, tmp_path: Path
) -> None:
    ran = subprocess.run(
        [sys.executable, "manage.py", role, "--no-metrics"],
        cwd=PROJECT, env=environ_of(role, 1, tmp_path), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 1
    assert "seed_desk" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_feeder_whose_statements_are_not_answered_ends_all_the_same(
    committed_desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn and the farewell wait for the database one after the other, each as long as it lets them."""
    monkeypatch.setattr(feeder, "END_SECONDS", 0.2, raising=False)
    monkeypatch.setattr(feeder, "PART_SECONDS", 0.2, raising=False)
    command, stop = feeder.Command(), threading.Event()
    command.streams, command.interval_seconds, command.outage = False, 0.1, Outage()
    with unanswered("cycles_policyversion", "cycles_premiumsample", "cycles_heartbeat"):
        run = threading.Thread(target=command.work, args=(stop,), daemon=True)
        run.start()
        until_somebody_waits("relation")
        stop.set()
        run.join(2)
        assert not run.is_alive()
    eventually(lambda: not {one.name for one in threading.enumerate()} & {"sampler", "parting"})


def test_a_role_that_hangs_after_it_was_told_to_stop_ends_as_if_killed(tmp_path: Path) -> None:
    act = (
        "import threading, time; from cycles.management import role; role.LAST_SECONDS = 0.1; told = threading.Event(); "
        "told.set(); threading.Thread(target=role._end_in_time, args=(told, threading.Event())).start(); time.sleep(60)"
    )
    ran = subprocess.run(
        [sys.executable, "manage.py", "shell", "-c", act], cwd=PROJECT, env=environ_of("web", 1, tmp_path),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 1
    assert "role.cut_short" in ran.stdout + ran.stderr
