"""SIGTERM to the queue's cluster while a sweep has a cycle in hand: it ends in time, and the cycle is free at once."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models.functions import Now
from django_q.tasks import async_task

from cycles.domain.words import CallOutcome
from cycles.models import Cycle, ExchangeCall
from kimp.sockets import free_port
from tests import builders
from tests.builders import person
from tests.crashes.proof import all_end, assert_one_story
from tests.crashes.running import RunningDesk
from tests.desk import eventually
from tests.kimp.test_qcluster import cluster

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

GONE = "initiator:gone"
LEASE_SECONDS = 60  # nobody waits for it to run out


@pytest.fixture(autouse=True)
def patient(desk: RunningDesk) -> None:
    """Give venues half a minute to answer, and leases a minute."""
    person("alice", "administrator")
    desk.pin("XRP", usdt="2.2", krw="3300")
    desk.variables["KIMP_VENUE_DEADLINE_SECONDS"] = "30"
    desk.start("feeder-1")


def test_a_sweep_claims_no_cycle_once_the_cluster_is_told_to_stop_and_hands_back_what_it_has(
    desk: RunningDesk,
) -> None:
    cycles = [desk.open() for _ in range(3)]
    slow = _slow_orders(desk, milliseconds=2_000)
    _leave_behind(*cycles)
    with _cluster(desk) as told:
        eventually(lambda: desk.fired(slow) == 1)
    assert "leaves_in_flight" not in told.read_text()
    owners = sorted(Cycle.objects.values_list("lease_owner", flat=True))
    assert owners == ["", GONE, GONE]
    assert desk.fired(slow) == 1
    assert ExchangeCall.objects.get().outcome == CallOutcome.UNKNOWN  # the unit ended


def test_a_cycle_whose_call_hangs_is_handed_back_before_the_cluster_is_cut_short(
    desk: RunningDesk,
) -> None:
    cycle = desk.open()
    hanging = _slow_orders(desk, milliseconds=90_000)
    _leave_behind(cycle)
    with _cluster(desk, ends_with=1) as told:
        eventually(lambda: desk.fired(hanging) == 1)
    assert '"cluster.cut_short"' in told.read_text()
    cycle.refresh_from_db()
    assert (cycle.status, cycle.lease_owner) == ("STARTED", "")
    assert ExchangeCall.objects.get().outcome == CallOutcome.INTENDED
    desk.start("initiator-1", "finalizer-1")
    all_end(cycle)
    assert_one_story(desk)


def _slow_orders(desk: RunningDesk, *, milliseconds: int) -> int:
    """Let Binance accept an order, and hang up on who waits for its answer so late."""
    return desk.fault(
        fault="F2", venue="binance", method="POST", path_regex="/order$",
        args={"milliseconds": milliseconds},
    )  # fmt: skip


def _leave_behind(*cycles: Cycle) -> None:
    """Let cycles be those of a worker that is gone, and a sweep be asked for."""
    for row in cycles:
        expired = Now() - builders.HOUR
        Cycle.objects.filter(pk=row.pk).update(lease_owner=GONE, lease_expires_at=expired)
    async_task("cycles.tasks.sweep_expired_leases")


def _cluster(desk: RunningDesk, **how: Any) -> Any:
    port = free_port()
    own = {"KIMP_PORT": str(port), "KIMP_LEASE_SECONDS": str(LEASE_SECONDS)}
    return cluster(desk.home, port, variables=desk.environment("worker") | own, **how)
