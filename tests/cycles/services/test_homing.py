"""A server that broke off takes intents again once a host that saw its journal to the last has looked at it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from cycles import tasks
from cycles.domain.words import Role
from cycles.errors import DatabaseBusyError
from cycles.models import Alert, Cycle, Desk, ExchangeCall, Heartbeat
from cycles.services import desk as desk_service, homing
from cycles.services.crew import Crew
from cycles.services.working import Worker
from tests import builders

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
    if Desk.objects.get().home == homing.here():
        return True
    desk_service.halt_away_from_home()
    return False


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
    with pytest.raises(DatabaseBusyError):
        intended()
    assert intended()
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
    Worker(Role.FINALIZER)._beat()


def runs_a_job() -> None:
    tasks._asking_venues(lambda: None)()


@pytest.mark.parametrize("act", [begins, comes_back, goes_on, runs_a_job])
def test_whoever_sends_looks_first(cycle: Cycle, host: Path, act: Callable[[], None]) -> None:
    desk_service.look_home()
    forget(host)
    act()
    assert_halted()
