"""A worker dies at a chosen point of a call: the venue has one order, and the books are the same.

The points are reached without a hand in our own code: the venue hangs, a table is locked, or the process
stops itself at a commit that is watched from outside.
"""

from __future__ import annotations

import signal
from collections import Counter

import pytest
from django.db import connection, transaction

from cycles.domain.plan import client_order_id
from cycles.domain.words import CallOutcome, Operation
from cycles.models import Cycle, ExchangeCall
from tests.builders import person
from tests.crashes.proof import all_end, assert_one_story
from tests.crashes.running import RunningDesk, cut_connections
from tests.crashes.sleeping import AFTER_INTENT, AFTER_INTENT_TO_SEND_COINS
from tests.desk import eventually, why

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

LONG = {"milliseconds": 90_000}
# Within its lease it sends; a machine that was slow to wake it sends nothing, and says so.
AS_SOON_AS_IT_WOKE = {
    (Operation.WITHDRAW, CallOutcome.DONE),
    (Operation.WITHDRAW, CallOutcome.NOT_SENT),
}
BUY, WITHDRAW, SELL = 1, 2, 4  # positions on the way out
# point -> (position, venue, method, path, fault, and what the journal says when the worker is dead)
POINTS: dict[str, tuple[int, str, str, str, str, CallOutcome]] = {
    "intended, not accepted": (BUY, "binance", "POST", "/order$", "F1", CallOutcome.INTENDED),
    "order accepted, not noted": (BUY, "binance", "POST", "/order$", "F2", CallOutcome.INTENDED),
    "withdrawal accepted, not noted":
        (WITHDRAW, "binance", "POST", "/withdraw", "F2", CallOutcome.INTENDED),
    "sale accepted, not noted": (SELL, "upbit", "POST", "/orders$", "F2", CallOutcome.INTENDED),
    "sale noted, not settled": (SELL, "upbit", "GET", "/order$", "F1", CallOutcome.DONE),
}  # fmt: skip


def _id(cycle: Cycle, position: int, attempt: int = 1) -> str:
    return client_order_id(cycle.pk, position=position, attempt=attempt)


def _begin(desk: RunningDesk) -> None:
    person("alice", "administrator")
    desk.pin("XRP", usdt="2.2", krw="3300")
    desk.start("feeder-1")


def _call(cycle: Cycle, position: int) -> ExchangeCall | None:
    return ExchangeCall.objects.filter(client_order_id=_id(cycle, position)).first()


def _hang(desk: RunningDesk, cycle: Cycle, point: str) -> int:
    position, venue, method, path, fault, _ = POINTS[point]
    return desk.fault(
        fault=fault, venue=venue, method=method, path_regex=path, args=LONG,
        when={"client_id_regex": _id(cycle, position)},
    )  # fmt: skip


def _orders_out(desk: RunningDesk, cycle: Cycle) -> Counter[str]:
    """Count the accepted orders of the passage out, by position."""
    prefixes = {
        name: _id(cycle, position)[:-2] for name, position in (("BUY", BUY), ("SELL", SELL))
    }
    rows = desk.control("/control/orders")
    return Counter(
        name
        for row in rows
        for name, prefix in prefixes.items()
        if row["client_order_id"].startswith(prefix)
    )


def test_a_worker_killed_at_any_point_of_a_call_leaves_one_order(desk: RunningDesk) -> None:
    _begin(desk)
    desk.variables["KIMP_VENUE_DEADLINE_SECONDS"] = "90"
    cycles = {point: desk.open() for point in POINTS}
    rules = {point: _hang(desk, cycle, point) for point, cycle in cycles.items()}
    desk.start("initiator-1")
    eventually(lambda: all(desk.fired(rule) == 1 for rule in rules.values()))

    desk.kill("initiator-1")

    for point, cycle in cycles.items():
        position, *_, outcome = POINTS[point]
        call = _call(cycle, position)
        assert call is not None, why(cycle)
        assert (call.outcome, call.is_settled) == (outcome, False), point
    desk.control("/control/faults", method="DELETE")
    desk.start("initiator-2", "finalizer-1")
    all_end(*cycles.values())
    for point, cycle in cycles.items():
        assert _orders_out(desk, cycle) == {"BUY": 1, "SELL": 1}, point
    absent = _call(cycles["intended, not accepted"], BUY)
    assert absent is not None
    assert absent.outcome == CallOutcome.ABSENT
    assert_one_story(desk)


def test_a_worker_killed_while_the_server_settles_for_it_settles_nothing_twice(
    desk: RunningDesk,
) -> None:
    _begin(desk)
    cycle = desk.open()

    with transaction.atomic():
        _lock("cycles_fill", "SHARE")
        desk.start("initiator-1")
        eventually(lambda: _waits_for_lock("kimp-initiator"))
        desk.kill("initiator-1")
        # Once the lock is gone the server may commit what nobody waits for any more.
        call = _call(cycle, BUY)
        assert call is not None
        assert (call.outcome, call.is_settled) == (CallOutcome.INTENDED, False)
        assert not call.fills.exists()

    desk.start("initiator-2", "finalizer-1")
    all_end(cycle)
    assert _orders_out(desk, cycle) == {"BUY": 1, "SELL": 1}
    assert_one_story(desk)


def test_a_worker_that_sleeps_between_intent_and_call_sends_nothing_when_it_wakes(
    desk: RunningDesk,
) -> None:
    _begin(desk)
    cycle = desk.open()
    desk.start_sleeper("initiator-1", AFTER_INTENT)
    call = _call(cycle, BUY)
    assert call is not None
    assert call.outcome == CallOutcome.INTENDED
    assert _orders_out(desk, cycle) == {}
    desk.start("initiator-2", "finalizer-1")
    eventually(lambda: Cycle.objects.get(pk=cycle.pk).status != "STARTED", seconds=60)
    desk.signal("initiator-1", signal.SIGCONT)
    all_end(cycle)
    eventually(lambda: _said(desk, "initiator-1", "lease.lost"))
    assert _orders_out(desk, cycle) == {"BUY": 1, "SELL": 1}
    call.refresh_from_db()
    assert call.outcome == CallOutcome.ABSENT
    assert_one_story(desk)


def test_an_outage_between_intent_and_call_needs_no_person(desk: RunningDesk) -> None:
    _begin(desk)
    cycle = desk.open("USDT")  # its first call is a withdrawal: there absence proves nothing
    desk.start_sleeper("initiator-1", AFTER_INTENT_TO_SEND_COINS)
    cut_connections()
    desk.signal("initiator-1", signal.SIGCONT)
    desk.start("finalizer-1")
    all_end(cycle)
    call = _call(cycle, BUY)
    assert call is not None
    assert (call.operation, call.outcome) in AS_SOON_AS_IT_WOKE
    assert not cycle.transitions.filter(to_status="DEAD_LETTER").exists()
    assert_one_story(desk)


def _lock(table: str, mode: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '20s'")
        cursor.execute(f"LOCK TABLE {table} IN {mode} MODE")


def _waits_for_lock(application: str) -> bool:
    """Say whether a process of that name waits for a lock in this database; a new connection does so for a moment."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = %s AND wait_event_type = 'Lock' "
            "AND clock_timestamp() - query_start > interval '0.1 s'",
            [application],
        )
        return bool(cursor.fetchone()[0])


def _said(desk: RunningDesk, name: str, event: str) -> bool:
    return any(line.get("event") == event for line in desk.lines(name))
