"""Settings under which a request could arrive after it was judged absent are refused where money is real."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import override_settings

from cycles.services import calling
from exchanges import registry
from exchanges.adapters.upbit.client import UpbitVenue


def told(deadline: int, lease: int, **facts: Any) -> list[str]:
    """Give what a desk in production is refused for, with such times."""
    times = {"KIMP_VENUE_DEADLINE_SECONDS": deadline, "KIMP_LEASE_SECONDS": lease}
    with override_settings(**{"KIMP_ENVIRONMENT": "production", **times, **facts}):
        return [f"{one.msg} {one.hint}" for one in run_checks() if one.id == "kimp.E006"]


def test_the_times_that_are_shipped_hold() -> None:
    assert told(10, 30) == []


@pytest.mark.parametrize("rule", ["order_rule", "cancel_rule"])
def test_a_call_ends_before_its_venue_may_be_believed_that_there_is_none(
    monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    shortest = replace(getattr(UpbitVenue, rule), absence_proves_after_seconds=7)
    monkeypatch.setattr(UpbitVenue, rule, shortest)
    assert told(7, 30) == []
    (refused,) = told(8, 30)
    assert "KIMP_VENUE_DEADLINE_SECONDS is 8" in refused
    assert "7 at most" in refused
    assert told(8, 30, KIMP_KOREA_VENUES=("bithumb",)) == []  # nothing is sent there


def test_what_the_kernel_may_add_is_less_than_the_window_does_for_a_late_start() -> None:
    assert calling.SEND_WITHIN.total_seconds() >= registry.DELIVERED_LATE_SECONDS


def test_a_lease_outlasts_the_call_that_is_made_under_it() -> None:
    assert told(10, 16) == []
    (refused,) = told(10, 15)
    assert "KIMP_LEASE_SECONDS is 15" in refused
    assert "16 at least" in refused


def test_both_are_told_at_once() -> None:
    assert len(told(20, 20)) == 2


def test_they_hold_for_a_live_desk_wherever_it_is() -> None:
    assert len(told(20, 20, KIMP_ENVIRONMENT="development", KIMP_LIVE=True)) == 2


@pytest.mark.parametrize("environment", ["test", "development"])
def test_a_simulated_desk_may_hurry_or_wait(environment: str) -> None:
    """Tests hold calls for as long as they like, and wait for no lease."""
    assert told(90, 2, KIMP_ENVIRONMENT=environment) == []
