"""Jobs end by themselves: no new unit after a run's time, no call of a venue that would outlast the queue's patience."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db.models import Min

from cycles.domain.words import CallOutcome, CycleStatus, FailureClass
from cycles.models import Alert, Desk, ExchangeCall, SweepMark
from cycles.services import alerting, desk as desks, ending, refreshing, sweeping, verifying
from exchanges import registry
from exchanges.errors import KeptBackError, NotSentError
from exchanges.models import MarketRule, NetworkRule
from tests import builders
from tests.cycles.services.acts import fail, make_due
from tests.cycles.telegram_sink import serving
from tests.desk import TestDesk

pytestmark = pytest.mark.django_db


@pytest.fixture
def out_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run have time for what it must do at least."""
    monkeypatch.setattr(ending, "RUN_SECONDS", 0)


def gets(desk: TestDesk, venue: str, path: str) -> int:
    rows = desk.control("/control/requests")
    return sum(row["venue"] == venue and row["path"].startswith(path) for row in rows)


def test_what_begins_at_the_last_moment_of_a_run_ends_before_the_queue_ends_the_job() -> None:
    last_intent = ending.CALLS_SECONDS - registry.SENT_WITHIN_SECONDS
    assert last_intent > ending.RUN_SECONDS + settings.KIMP_VENUE_DEADLINE_SECONDS
    assert settings.Q_CLUSTER["timeout"] > ending.CALLS_SECONDS


def test_a_sweep_whose_time_is_up_takes_no_cycle_and_leaves_it_free(
    desk: TestDesk, out_of_time: None
) -> None:
    row = fail(desk.open(), FailureClass.TRANSIENT)
    make_due(row)
    assert sweeping.sweep_retries() == 0
    row.refresh_from_db()
    assert (row.status, row.lease_owner) == (CycleStatus.RETRY_PENDING, "")


def test_a_cycle_that_a_sweep_has_in_hand_begins_no_unit_after_the_runs_time(
    desk: TestDesk,
) -> None:
    row = fail(desk.open(), FailureClass.TRANSIENT)
    make_due(row)
    told = iter([True])  # for one unit
    sweeping._drive(desk.lease(row), lambda: next(told, False))
    row.refresh_from_db()
    assert (row.status, row.lease_owner) == (CycleStatus.STARTED, "")
    assert not ExchangeCall.objects.exists()


def test_no_intent_is_written_whose_call_could_be_cut_off(desk: TestDesk) -> None:
    row = desk.open()
    with registry.ending_within(ending.CALLS_SECONDS - ending.RUN_SECONDS - 6):
        desk.step(row)
    assert (row.status, ExchangeCall.objects.count()) == (CycleStatus.STARTED, 0)
    assert row.retry_count == 0
    assert not desk.posts("binance", "/api/v3/order")
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")


def test_whoever_is_to_end_asks_no_venue_any_more(desk: TestDesk) -> None:
    with registry.ending_within(0):
        with pytest.raises(NotSentError, match="is to end"):
            registry.venue("upbit").balances()
        with pytest.raises(KeptBackError, match="is to end before its answer"):
            registry.demand_open("upbit", "withdraw")
    assert registry.venue("upbit").balances()


def credit(desk: TestDesk, by: str) -> None:
    """Let a venue hold more than the ledger knows of."""
    desk.control("/control/balances", {"venue": "binance", "asset": "USDT", "credit": by})


def test_a_proof_that_calls_in_flight_keep_from_coming_is_given_up_after_a_runs_time(
    desk: TestDesk, out_of_time: None
) -> None:
    builders.order_call(builders.cycle(), CallOutcome.INTENDED)
    asked = gets(desk, "binance", "/api/v3/account")
    assert verifying.verify_ledger_job() is False
    assert gets(desk, "binance", "/api/v3/account") == asked + 1
    assert not Alert.objects.exists()


def test_a_difference_that_there_was_time_to_read_once_halts_nothing(
    desk: TestDesk, out_of_time: None
) -> None:
    credit(desk, "7")
    assert verifying.verify_ledger_job() is False
    assert Desk.objects.get().mode == "RUN"


def test_people_are_told_once_an_hour_when_no_run_has_come_to_a_proof_for_long(
    desk: TestDesk, out_of_time: None
) -> None:
    assert verifying.verify_ledger_job()
    credit(desk, "7")
    assert not verifying.verify_ledger_job()
    assert not Alert.objects.exists()
    long_ago = desks.database_now() - verifying.UNPROVEN_AFTER
    SweepMark.objects.filter(sweep=verifying.PROVEN).update(last=long_ago.isoformat())
    for _ in range(2):
        assert not verifying.verify_ledger_job()
    alert = Alert.objects.get(key__startswith="ledger_unproven:")
    assert alert.title == "The ledger has not been proven for 30 minutes"
    credit(desk, "-7")
    assert verifying.verify_ledger_job()
    assert SweepMark.objects.get(sweep=verifying.PROVEN).last > long_ago.isoformat()


def test_venues_are_refreshed_by_turns_where_a_run_has_time_for_one_part_only(
    desk: TestDesk, out_of_time: None
) -> None:
    now = registry.utc_now() + timedelta(minutes=1)
    parts = range(6 * len(registry.desk_venues()))
    left = [refreshing.refresh_in_turn(now).left_off_at for _ in parts]
    assert len(set(left)) == len(left)
    for rules in (MarketRule, NetworkRule):
        assert rules.objects.aggregate(oldest=Min("fetched_at"))["oldest"] == now


def test_a_refresh_that_comes_all_the_way_round_begins_with_the_first_again(
    desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as short:
        short.setattr(ending, "RUN_SECONDS", 0)
        assert refreshing.refresh_in_turn(registry.utc_now()).left_off_at == "binance assets"
    assert refreshing.refresh_in_turn(registry.utc_now()).left_off_at == ""
    assert not SweepMark.objects.filter(sweep=refreshing.SWEEP).exists()


def test_alerts_are_left_to_the_next_run_when_the_time_is_up(
    db: None, out_of_time: None, settings: Any
) -> None:
    for key in ("a", "b"):
        alerting.raise_alert(key=key, severity=Alert.Severity.INFO, title=key)
    with serving() as channel:
        settings.KIMP_TELEGRAM_BASE_URL = channel.url
        settings.KIMP_TELEGRAM_TOKEN = settings.KIMP_TELEGRAM_CHAT_ID = "1"
        assert [alerting.deliver_due() for _ in range(3)] == [1, 1, 0]
