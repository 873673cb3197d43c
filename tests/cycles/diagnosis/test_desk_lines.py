"""The desk's own lines: kind, mode, processes, alerts, rates."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Now
from django_q.models import Schedule

from cycles.diagnosis import desk as desk_lines, rates
from cycles.diagnosis.findings import Level
from cycles.domain.words import CallOutcome, DeskKind, Mode
from cycles.models import Alert, Cycle, Heartbeat, PremiumSample
from cycles.services import alerting, homing
from exchanges import registry
from exchanges.models import VenueClock
from kimp.diagnosis import composition
from tests import builders
from tests.cycles.diagnosis.conftest import line
from tests.cycles.services.test_judging import bought_home, next_units, on_the_way_back
from tests.cycles.services.test_rebalancing import waiting
from tests.cycles.telegram_sink import BROKEN, Sink
from tests.desk import TestDesk

FAR = "http://127.0.0.1:9/fx"


@pytest.mark.parametrize(
    ("kind", "is_live", "level"),
    [
        (DeskKind.SIMULATED, False, Level.OK),
        (DeskKind.LIVE, True, Level.OK),
        (DeskKind.SIMULATED, True, Level.FAIL),
        (DeskKind.LIVE, False, Level.FAIL),
    ],
)
def test_database_and_environment_agree_on_live(
    db: None, settings: Any, kind: DeskKind, is_live: bool, level: Level
) -> None:
    builders.desk(kind=kind)
    settings.KIMP_LIVE, settings.KIMP_TIME_SCALE = is_live, 1
    assert line(desk_lines.of_desk(), "kind").level is level


def test_a_time_scale_is_for_simulations(db: None, settings: Any) -> None:
    builders.desk(kind=DeskKind.LIVE)
    settings.KIMP_LIVE, settings.KIMP_TIME_SCALE = True, 60
    assert line(desk_lines.of_desk(), "time scale").level is Level.FAIL


def test_a_database_without_a_desk_fails_with_what_to_run(db: None) -> None:
    (only,) = desk_lines.of_desk()
    assert (only.level, "seed_desk" in only.remedy) == (Level.FAIL, True)


def test_a_restored_database_fails_until_it_has_caught_up(db: None) -> None:
    builders.desk()
    assert line(desk_lines.of_desk(), "journal").level is Level.OK
    homing.leave()
    found = line(desk_lines.of_desk(), "journal")
    assert found.level is Level.FAIL
    assert found.remedy.startswith("stop all roles, then run manage.py catch_up")
    assert "when roles may look" in found.remedy


@pytest.mark.parametrize("mode", [Mode.HALT, Mode.FINALIZE_ONLY])
def test_a_desk_that_is_held_back_is_a_warning(db: None, mode: Mode) -> None:
    builders.desk(mode=mode)
    assert line(desk_lines.of_desk(), "mode").level is Level.WARN


def test_a_policy_under_which_no_cycle_can_open_is_a_warning_that_says_why(desk: TestDesk) -> None:
    assert line(desk_lines.of_desk(), "openings").detail == "there is room for a new cycle"
    builders.policy(notional_usdt=0, max_open_cycles=0)
    found = line(desk_lines.of_desk(), "openings")
    assert found.level is Level.WARN
    assert "open cycles: 0, the policy allows 0" in found.detail
    assert "sizes a new cycle at nothing" in found.detail


def test_a_desk_that_is_full_is_well_and_says_so(desk: TestDesk) -> None:
    builders.policy(max_open_cycles=1)
    builders.cycle()
    found = line(desk_lines.of_desk(), "openings")
    assert found.level is Level.OK
    assert found.detail == "no cycle opens now: open cycles: 1, the policy allows 1"


def test_dead_letters_are_a_warning(db: None) -> None:
    builders.desk()
    builders.dead_letter()
    waiting = line(desk_lines.of_desk(), "cycles")
    assert waiting.level is Level.WARN
    assert waiting.detail.startswith("1 dead letters")


def test_a_call_under_way_is_no_warning_until_it_is_long_unknown(db: None) -> None:
    builders.desk()
    builders.order_call(builders.cycle(), CallOutcome.INTENDED)
    assert line(desk_lines.of_desk(), "cycles").level is Level.OK
    long_ago = Now() - timedelta(minutes=6)
    builders.order_call(builders.cycle(), CallOutcome.UNKNOWN, intended_at=long_ago)
    assert line(desk_lines.of_desk(), "cycles").level is Level.WARN


def test_a_cycle_that_has_long_had_no_way_home_is_a_warning(desk: TestDesk) -> None:
    row = waiting(desk)
    Cycle.objects.filter(pk=row.pk).update(status_since=Now() - timedelta(minutes=6))
    desk.sample()
    assert line(desk_lines.of_desk(), "cycles").level is Level.OK
    PremiumSample.objects.update(at=F("at") - timedelta(minutes=1))
    found = line(desk_lines.of_desk(), "cycles")
    assert (found.level, found.detail) == (Level.WARN, "1 have long had no way home")
    assert "feeder" in found.remedy
    Cycle.objects.filter(pk=row.pk).update(status_since=Now())
    assert line(desk_lines.of_desk(), "cycles").level is Level.OK


def test_a_cycle_that_is_to_buy_its_way_home_and_has_long_had_none_is_a_warning(
    desk: TestDesk,
) -> None:
    on_the_way_back(desk)
    desk.sample()
    assert line(desk_lines.of_desk(), "cycles").level is Level.OK
    PremiumSample.objects.update(at=F("at") - timedelta(minutes=1))
    assert line(desk_lines.of_desk(), "cycles").detail == "1 have long had no way home"


def test_coins_that_have_long_been_on_their_way_home_are_no_warning(desk: TestDesk) -> None:
    row = on_the_way_back(desk)
    desk.sample()
    next_units(desk, row, units=1)
    assert bought_home(row) == 1
    PremiumSample.objects.update(at=F("at") - timedelta(minutes=1))
    assert "have long had no way home" not in line(desk_lines.of_desk(), "cycles").detail


def test_a_clock_that_stops_trading_on_another_host_fails(desk: TestDesk) -> None:
    told = "the clock of binance is 9.0 s ahead of ours (limit 5 s)"
    VenueClock.objects.create(
        venue="binance", host="elsewhere", ahead_ms=9000, doubt_ms=10,
        measured_at=Now(), stopped_at=Now(), stopped_because=told,
    )  # fmt: skip
    assert line(desk_lines.of_desk(), "clocks").detail == told


def test_a_role_without_a_sign_of_life_fails_with_its_command(ready: TestDesk) -> None:
    assert {one.level for one in composition.of_workers()} == {Level.OK}
    Heartbeat.objects.filter(name__startswith="job:").delete()
    dead = line(composition.of_workers(), "worker")
    assert dead.level is Level.FAIL
    assert "manage.py qcluster" in dead.remedy


def test_a_job_that_has_not_ended_well_for_long_fails(ready: TestDesk) -> None:
    Heartbeat.objects.create(
        name="job:verify_ledger", role="worker", beat_at=Now() - timedelta(hours=1)
    )
    late = line(composition.of_workers(), "jobs")
    assert (late.level, "verify_ledger" in late.detail) == (Level.FAIL, True)


def test_a_schedule_that_is_not_the_codes_fails(ready: TestDesk) -> None:
    assert composition.of_schedule().level is Level.OK
    Schedule.objects.filter(name="kimp:sweep_retries").delete()
    assert composition.of_schedule().level is Level.FAIL
    assert not Schedule.objects.filter(name="kimp:sweep_retries").exists()


def test_no_channel_fails_only_where_money_is_real(db: None, settings: Any) -> None:
    settings.KIMP_TELEGRAM_TOKEN = ""
    assert line(desk_lines.of_alerts(sends_test=False), "channel").level is Level.WARN
    settings.KIMP_LIVE = True
    assert line(desk_lines.of_alerts(sends_test=False), "channel").level is Level.FAIL


def test_a_channel_that_never_took_an_alert_is_a_warning(db: None, telegram: Sink) -> None:
    found = line(desk_lines.of_alerts(sends_test=False), "channel")
    assert (found.level, "--send-test-alert" in found.remedy) == (Level.WARN, True)


def test_a_channel_that_is_down_fails_the_test_alert(db: None, telegram: Sink) -> None:
    assert line(desk_lines.of_alerts(sends_test=True), "channel").level is Level.OK
    telegram.script.append(BROKEN)
    found = line(desk_lines.of_alerts(sends_test=True), "channel")
    assert found.level is Level.FAIL
    assert "hushhush" not in found.detail


def test_alerts_that_nobody_delivers_fail(db: None, telegram: Sink) -> None:
    alerting.raise_alert(key="k", severity=Alert.Severity.INFO, title="t")
    assert line(desk_lines.of_alerts(sends_test=False), "outbox").level is Level.OK
    Alert.objects.update(created_at=Now() - timedelta(minutes=6))
    assert line(desk_lines.of_alerts(sends_test=False), "outbox").level is Level.FAIL
    Alert.objects.update(created_at=Now(), state=Alert.State.GIVEN_UP)
    assert line(desk_lines.of_alerts(sends_test=False), "outbox").level is Level.FAIL


def test_a_source_of_the_rate_that_is_down_fails_loudly(desk: TestDesk, settings: Any) -> None:
    assert {one.level for one in rates.of_sources(registry.utc_now())} == {Level.OK}
    settings.KIMP_FX_ERAPI_URL = FAR
    found = list(rates.of_sources(registry.utc_now()))
    assert line(found, "open-er-api").level is Level.FAIL
    assert line(found, "frankfurter").level is Level.OK
    assert line(found, "agreement").detail.startswith("1 official rate is good; 2 are needed")


def test_samples_that_are_old_fail(ready: TestDesk) -> None:
    assert line(rates.of_samples(), "samples upbit").level is Level.OK
    PremiumSample.objects.update(at=F("at") - timedelta(minutes=10))
    assert line(rates.of_samples(), "samples upbit").level is Level.FAIL
    PremiumSample.objects.all().delete()
    assert line(rates.of_samples(), "samples upbit").detail == "there are none"
