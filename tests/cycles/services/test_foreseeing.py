"""What a cycle would wait for is known before it comes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from cycles.services import foreseeing, standing, venue_health
from exchanges import naming, registry
from exchanges.errors import VenueError
from tests.desk import TestDesk


@pytest.fixture(autouse=True)
def _nothing_is_known(monkeypatch: pytest.MonkeyPatch, desk: TestDesk) -> Iterator[None]:
    monkeypatch.setattr(venue_health, "_written", {})
    standing._policy.cache_clear()
    registry.forget()
    yield
    registry.configure(database_is_live=False)
    desk.control("/control/faults", method="DELETE")


def asked(desk: TestDesk) -> int:
    """Count the calls that the venues got."""
    return len(desk.control("/control/requests"))


def test_after_foreseeing_no_cycle_waits_for_a_clock_a_name_or_its_policy(desk: TestDesk) -> None:
    policy = desk.open().policy
    foreseeing.foresee()
    calls_before = asked(desk)
    with CaptureQueriesContext(connection) as made:
        for venue in registry.desk_venues():
            venue_health.demand_right_clock(venue)
            naming.names(venue)
        standing._policy(policy.pk, policy.created_at)
    assert (asked(desk), made.captured_queries) == (calls_before, [])


def test_without_it_each_of_them_asks(desk: TestDesk) -> None:
    policy = desk.open().policy
    registry.forget()
    standing._policy.cache_clear()
    venue_health._written.clear()
    calls_before = asked(desk)
    with CaptureQueriesContext(connection) as made:
        venue_health.demand_right_clock("binance")
        naming.names("binance")
        standing._policy(policy.pk, policy.created_at)
    assert asked(desk) == calls_before + 1
    assert len(made) >= 3


def test_a_venue_that_is_away_keeps_no_other_from_being_foreseen(desk: TestDesk) -> None:
    desk.fault(fault="F18", venue="binance", path_regex="/api/v3/time")
    foreseeing.foresee()
    with pytest.raises(VenueError):
        registry.clock_state("binance")
    assert registry.clock_state("upbit").ahead_seconds is not None


def test_a_database_at_odds_with_its_process_about_live_ends_no_worker(
    desk: TestDesk, settings: Settings
) -> None:
    """Cycles and duties are denied with a sentence then: what reads ahead has none to deny."""
    settings.KIMP_LIVE = False
    registry.configure(database_is_live=True)
    foreseeing.foresee()
