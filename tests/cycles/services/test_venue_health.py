"""A venue whose clock is off, or that has banned us: nothing new is sent, people know, it passes by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from cycles.domain.progress import Turn
from cycles.domain.words import Operation
from cycles.errors import PolicyDeniedError, VenueClockError
from cycles.models import Alert, Cycle, ExchangeCall, Step
from cycles.services import calling, opening, venue_health
from cycles.services.intents import Intent
from exchanges import registry
from exchanges.models import RateWindow, VenueClock
from exchanges.transport import clock as clocks
from tests.cycles.services.acts import claimed, give_back
from tests.desk import TestDesk


@pytest.fixture(autouse=True)
def _looks_are_old_at_once(monkeypatch: pytest.MonkeyPatch, desk: TestDesk) -> Iterator[None]:
    for name in ("FRESH_SECONDS", "STOPPED_SECONDS", "REMEASURE_SECONDS"):
        monkeypatch.setattr(clocks, name, 0.0)
    monkeypatch.setattr(venue_health, "_written", {})
    yield
    skew(desk, 0)


def skew(desk: TestDesk, seconds: int) -> None:
    desk.control("/control/skew", {"venue": "binance", "ms": seconds * 1000})


def sent(desk: TestDesk) -> int:
    return desk.posts("binance", "/api/v3/order")


def waits(desk: TestDesk, row: Cycle) -> str:
    """Do one unit, which must be a wait; gives why."""
    lease = desk.lease(row)
    progress = desk.unit(lease)
    give_back(lease)
    assert progress.turn is Turn.WAIT, progress
    reason: str = progress.reason
    return reason


def test_a_clock_beyond_the_limit_stops_new_intents_and_costs_no_retry(desk: TestDesk) -> None:
    row = desk.open()
    skew(desk, -60)
    for _ in range(2):
        told = waits(desk, row)
        assert "60.0 s behind ours (limit 5 s): nothing is sent to binance" in told
    row.refresh_from_db()
    assert (row.status, row.retry_count, sent(desk)) == ("STARTED", 0, 0)
    assert not ExchangeCall.objects.exists()


def test_people_are_told_once_of_the_stop_and_once_of_its_end(desk: TestDesk) -> None:
    row = desk.open()
    skew(desk, 60)
    for _ in range(3):
        waits(desk, row)
    (alert,) = Alert.objects.filter(severity="CRITICAL")
    assert alert.title.startswith("No trading on binance: its clock")
    (stopped,) = VenueClock.objects.filter(venue="binance")
    assert abs(stopped.ahead_ms - 60_000) < 1000
    assert stopped.stopped_at is not None
    skew(desk, 0)
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")  # by itself
    (again,) = Alert.objects.filter(severity="INFO")
    assert again.title.startswith("Trading on binance goes on")
    assert VenueClock.objects.get(pk=stopped.pk).stopped_at is None


def test_a_clock_within_the_limit_is_corrected_and_traded_on(desk: TestDesk) -> None:
    row = desk.open()
    skew(desk, 4)  # uncorrected, Binance would refuse a stamp so old as soon as it took a second
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    assert (
        sent(desk) == ExchangeCall.objects.filter(venue="binance", operation="PLACE_ORDER").count()
    )
    assert not VenueClock.objects.filter(stopped_at__isnull=False).exists()


def test_a_stamp_that_is_refused_costs_one_order_that_was_not_processed_and_no_retry(
    desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock changes between our look and our order."""
    row = desk.open()
    monkeypatch.setattr(clocks, "FRESH_SECONDS", 60.0)
    registry.clock_state("binance")
    skew(desk, -4)
    assert "-1021" in waits(desk, row)
    (call,) = ExchangeCall.objects.filter(cycle=row)
    assert (call.outcome, call.refusal_reason) == ("NOT_SENT", "clock")
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    row.refresh_from_db()
    assert row.retry_count == 0


def test_f19_a_venue_that_refuses_a_measured_clock_is_not_traded_on_until_it_takes_one(
    desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time endpoint lies: what it shows is not what it judges by."""
    row = desk.open()
    monkeypatch.setattr(clocks, "REMEASURE_SECONDS", 30.0)
    skew(desk, -4)
    desk.fault(fault="F19", venue="binance", path_regex="/time$", args={"value": 7000})
    reasons = [waits(desk, row) for _ in range(4)]
    assert "-1021" in reasons[0]
    assert "refuses our stamps" in reasons[-1]
    assert sent(desk) == 2  # one before the clock was measured anew, one after
    skew(desk, 0)
    desk.control("/control/faults", method="DELETE")
    monkeypatch.setattr(clocks, "REMEASURE_SECONDS", 0.0)
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    assert Alert.objects.filter(severity="INFO", title__startswith="Trading on binance").exists()


def test_no_cycle_begins_while_a_clock_is_off(desk: TestDesk) -> None:
    desk.sample()
    skew(desk, 60)
    assert opening.open_if_decided(actor="a test") is None
    with pytest.raises(PolicyDeniedError, match=r"60\.0 s ahead of ours"):
        desk.open()
    skew(desk, 0)
    desk.sample()
    assert opening.open_if_decided(actor="a test") is not None


def test_what_a_host_that_is_gone_said_of_a_clock_forbids_nothing(desk: TestDesk) -> None:
    VenueClock.objects.create(
        venue="binance", host="gone", ahead_ms=60_000, doubt_ms=1, stopped_because="it was off",
        measured_at=Now() - timedelta(minutes=11), stopped_at=Now() - timedelta(minutes=20),
    )  # fmt: skip
    assert venue_health.stopped_clocks(("binance", "upbit")) == ()
    VenueClock.objects.update(measured_at=Now())
    assert venue_health.stopped_clocks(("binance", "upbit")) == ("it was off",)


def test_an_intent_is_denied_before_anything_is_written(desk: TestDesk) -> None:
    row = desk.open()
    lease = claimed(row)
    skew(desk, 60)
    step = Step.objects.filter(cycle=row)[0]
    intent = Intent(operation=Operation.PLACE_ORDER, payload={}, client_order_id="k1")
    with pytest.raises(VenueClockError):
        calling.intend(lease, step, intent)
    assert not ExchangeCall.objects.exists()


def test_a_ban_is_told_once_with_its_end(desk: TestDesk) -> None:
    RateWindow.objects.all().delete()  # other tests' calls leave theirs: written by a connection apart
    held = {"span_ms": 1000, "most": 0, "used": [0] * 10, "held_until": Now() + timedelta(hours=1)}
    RateWindow.objects.create(venue="binance", name="*", scope="ip", held_because="banned", **held)
    RateWindow.objects.create(
        venue="upbit", name="order", scope="account", held_because="used_up", **held
    )
    assert (venue_health.tell_of_bans(), venue_health.tell_of_bans()) == (1, 1)
    (alert,) = Alert.objects.filter(title__contains="banned")
    assert alert.title.startswith("binance has banned us until ")
    RateWindow.objects.update(held_until=Now() - timedelta(seconds=1))
    assert venue_health.tell_of_bans() == 0


def test_many_bans_are_told_by_as_many_statements_as_two(desk: TestDesk) -> None:
    noon = datetime(2099, 1, 1, 12, tzinfo=UTC)  # a minute that turns would make other bans of them
    held = {"span_ms": 1000, "most": 0, "used": [0] * 10, "held_because": "banned"}
    counts = []
    for bans in (2, 20):
        RateWindow.objects.all().delete()
        for minutes in range(1, bans + 1):
            until = noon + timedelta(minutes=minutes)
            RateWindow.objects.create(
                venue="binance", name=str(minutes), scope="ip", held_until=until, **held
            )
        with CaptureQueriesContext(connection) as made:
            assert venue_health.tell_of_bans() == bans
        counts.append(len(made))
    assert counts == [2, 2]  # what is banned, and the alerts
    assert Alert.objects.filter(title__contains="banned").count() == 20


def test_a_ban_that_closes_account_and_address_is_told_as_one(desk: TestDesk) -> None:
    RateWindow.objects.all().delete()  # other tests' calls leave theirs: written by a connection apart
    noon = datetime(2099, 1, 1, 12, tzinfo=UTC)
    held = {"span_ms": 1000, "most": 0, "used": [0] * 10, "held_because": "banned"}
    for scope, later in (("ip", 2), ("account", 1)):
        until = noon + timedelta(milliseconds=later)
        RateWindow.objects.create(venue="binance", name="*", scope=scope, held_until=until, **held)
    assert (venue_health.tell_of_bans(), venue_health.tell_of_bans()) == (1, 1)
    (alert,) = Alert.objects.filter(title__contains="banned")
    assert alert.title.endswith(" (account, ip)")
