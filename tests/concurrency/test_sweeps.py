"""What somebody keeps locked is one row's trouble: sweeps and wake-ups go past it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from django.db import connection, transaction

from cycles.domain.words import CallOutcome
from cycles.models import Cycle, ExchangeCall
from cycles.services import reconciling
from cycles.services.locking import lock_cycle
from tests import builders
from tests.concurrency.meeting import SECONDS
from tests.cycles.services.test_reconciling_in_turn import unknown_calls
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
