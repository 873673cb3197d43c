"""A server that broke off takes intents again once a host that saw its journal to the last has looked at it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.backends.utils import CursorWrapper

from cycles import tasks
from cycles.domain.words import Role
from cycles.models import Alert, Cycle, Desk, ExchangeCall, Heartbeat
from cycles.services import desk as desk_service, homing, witnessing
from cycles.services.crew import Aside, Crew
from cycles.services.working import Worker
from tests import builders
from tests.desk import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def host(settings: Any, tmp_path: Path) -> Path:
    """Give this host a folder of its own."""
    settings.KIMP_HOME = tmp_path
    return tmp_path


@pytest.fixture
def cycle() -> Cycle:
    """Give a desk whose journal has a request."""
    builders.desk()
    cycle = builders.cycle()
    builders.order_call(cycle)
    return cycle


def break_off() -> None:
    """Empty what a server empties that recovers."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM kimp_unbroken")


def intended() -> bool:
    """Say whether the database takes intents; who is refused does what a worker does."""
    is_home = Desk.objects.get().home == homing.here()
    return is_home or not desk_service.halt_away_from_home()


def assert_halted() -> None:
    row = Desk.objects.get()
    assert (row.mode, row.mode_reason) == ("HALT", homing.AWAY)
    assert not homing.is_at_home()
    assert Alert.objects.filter(key__startswith="away:", severity="CRITICAL").count() == 1


def test_whoever_saw_its_journal_to_the_last_makes_a_broken_server_whole(cycle: Cycle) -> None:
    desk_service.look_home()
    break_off()
    assert homing.here() != Desk.objects.get().home
    assert homing.is_at_home(), "it would be made whole"
    desk_service.look_home()
    assert homing.here() == Desk.objects.get().home
    assert Desk.objects.get().mode == "RUN"


def test_where_nobody_saw_it_the_first_intent_halts_the_desk(cycle: Cycle) -> None:
    break_off()
    desk_service.look_home()
    assert Desk.objects.get().mode == "RUN", "another host may have seen it"
    assert not intended()
    assert_halted()


def test_who_was_refused_before_anybody_looked_only_tries_again(cycle: Cycle) -> None:
    desk_service.look_home()
    break_off()
    assert Desk.objects.get().home != homing.here()
    assert intended()
    assert Desk.objects.get().home == homing.here()
    assert Desk.objects.get().mode == "RUN"


def rewrite(host: Path, **facts: object) -> None:
    """Let the host have seen something else."""
    (file,) = (host / "seen").iterdir()
    file.write_text(json.dumps(json.loads(file.read_bytes()) | facts))


def forget(host: Path) -> None:
    """Let the database lack the newest request that this host saw in it: one that it never had."""
    rewrite(host, call_id=ExchangeCall.objects.get().pk + 1)


@pytest.mark.parametrize("is_broken", [True, False], ids=["broke off", "a whole copy"])
def test_a_database_that_lacks_what_this_host_saw_halts_before_anything_is_intended(
    cycle: Cycle, host: Path, is_broken: bool
) -> None:
    desk_service.look_home()
    forget(host)
    if is_broken:
        break_off()
    desk_service.look_home()
    assert_halted()
    desk_service.look_home()
    assert Desk.objects.get().home == ""


@pytest.mark.parametrize("is_broken", [True, False], ids=["killed", "cut off"])
def test_a_primary_of_before_halts_where_the_desk_was_seen_at_home_on_its_standby(
    cycle: Cycle, host: Path, is_broken: bool
) -> None:
    desk_service.look_home()
    rewrite(host, home=homing.here().replace("-00000001-", "-0000000A-"))
    if is_broken:
        break_off()
    desk_service.look_home()
    assert_halted()


@pytest.mark.parametrize("minutes", [0, 5])
def test_a_host_that_had_stopped_before_others_did_cannot_vouch(
    cycle: Cycle, host: Path, minutes: int
) -> None:
    desk_service.look_home()
    looked_at = started_at() - timedelta(minutes=9)
    rewrite(host, seen_at=looked_at.isoformat())
    Heartbeat.objects.create(
        name="finalizer:elsewhere", role=Role.FINALIZER, pid=1,
        beat_at=looked_at + timedelta(minutes=minutes),
    )  # fmt: skip
    break_off()
    assert homing.is_at_home() == (minutes == 0)


def started_at() -> datetime:
    """Give when this server began: what lived after that was not there when the other broke off."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_postmaster_start_time()")
        at: datetime = cursor.fetchone()[0]
    return at


def test_what_was_seen_before_a_desk_caught_up_is_held_against_nothing(
    cycle: Cycle, host: Path
) -> None:
    desk_service.look_home()
    forget(host)
    homing.settle()
    desk_service.look_home()
    assert Desk.objects.get().mode == "RUN"
    break_off()
    assert homing.is_at_home(), "it was looked at since"


def test_a_primary_of_before_that_caught_up_goes_on(cycle: Cycle, host: Path) -> None:
    desk_service.look_home()
    rewrite(host, home=homing.here().replace("-00000001-", "-0000000A-"))
    homing.settle()
    desk_service.look_home()
    assert Desk.objects.get().mode == "RUN"
    break_off()
    assert homing.is_at_home(), "what was seen there is forgotten here too"


def test_a_whole_copy_of_before_the_desk_caught_up_elsewhere_halts(cycle: Cycle) -> None:
    """It bears the mark of its time, and what this host saw since was seen at another home."""
    before = Desk.objects.values("home", "home_settled_at").get()
    homing.settle()
    desk_service.look_home()
    with connection.cursor() as cursor, triggers_off(cursor):
        cursor.execute("UPDATE kimp_unbroken SET mark = %s", [before["home"][-12:]])
        Desk.objects.update(**before)
    assert homing.is_at_home(), "by itself it knows no better"
    desk_service.look_home()
    assert_halted()


def test_a_copy_of_before_this_host_looked_last_is_not_vouched_for(cycle: Cycle) -> None:
    """Its newest request may be the same."""
    desk_service.look_home()
    break_off()
    assert homing.is_at_home()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE kimp_seen SET at = at - interval '1 second'")
    assert not intended()
    assert_halted()


def test_what_this_process_intended_since_it_looked_is_missed_too(cycle: Cycle) -> None:
    desk_service.look_home()
    sent = ExchangeCall.objects.get()
    witnessing.intended(sent.pk, sent.client_order_id)
    desk_service.look_home()
    assert Desk.objects.get().mode == "RUN"
    witnessing.intended(sent.pk + 1, sent.client_order_id)
    desk_service.look_home()
    assert_halted()


def test_code_of_the_release_before_makes_no_broken_place_a_home_of_every_copy(
    cycle: Cycle,
) -> None:
    """It settles on where the database says it is."""
    break_off()
    Desk.objects.update(home=homing.here())
    assert not Desk.objects.get().home.endswith(homing.BROKEN)
    assert homing.here() == Desk.objects.get().home
    break_off()
    assert homing.here() != Desk.objects.get().home


def test_whoever_keeps_at_the_same_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    """Threads do, and containers whose processes have the same number."""
    path, whole, stop = tmp_path / "seen" / "one.json", b"x" * 4096, threading.Event()

    def write() -> None:
        while not stop.is_set():
            witnessing._write(path, whole)

    with ThreadPoolExecutor() as pool:
        writes = [pool.submit(write) for _ in range(2)]
        eventually(path.exists)
        read = {path.read_bytes() for _ in range(200)}
        stop.set()
        assert [one.result() for one in writes] == [None, None]
    assert read == {whole}
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@contextmanager
def triggers_off(cursor: CursorWrapper) -> Iterator[None]:
    """Let this session write as whoever copies files does."""
    cursor.execute("SET session_replication_role = replica")
    try:
        yield
    finally:
        cursor.execute("RESET session_replication_role")


def test_an_empty_journal_is_vouched_for_too() -> None:
    builders.desk()
    desk_service.look_home()
    break_off()
    assert not ExchangeCall.objects.exists()
    assert homing.vouch()


def begins() -> None:
    Worker(Role.FINALIZER)._claimed(Crew(0, "finalizer"))


def comes_back() -> None:
    worker = Worker(Role.FINALIZER, _has_looked=True)
    worker.outage.is_told = True
    worker._claimed(Crew(0, "finalizer"))


def goes_on() -> None:
    worker = Worker(Role.FINALIZER)
    lookout = Aside(worker._look_home, "lookout", worker.stop)
    try:
        eventually(lambda: Desk.objects.get().mode == "HALT")
    finally:
        worker.stop.set()
        lookout.end(patience_seconds=10)


def runs_a_job() -> None:
    tasks._asking_venues(lambda: None)()


@pytest.mark.parametrize("act", [begins, comes_back, goes_on, runs_a_job])
def test_whoever_sends_looks_first(cycle: Cycle, host: Path, act: Callable[[], None]) -> None:
    desk_service.look_home()
    forget(host)
    act()
    assert_halted()
