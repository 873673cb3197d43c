"""Health: 200 or 503 for everybody, the reasons for staff."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.models.functions import Now
from django.test import Client

from cycles.domain.words import Role
from cycles.models import Heartbeat
from cycles.services.presence import beat, leave
from kimp import health

PROCESSES = (
    ("feeder@here", Role.FEEDER),
    ("initiator@here", Role.INITIATOR),
    ("finalizer@here", Role.FINALIZER),
    ("job:sweep_retries", Role.WORKER),
)


@pytest.fixture
def desk(db: None) -> None:
    for name, role in PROCESSES:
        beat(name, role)


def grow_old(name: str, seconds: int) -> None:
    Heartbeat.objects.filter(name=name).update(beat_at=Now() - timedelta(seconds=seconds))


def test_livez_asks_nobody(client: Client) -> None:
    """Without the database mark, a query would fail this test."""
    response = client.get("/livez")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("url", ["/readyz", "/healthz"])
def test_a_desk_whose_processes_all_beat_is_ready(client: Client, desk: None, url: str) -> None:
    response = client.get(url)
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("name", "alive", "dead"),
    [("feeder@here", 20, 31), ("finalizer@here", 20, 31), ("job:sweep_retries", 140, 151)],
)
def test_an_old_heartbeat_makes_the_desk_unready(
    client: Client, desk: None, name: str, alive: int, dead: int
) -> None:
    grow_old(name, alive)
    assert client.get("/readyz").status_code == 200
    grow_old(name, dead)
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (503, {"status": "unavailable"})


def test_a_job_that_has_not_ended_well_for_long_makes_the_desk_unready_though_others_do(
    client: Client, desk: None
) -> None:
    beat("job:verify_ledger", Role.WORKER)
    grow_old("job:verify_ledger", 1000)
    assert client.get("/readyz").status_code == 200
    grow_old("job:verify_ledger", 1300)
    assert client.get("/readyz").status_code == 503
    (told,) = [one.detail for one in health.readiness() if not one.is_ok]
    assert told == "jobs that have not ended well: verify_ledger for 21 minutes"


def test_one_of_two_finalizers_is_enough(client: Client, desk: None) -> None:
    beat("finalizer@there", Role.FINALIZER)
    leave("finalizer@here")
    assert client.get("/readyz").status_code == 200
    leave("finalizer@there")
    assert client.get("/readyz").status_code == 503


def test_a_beat_replaces_the_one_before(desk: None) -> None:
    grow_old("feeder@here", 300)
    beat("feeder@here", Role.FEEDER, {"ticks": 3})
    row = Heartbeat.objects.get(name="feeder@here", beat_at__gte=Now() - timedelta(seconds=5))
    assert row.detail == {"ticks": 3}
    assert row.pid


def test_staff_read_the_reasons(client: Client, desk: None) -> None:
    leave("initiator@here")
    client.force_login(get_user_model().objects.create_user("op", is_staff=True))
    checks = client.get("/readyz").json()["checks"]
    assert checks["initiator"] == {"ok": False, "detail": "no sign of life in 30 s"}
    assert checks["database"] == checks["migrations"] == {"ok": True, "detail": ""}


def test_a_user_without_the_staff_mark_is_a_stranger(client: Client, desk: None) -> None:
    client.force_login(get_user_model().objects.create_user("somebody"))
    assert client.get("/readyz").json() == {"status": "ok"}


def test_unapplied_migrations_make_the_desk_unready(client: Client, desk: None) -> None:
    health._seen_applied.cache_clear()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'cycles'")
    assert client.get("/readyz").status_code == 503
    assert {check.name for check in health.readiness() if not check.is_ok} == {"migrations"}


def test_migrations_of_a_newer_release_are_no_reason_to_be_unready(
    client: Client, desk: None
) -> None:
    health._seen_applied.cache_clear()
    MigrationRecorder(connection).record_applied("cycles", "9999_of_the_next_release")
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_database_out_of_reach_is_an_answer_not_an_error(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = get_user_model().objects.create_user("op", is_staff=True)
    client.force_login(user)
    connection.close()
    with monkeypatch.context() as patch:
        patch.setitem(connection.settings_dict, "NAME", "nowhere")
        response = client.get("/readyz")
        connection.close()
    assert (response.status_code, response.json()) == (503, {"status": "unavailable"})


@pytest.mark.parametrize("name", ["initiator@here", "initiator@there"])
def test_a_process_one_of_whose_threads_does_not_get_on_makes_the_desk_unready(
    client: Client, desk: None, name: str
) -> None:
    """Even where another of its role is well: nobody else would tell of it."""
    beat(name, Role.INITIATOR, broken=["watcher"])
    response = client.get("/readyz")
    assert response.status_code == 503
    found = {check.name: check.detail for check in health.readiness()}
    assert found["initiator"] == "threads that do not get on: watcher"
    beat(name, Role.INITIATOR)
    assert client.get("/readyz").status_code == 200
