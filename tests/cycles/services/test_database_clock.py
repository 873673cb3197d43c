"""A window that only the database's clock has passed proves nothing: no order is absent by a clock that disagrees with its venue's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from cycles.models import Alert, Cycle
from cycles.services import agreeing, reconciling
from cycles.services.moving import Lease
from cycles.services.venue_health import demand_right_clock
from exchanges.clocks import ClockState
from exchanges.models import VenueClock
from exchanges.transport import clock as clocks
from tests.cycles.services.acts import accepted, age, give_back, outcomes
from tests.desk import TestDesk

WINDOW, SECOND_LOOK = 16, 5  # seconds: Binance's 15 are over; until the second look counts
AHEAD = 90  # seconds that the database's clock is ahead: Bithumb's 75 pass at once
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _looks_are_old_at_once(monkeypatch: pytest.MonkeyPatch, desk: TestDesk) -> Iterator[None]:
    for name in ("FRESH_SECONDS", "STOPPED_SECONDS", "REMEASURE_SECONDS"):
        monkeypatch.setattr(clocks, name, 0.0)
    yield
    disagree(desk, 0)


@pytest.fixture
def row(desk: TestDesk) -> Cycle:
    return desk.open()


@pytest.fixture
def lease(desk: TestDesk, row: Cycle) -> Lease:
    """Send an order that its venue never gets, and whose answer says nothing."""
    desk.fault(fault="F3", venue="binance", method="POST", when="once")
    held = desk.lease(row)
    desk.unit(held)
    assert outcomes(row) == ["UNKNOWN"]
    return held


def disagree(desk: TestDesk, seconds: int) -> None:
    """Let the database, and this process, be ahead of the venue: whose clock was set makes no difference."""
    desk.control("/control/skew", {"venue": "binance", "ms": -seconds * 1000})


def look_twice(desk: TestDesk, row: Cycle, lease: Lease) -> None:
    """Let the venue be asked after its window, and again when its answer may be the last word."""
    for seconds in (WINDOW, SECOND_LOOK, SECOND_LOOK):
        age(row, seconds)
        desk.unit(lease)


def test_no_order_is_absent_while_the_databases_clock_is_ahead_of_its_venues(
    desk: TestDesk, row: Cycle, lease: Lease
) -> None:
    disagree(desk, AHEAD)
    look_twice(desk, row, lease)
    assert outcomes(row) == ["UNKNOWN"]
    (alert,) = Alert.objects.filter(key__startswith="database_clock:binance")
    assert "the database's clock is 9" in alert.body
    assert "ahead of that of binance" in alert.body


def test_it_is_absent_by_a_clock_that_agrees(desk: TestDesk, row: Cycle, lease: Lease) -> None:
    look_twice(desk, row, lease)
    assert outcomes(row)[0] == "ABSENT"
    assert not Alert.objects.filter(key__startswith="database_clock:").exists()


def test_what_was_missed_by_a_wrong_clock_counts_for_nothing_once_it_is_right(
    desk: TestDesk, row: Cycle, lease: Lease
) -> None:
    disagree(desk, AHEAD)
    look_twice(desk, row, lease)
    disagree(desk, 0)
    desk.unit(lease)  # the first that counts
    assert outcomes(row) == ["UNKNOWN"]
    age(row, SECOND_LOOK)
    desk.unit(lease)
    assert outcomes(row)[0] == "ABSENT"


def test_its_venue_is_asked_again_after_half_a_minute_only(
    desk: TestDesk, row: Cycle, lease: Lease
) -> None:
    disagree(desk, AHEAD)
    age(row, WINDOW)
    progress = desk.unit(lease)
    assert progress.wait == reconciling.CLOCK_AGAIN


def test_a_venue_that_is_off_by_no_more_than_is_traded_with_keeps_no_outcome_unknown(
    desk: TestDesk, row: Cycle, lease: Lease
) -> None:
    disagree(desk, 3)
    look_twice(desk, row, lease)
    demand_right_clock("binance")
    assert outcomes(row)[0] == "ABSENT"


def test_a_venues_clock_that_could_not_be_asked_proves_nothing_and_accuses_nobody(
    desk: TestDesk, row: Cycle, lease: Lease
) -> None:
    VenueClock.objects.all().delete()
    desk.fault(fault="F3", venue="binance", method="GET", path="/api/v3/time", when="always")
    look_twice(desk, row, lease)
    assert outcomes(row) == ["UNKNOWN"]
    assert not Alert.objects.filter(key__startswith="database_clock:").exists()


def test_a_sweep_proves_nothing_by_it_either(desk: TestDesk, row: Cycle, lease: Lease) -> None:
    give_back(lease)
    disagree(desk, AHEAD)
    for seconds in (WINDOW, SECOND_LOOK):
        age(row, seconds)
        assert reconciling.reconcile_open_calls().still_unknown == 1
    assert outcomes(row) == ["UNKNOWN"]


def test_what_is_found_is_settled_by_whatever_clock(desk: TestDesk, row: Cycle) -> None:
    desk.fault(fault="F4", venue="binance", method="POST", when="once")
    held = desk.lease(row)
    desk.unit(held)
    disagree(desk, AHEAD)
    age(row, WINDOW)
    desk.unit(held)
    assert outcomes(row) == ["DONE"]
    assert list(accepted(desk, "binance").values()) == [1]


def said(*, venue: float | None, database: float, doubt: float = 0.1, took: float = 0.0) -> str:
    """Give the objection where venue and database are ahead of us by seconds, and the reading took some."""
    state = ClockState(
        venue="upbit", ahead_seconds=venue, doubt_seconds=doubt, is_refused=False, limit_seconds=5.0
    )
    at, ended_at = NOON + timedelta(seconds=database), NOON + timedelta(seconds=took)
    return agreeing.disagreement(state, at, NOON, ended_at)


def test_a_venue_alone_may_be_off_by_what_is_traded_with_and_no_more() -> None:
    assert not said(venue=-4.0, database=0.0)
    assert said(venue=-6.0, database=0.0)
    assert said(venue=-4.0, database=3.0)


def test_our_own_clock_need_not_be_right() -> None:
    for ours in (-7200.0, 7200.0):
        assert not said(venue=ours, database=ours)
        assert said(venue=ours, database=ours + AHEAD)
        assert said(venue=ours, database=ours - AHEAD)


def test_clocks_agree_within_seconds_and_what_is_not_known_better() -> None:
    assert not said(venue=0.0, database=2.05)
    assert said(venue=0.0, database=2.2).endswith("2.2 s ahead of that of upbit")
    assert said(venue=0.0, database=-2.2).endswith("2.2 s behind that of upbit")
    assert not said(venue=0.0, database=2.2, doubt=0.6)
    assert not said(venue=0.0, database=3.0, took=1.0)  # a slow reading
    assert said(venue=None, database=0.0)
