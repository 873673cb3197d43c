"""What django-q2 allows and this desk cannot bear is refused before anything starts."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings

from kimp import checks


def test_the_queue_as_it_is_set_falls_into_no_trap() -> None:
    assert checks.queue_traps_avoided(None) == []
    assert checks.queue_timeouts_in_order(None) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_attempts", 0), ("ack_failures", False), ("catch_up", True), ("bulk", 50)],
)
def test_each_trap_of_the_queue_is_refused(name: str, value: Any) -> None:
    with override_settings(Q_CLUSTER=settings.Q_CLUSTER | {name: value}):
        (found,) = checks.queue_traps_avoided(None)
    assert found.id == "kimp.E003"
    assert name in found.msg


@pytest.mark.parametrize("timeout", [None, 70, 71])
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
