"""What django-q2 allows and this desk cannot bear is refused before anything starts."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.contrib import admin
from django.core.checks import CheckMessage, run_checks
from django.db.models import Model
from django.test import override_settings
from django_q.models import Failure, OrmQ, Schedule, Success

from kimp import checks, schedules


def test_the_queue_as_it_is_set_falls_into_no_trap() -> None:
    assert checks_of("worker") == []


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
        (found,) = found_of("worker")
    assert found.id == "kimp.E003"
    assert name in found.msg


@pytest.mark.parametrize("name", ["timeout", "retry", "queue_limit", "workers"])
def test_a_queue_that_is_told_no_time_or_no_number_is_refused(name: str) -> None:
    queue = {key: value for key, value in settings.Q_CLUSTER.items() if key != name}
    with override_settings(Q_CLUSTER=queue):
        assert checks_of("worker") == ["kimp.E002"]


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
    return [str(one.id) for one in found_of(role)]


def found_of(role: str) -> list[CheckMessage]:
    """Give what every command of a role is refused for, by the checks that are registered."""
    with override_settings(KIMP_ROLE=role):
        return [one for one in run_checks() if str(one.id).startswith("kimp.E")]


def schedules_told(databases: list[str] | None) -> list[str]:
    """Give what people are told of schedules where these databases are checked."""
    return [one.msg for one in run_checks(databases=databases) if one.id == "kimp.W002"]


@pytest.mark.django_db
def test_a_scheduled_name_that_the_code_lost_is_told() -> None:
    schedules.sync()
    assert schedules_told(["default"]) == []
    Schedule.objects.filter(name="kimp:prune").update(func="cycles.tasks.cut_back")
    (told,) = schedules_told(["default"])
    assert "cycles.tasks.cut_back" in told


@pytest.mark.django_db
def test_names_of_others_are_no_business_of_the_check() -> None:
    Schedule.objects.create(name="theirs", func="some.module.task")
    assert schedules_told(["default"]) == []


def test_no_database_is_asked_unless_it_is_to_be_checked() -> None:
    """Whoever asked one would be refused here, where none may be."""
    assert schedules_told(None) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("timeout", value) for value in (None, 0, 60, 120, 121)],
        ("retry", 100),
        *[("queue_limit", value) for value in (0, 2, 20)],
        ("workers", 1),
    ],
)
def test_a_queue_that_hands_out_what_still_runs_or_waits_in_its_cluster_is_refused(
    name: str, value: int | None
) -> None:
    """Of what is fetched one task more waits than `queue_limit`, in the hand of who fetches: each worker's next."""
    with override_settings(Q_CLUSTER=settings.Q_CLUSTER | {name: value}):
        assert checks_of("worker") == ["kimp.E002"]


@pytest.mark.parametrize(
    ("limit", "workers", "retry"), [(1, 2, 111), (2, 2, 166), (3, 2, 166), (3, 4, 111)]
)
def test_a_queue_whose_fetched_tasks_end_before_they_are_handed_out_again_is_let_pass(
    limit: int, workers: int, retry: int
) -> None:
    queue = settings.Q_CLUSTER | {"queue_limit": limit, "workers": workers, "retry": retry}
    with override_settings(Q_CLUSTER=queue):
        assert checks_of("worker") == []
    with override_settings(Q_CLUSTER=queue | {"retry": retry - 1}):
        assert checks_of("worker") == ["kimp.E002"]


def test_the_queue_lives_in_postgresql_unless_a_broker_is_named() -> None:
    assert settings.Q_CLUSTER["orm"] == "default"
    assert "redis" not in settings.Q_CLUSTER


def test_a_broker_without_its_client_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "find_spec", lambda _name: None)
    with override_settings(Q_CLUSTER=settings.Q_CLUSTER | {"redis": "redis://127.0.0.1:6379/0"}):
        assert checks_of("worker") == ["kimp.E004"]


QUEUES_TABLES = (Failure, OrmQ, Schedule, Success)


@pytest.mark.parametrize("model", QUEUES_TABLES)
def test_no_table_of_the_queue_is_in_the_admin_where_resubmitting_deletes_failures(
    model: type[Model],
) -> None:
    assert not admin.site.is_registered(model)


@pytest.mark.parametrize("site", [admin.site, admin.AdminSite("another")], ids=["ours", "another"])
@pytest.mark.parametrize("model", QUEUES_TABLES)
def test_a_table_of_the_queue_in_the_admin_is_refused(
    model: type[Model], site: admin.AdminSite
) -> None:
    """As django-q2's own admin would have it: our site leaves it out, unless it is told so past that."""
    admin.AdminSite.register(site, model)
    try:
        (found,) = found_of("web")
    finally:
        site.unregister(model)
    assert found.id == "kimp.E005"
    assert model.__name__ in found.msg
    assert checks_of("web") == []


def test_the_worker_alone_is_signalled_in_its_container() -> None:
    """An init passes signals on to its child only, and the exec form puts no shell in between."""
    compose = (settings.BASE_DIR / "compose.yaml").read_text("utf-8")
    assert "init: true" in compose
    assert "command: [python, manage.py, qcluster]" in compose
