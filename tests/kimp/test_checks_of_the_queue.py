"""What django-q2 allows and this desk cannot bear is refused before anything starts."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.contrib import admin
from django.core.checks import run_checks
from django.db.models import Model
from django.test import override_settings
from django_q.models import Failure, OrmQ, Schedule, Success

from kimp import checks, schedules


def test_the_queue_as_it_is_set_falls_into_no_trap() -> None:
    assert checks.queue_traps_avoided(None) == []
    assert checks.queue_timeouts_in_order(None) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_attempts", 0),
        ("ack_failures", False),
        ("catch_up", True),
        ("bulk", 50),
        ("sync", True),
        ("save_limit", 0),
        ("save_limit", 250),
        ("save_limit", None),
    ],
)
def test_each_trap_of_the_queue_is_refused(name: str, value: Any) -> None:
    with override_settings(Q_CLUSTER=settings.Q_CLUSTER | {name: value}):
        (found,) = checks.queue_traps_avoided(None)
    assert found.id == "kimp.E003"
    assert name in found.msg


@pytest.mark.parametrize("name", ["timeout", "retry"])
def test_a_queue_that_is_told_no_time_is_refused(name: str) -> None:
    queue = {key: value for key, value in settings.Q_CLUSTER.items() if key != name}
    with override_settings(Q_CLUSTER=queue):
        (found,) = checks.queue_timeouts_in_order(None)
    assert found.id == "kimp.E002"


@pytest.mark.parametrize(("role", "refused"), [("worker", ["kimp.E001"]), ("finalizer", [])])
def test_a_pool_is_refused_where_the_cluster_forks_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, role: str, refused: list[str]
) -> None:
    """By what every command asks before it starts, to which no database is named."""
    monkeypatch.setitem(settings.DATABASES["default"].setdefault("OPTIONS", {}), "pool", {})
    assert checks_of(role) == []  # an empty one is none
    monkeypatch.setitem(settings.DATABASES["default"]["OPTIONS"], "pool", {"max_size": 4})
    assert checks_of(role) == refused


def checks_of(role: str) -> list[str]:
    with override_settings(KIMP_ROLE=role):
        return [str(one.id) for one in run_checks() if str(one.id).startswith("kimp.E")]


@pytest.mark.django_db
def test_a_scheduled_name_that_the_code_lost_is_told() -> None:
    schedules.sync()
    assert checks.schedules_are_of_this_code(None, databases=["default"]) == []
    Schedule.objects.filter(name="kimp:prune").update(func="cycles.tasks.cut_back")
    (found,) = checks.schedules_are_of_this_code(None, databases=["default"])
    assert (found.id, "cycles.tasks.cut_back" in found.msg) == ("kimp.W002", True)


@pytest.mark.django_db
def test_names_of_others_are_no_business_of_the_check() -> None:
    Schedule.objects.create(name="theirs", func="some.module.task")
    assert checks.schedules_are_of_this_code(None, databases=["default"]) == []


def test_no_database_is_asked_unless_it_is_to_be_checked() -> None:
    assert checks.schedules_are_of_this_code(None, databases=None) == []


@pytest.mark.parametrize("timeout", [None, 0, 70, 71])
def test_a_queue_that_hands_out_what_still_runs_is_refused(timeout: int | None) -> None:
    with override_settings(Q_CLUSTER=settings.Q_CLUSTER | {"timeout": timeout}):
        (found,) = checks.queue_timeouts_in_order(None)
    assert found.id == "kimp.E002"


def test_the_queue_lives_in_postgresql_unless_a_broker_is_named() -> None:
    assert settings.Q_CLUSTER["orm"] == "default"
    assert "redis" not in settings.Q_CLUSTER


def test_a_broker_without_its_client_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "find_spec", lambda _name: None)
    with override_settings(Q_CLUSTER=settings.Q_CLUSTER | {"redis": "redis://127.0.0.1:6379/0"}):
        (found,) = checks.queue_broker_installed(None)
    assert found.id == "kimp.E004"


@pytest.mark.parametrize("model", [Failure, OrmQ, Schedule, Success])
def test_no_table_of_the_queue_is_in_the_admin_where_resubmitting_deletes_failures(
    model: type[Model],
) -> None:
    assert not admin.site.is_registered(model)


def test_the_worker_alone_is_signalled_in_its_container() -> None:
    """An init passes signals on to its child only, and the exec form puts no shell in between."""
    compose = (settings.BASE_DIR / "compose.yaml").read_text("utf-8")
    assert "init: true" in compose
    assert "command: [python, manage.py, qcluster]" in compose
