"""Waiting cycles are woken together when a way back comes to clear for them, and only then."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from cycles.domain.words import CycleKind, CycleStatus, Role
from cycles.models import Cycle, Step
from cycles.services import leasing, waking
from cycles.services.locking import in_transaction
from tests import builders
from tests.kimp.log_lines import captured

EDGE = Decimal(50)  # bps that the policy wants
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _desk(db: None) -> None:
    builders.desk()
    builders.policy(min_rebalance_edge_bps=EDGE)


def waiting(own_rate: int, *, carries_usdt: bool = False, **facts: Any) -> Cycle:
    """Give a cycle that got `own_rate` KRW per USDT on its way out and sleeps for an hour."""
    row = builders.cycle(**facts)
    for step in Step.objects.filter(cycle=row):
        given, yielded = Decimal(100), Decimal(100)
        if step.kind == "SELL":
            yielded = Decimal(100 * own_rate)
        Step.objects.filter(pk=step.pk).update(
            state="DONE", settled_at=Now(), quantity_in=given, quantity_out=yielded
        )
    if carries_usdt:
        Step.objects.filter(cycle=row, kind="BUY").delete()
    for status in (CycleStatus.INITIAL_TRADE_COMPLETED, CycleStatus.AWAITING_REBALANCE):
        builders.moved_to(row, status)
    Cycle.objects.filter(pk=row.pk).update(wake_at=Now() + HOUR)
    return row


def wake_waiting(back_rate: Decimal, *, before: Decimal | None, venue: str = "upbit") -> int:
    return waking.wake_waiting(venue, back_rate, before=before).count


def is_due(row: Cycle) -> bool:
    return Cycle.objects.filter(pk=row.pk, wake_at__lte=Now()).exists()


def test_a_way_back_that_comes_to_clear_wakes_all_it_clears_for() -> None:
    dear, cheap = waiting(1500), waiting(1400)
    second = waiting(1500, carries_usdt=True)
    assert wake_waiting(Decimal(1450), before=Decimal(1495)) == 2
    assert (is_due(dear), is_due(second), is_due(cheap)) == (True, True, False)


@pytest.mark.parametrize(
    ("back", "is_woken"), [("1492.54", False), ("1492.53", True)]
)  # 1500 / 1.005 = 1492.537...
def test_the_edge_of_the_policy_is_what_counts(back: str, is_woken: bool) -> None:
    row = waiting(1500)
    wake_waiting(Decimal(back), before=Decimal(1499))
    assert is_due(row) is is_woken


def test_the_policy_it_was_opened_under_is_its_own() -> None:
    row = waiting(1500)
    builders.policy(min_rebalance_edge_bps=Decimal(5000))
    wake_waiting(Decimal(1450), before=Decimal(1499))
    assert is_due(row)


def test_what_it_cleared_for_already_is_not_woken_again() -> None:
    row = waiting(1500)
    assert wake_waiting(Decimal(1440), before=Decimal(1450)) == 0
    assert not is_due(row)


def test_without_a_way_back_before_every_cycle_it_clears_for_is_woken() -> None:
    row = waiting(1500)
    assert wake_waiting(Decimal(1440), before=None) == 1
    assert is_due(row)


def test_one_that_a_worker_has_judged_meanwhile_and_lets_wait_again_was_not_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else all would be woken at each of the feeder's turns, for as long as a pause keeps them here, say."""
    waiting(1500)
    commit = in_transaction

    def judged(work: Callable[[], waking.Woken]) -> waking.Woken:
        done = commit(work)
        Cycle.objects.update(wake_at=Now() + HOUR)
        return done

    monkeypatch.setattr(waking, "in_transaction", judged)
    woken = waking.wake_waiting("upbit", Decimal(1400), before=None)
    assert woken == waking.Woken(count=1, has_left=False)


def test_a_cycle_without_a_way_out_of_its_own_is_woken_when_there_is_a_way_at_all() -> None:
    row = waiting(1500, kind=CycleKind.RETURN_ONLY)
    Step.objects.filter(cycle=row).delete()
    assert wake_waiting(Decimal(1440), before=Decimal(1450)) == 0
    assert wake_waiting(Decimal(1440), before=None) == 1
    assert is_due(row)


def test_a_leased_or_moving_cycle_is_left_alone() -> None:
    leased, moving = waiting(1500), waiting(1500)
    Cycle.objects.filter(pk=leased.pk).update(lease_owner="w", lease_expires_at=Now() + HOUR)
    builders.moved_to(moving, CycleStatus.REBALANCING_IN_PROGRESS, return_asset="XRP")
    assert wake_waiting(Decimal(1440), before=None) == 0


def test_a_way_back_from_another_venue_is_none() -> None:
    row = waiting(1500)
    assert wake_waiting(Decimal(1440), before=None, venue="bithumb") == 0
    assert not is_due(row)


def test_it_is_the_same_statements_however_many_there_are() -> None:
    for _ in range(3):
        waiting(1500)
    with CaptureQueriesContext(connection) as seen:
        assert wake_waiting(Decimal(1440), before=None) == 3
    statements = [query["sql"].split()[0] for query in seen.captured_queries]
    statements = [one for one in statements if one not in {"SAVEPOINT", "RELEASE"}]
    assert statements == ["UPDATE", "NOTIFY", "SELECT"]


def test_the_woken_are_claimed_oldest_started_first() -> None:
    rows = [waiting(1500) for _ in range(3)]
    for age, row in zip((2, 3, 1), rows, strict=True):
        Cycle.objects.filter(pk=row.pk).update(started_at=Now() - age * HOUR)
    wake_waiting(Decimal(1440), before=None)
    order = [leasing.claim(Role.FINALIZER, "w", limit=1)[0].cycle_id for _ in range(3)]
    assert order == [rows[1].pk, rows[0].pk, rows[2].pk]


def test_a_rate_is_logged_as_rates_are_read_not_with_every_digit_of_a_division() -> None:
    waiting(1500)
    with captured(logging.INFO) as lines:
        wake_waiting(Decimal(1_000_000) / Decimal(699), before=None)
    (line,) = lines.named("rebalance.woken")
    assert line["krw_per_usdt"] == "1430.6152"
