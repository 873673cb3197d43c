"""What somebody keeps locked is one row's trouble: sweeps and wake-ups go past it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import TypeVar

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from cycles.domain.words import CallOutcome
from cycles.models import Cycle, ExchangeCall
from cycles.services import desk as desk_services, reconciling, waking
from cycles.services.feeding import Feeder
from cycles.services.locking import lock_cycle
from cycles.services.rating import refresh_rates
from exchanges import registry
from tests import builders
from tests.concurrency.meeting import SECONDS
from tests.cycles.services.acts import set_policy
from tests.cycles.services.test_rebalancing import waiting as driven_to_wait
from tests.cycles.services.test_reconciling_in_turn import unknown_calls
from tests.cycles.services.test_waking import is_due, waiting
from tests.desk import TestDesk

pytestmark = pytest.mark.concurrency

T = TypeVar("T")


def while_locked(row: Cycle, act: Callable[[], T]) -> T:
    """Act on a thread of its own, while this one keeps a cycle locked."""

    def run() -> T:
        try:
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        lock_cycle(row.pk)
        return pool.submit(run).result(SECONDS)


def test_a_call_whose_cycle_is_locked_stops_no_other(committed_desk: TestDesk) -> None:
    row = builders.dead_letter()
    held = builders.order_call(row, CallOutcome.INTENDED)
    (good,) = unknown_calls(1, age_seconds=3600)
    while_locked(row, reconciling.reconcile_open_calls)
    told = dict(ExchangeCall.objects.values_list("pk", "outcome"))
    assert told == {held.pk: "INTENDED", good.pk: "ABSENT"}


@pytest.mark.django_db(transaction=True)
def test_a_waiting_cycle_that_is_locked_is_woken_once_it_is_free_and_the_others_at_once() -> None:
    builders.desk()
    builders.policy(min_rebalance_edge_bps=Decimal(50))
    held, free = waiting(1500), waiting(1500)

    def wake() -> waking.Woken:
        return waking.wake_waiting("upbit", Decimal(1440), before=None)

    assert while_locked(held, wake) == waking.Woken(count=1, has_left=True)
    assert (is_due(held), is_due(free)) == (False, True)
    assert wake() == waking.Woken(count=1, has_left=False)
    assert is_due(held)


def test_a_feeder_wakes_in_its_next_turn_whom_it_could_not_lock(committed_desk: TestDesk) -> None:
    row = waiting_for_any_way(committed_desk)
    feeder = Feeder()
    refresh_rates(feeder.rates, registry.utc_now())
    while_locked(row, feeder.turn)
    assert not is_due(row)
    feeder.turn()
    assert is_due(row)


def waiting_for_any_way(desk: TestDesk) -> Cycle:
    """Give a cycle that waits for a way home, that any clears for, and sleeps for an hour."""
    row = driven_to_wait(desk)
    set_policy(min_rebalance_edge_bps=Decimal(-5000))
    Cycle.objects.filter(pk=row.pk).update(
        policy=desk_services.current_policy(), wake_at=Now() + timedelta(hours=1)
    )
    return row
