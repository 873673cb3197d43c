"""`/metrics` of the web role: the desk's gauges, for this machine or the bearer of the token."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client
from django_q.tasks import async_task

from cycles.domain.words import CycleStatus, FailureClass, Role
from cycles.models import Alert, Cycle, Heartbeat
from cycles.services.alerting import raise_alert
from cycles.services.presence import beat
from exchanges.models import RateWindow, VenueClock
from tests.builders import cycle, moved_to


def gauges(client: Client) -> dict[str, float]:
    page = client.get("/metrics").content.decode()
    rows = [line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in rows}


@pytest.mark.django_db
def test_an_empty_desk_stands_at_zero(client: Client) -> None:
    found = gauges(client)
    assert found['kimp_cycles{status="DEAD_LETTER"}'] == 0
    assert found['kimp_open_calls{outcome="UNKNOWN"}'] == 0
    assert found["kimp_money_at_risk_krw"] == 0
    assert found["kimp_oldest_dead_letter_seconds"] == 0
    assert found["kimp_alerts_pending"] == 0


@pytest.mark.django_db
def test_queue_alerts_and_heartbeats_are_counted(client: Client) -> None:
    async_task("cycles.tasks.deliver_alerts")
    raise_alert(key="a", severity=Alert.Severity.INFO, title="a")
    beat("feeder@here", Role.FEEDER)
    beat("job:prune", Role.WORKER)
    Heartbeat.objects.update(beat_at=Now() - timedelta(seconds=90))
    found = gauges(client)
    assert found["kimp_queue_depth"] == 1
    assert found["kimp_alerts_pending"] == 1
    assert 90 <= found['kimp_heartbeat_age_seconds{role="feeder"}'] < 120
    assert 90 <= found['kimp_job_heartbeat_age_seconds{job="prune"}'] < 120


@pytest.mark.django_db
def test_dead_letters_show_their_number_money_and_age(client: Client) -> None:
    for _ in range(2):
        moved_to(
            cycle(usdt=1000),
            CycleStatus.DEAD_LETTER,
            failure_class=FailureClass.BUG,
            resume_status=CycleStatus.STARTED,
            wake_at=None,
        )
    cycle(usdt=1000)
    Cycle.objects.filter(status="DEAD_LETTER").update(status_since=Now() - timedelta(hours=1))
    found = gauges(client)
    assert found['kimp_cycles{status="DEAD_LETTER"}'] == 2
    assert found['kimp_cycles{status="STARTED"}'] == 1
    assert found["kimp_money_at_risk_krw"] == 2_800_000
    assert 3600 <= found["kimp_oldest_dead_letter_seconds"] < 3700


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("10.0.0.7", {}, 403),
        ("", {}, 403),
        ("127.0.0.1", {"X-Forwarded-For": "10.0.0.7"}, 403),
        ("10.0.0.7", {"Authorization": "Bearer wrong"}, 403),
        ("10.0.0.7", {"Authorization": "Bearer dummy-token"}, 200),
        ("127.0.0.1", {"X-Forwarded-For": "1.2.3.4", "Authorization": "Bearer dummy-token"}, 200),
    ],
)
def test_who_may_scrape(
    client: Client, settings: Any, address: str, headers: dict[str, str], status: int
) -> None:
    settings.KIMP_METRICS_TOKEN = "dummy-token"
    assert client.get("/metrics", headers=headers, REMOTE_ADDR=address).status_code == status


@pytest.mark.parametrize("given", ["Bearer ", "Bearer", ""])
def test_no_token_set_opens_nothing(client: Client, given: str) -> None:
    headers = {"Authorization": given}
    assert client.get("/metrics", headers=headers, REMOTE_ADDR="10.0.0.7").status_code == 403


@pytest.mark.django_db
def test_windows_of_venues_show_what_is_left_and_how_long_they_are_held(client: Client) -> None:
    RateWindow.objects.all().delete()  # other tests' calls leave theirs
    slot = int(time.time() * 1000) // 7500
    common: dict[str, Any] = {"venue": "binance", "span_ms": 60_000}
    RateWindow.objects.create(
        name="weight", scope="ip", most=6000, slot=slot, used=[20, 100, *[0] * 7, 500], **common
    )
    RateWindow.objects.create(
        name="sapi-ip", scope="ip", most=12_000, slot=slot - 11, used=[9] * 10, **common
    )
    RateWindow.objects.create(
        name="*", scope="ip", most=0, used=[0] * 10, held_because="banned",
        held_until=Now() + timedelta(seconds=90), **common,
    )  # fmt: skip
    found = gauges(client)
    weight = found['kimp_venue_window_left{scope="ip",venue="binance",window="weight"}']
    assert weight in {5380, 5880}  # the oldest 500 may pass as we look
    assert found['kimp_venue_window_left{scope="ip",venue="binance",window="sapi-ip"}'] == 12_000
    held = 'kimp_venue_held_seconds{because="banned",scope="ip",venue="binance",window="*"}'
    assert 80 < found[held] <= 90


@pytest.mark.django_db
def test_a_clock_that_stops_trading_stands_at_one(client: Client) -> None:
    facts = {"ahead_ms": 9000, "doubt_ms": 4, "measured_at": Now()}
    VenueClock.objects.create(venue="binance", host="a", stopped_at=Now(), **facts)
    VenueClock.objects.create(venue="upbit", host="a", **facts)
    found = gauges(client)
    assert found['kimp_venue_clock_stopped{host="a",venue="binance"}'] == 1
    assert found['kimp_venue_clock_stopped{host="a",venue="upbit"}'] == 0
