"""The statements that claim a cycle and settle its calls tell where it stands, and hand it back where it only waits."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, models
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from cycles.domain.progress import Turn
from cycles.models import Cycle, Posting
from cycles.services import booking, desk, overdue, standing
from cycles.services.advancing import advance
from cycles.services.standing import Standing
from tests.cycles.services.acts import claimed, units_until
from tests.desk import TestDesk

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _slow_machines_are_no_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "FRESH", timedelta(minutes=5))


def told(seen: Standing | None) -> list[Any]:
    """Give all that is known of where a cycle stands."""
    assert seen is not None

    def columns(row: models.Model | None) -> dict[str, Any] | None:
        fields = row._meta.concrete_fields if row is not None else ()
        return {field.attname: getattr(row, field.attname) for field in fields}

    held = booking.holdings(seen.cycle)
    return [seen.is_loose, held, *map(columns, (seen.cycle, seen.cycle.policy, seen.step))]


def test_a_claim_tells_where_the_cycle_stands_under_the_new_lease(desk: TestDesk) -> None:
    lease = claimed(desk.open())
    seen = lease.last_seen.take()
    assert told(seen) == told(standing.read(lease.cycle_id))
    assert seen is not None
    assert (seen.cycle.lease_owner, seen.cycle.fence) == (lease.owner, lease.fence)


def test_a_settlement_tells_where_the_cycle_stands_after_it(desk: TestDesk) -> None:
    lease = units_until(desk, desk.open(), "BUY")
    seen = lease.last_seen.take()
    assert told(seen) == told(standing.read(lease.cycle_id))
    assert seen is not None
    assert seen.step is not None
    assert seen.step.kind == "WITHDRAW"


def test_what_was_seen_is_good_for_one_unit(desk: TestDesk) -> None:
    lease = claimed(desk.open())
    assert lease.last_seen.take() is not None
    assert lease.last_seen.take() is None


def test_what_was_seen_a_while_ago_is_not_believed(
    desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = claimed(desk.open())
    monkeypatch.setattr(standing, "FRESH", timedelta(seconds=-1))
    assert lease.last_seen.take() is None


def test_a_buy_and_a_withdrawal_are_two_statements_each(desk: TestDesk) -> None:
    # The first stamp that a venue accepts from a process lifts what may have stopped it.
    advance(claimed(desk.open()))
    lease = claimed(desk.open())
    with CaptureQueriesContext(connection) as made:
        advance(lease)
    names = [re.findall(r"kimp_(\w+)_v\d", query["sql"]) for query in made.captured_queries]
    steps = ["intend"], ["settle", "standing"]
    assert [one for one in names if one] == [*steps, *steps]
    others = [query["sql"] for query in made.captured_queries if "kimp_" not in query["sql"]]
    # Rules, which a busy worker remembers.
    assert all(sql.startswith("SELECT ") for sql in others), others


def test_a_withdrawal_that_was_sent_hands_its_cycle_back_in_the_same_commit(desk: TestDesk) -> None:
    row = desk.open()
    lease = units_until(desk, row, "BUY")
    due_at = wake_up(row)
    progress = desk.unit(lease)
    row.refresh_from_db()
    assert (progress.turn, progress.is_handed_back) == (Turn.WAIT, True)
    assert (row.lease_owner, row.lease_expires_at, row.fence) == ("", None, lease.fence)
    assert wake_up(row) > due_at + overdue.poll_delay()


def test_one_that_is_to_be_looked_at_at_once_is_handed_back_due(
    desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = desk.open()
    lease = units_until(desk, row, "BUY")
    monkeypatch.setattr(overdue, "poll_delay", lambda: timedelta(0))
    assert desk.unit(lease).is_handed_back
    assert wake_up(row) <= now()


def test_one_that_was_woken_while_it_was_in_hand_stays_due(desk: TestDesk) -> None:
    row = desk.open()
    lease = units_until(desk, row, "BUY")
    Cycle.objects.filter(pk=row.pk).update(wake_at=Now())
    woken_at = wake_up(row)
    assert desk.unit(lease).is_handed_back
    assert wake_up(row) == woken_at


def test_one_whose_reply_is_lost_as_it_is_handed_back_waits_and_is_settled_once(
    desk: TestDesk, caplog: pytest.LogCaptureFixture
) -> None:
    row = desk.open()
    lease = units_until(desk, row, "BUY")

    def lose(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if "kimp_settle" in sql:
            raise OperationalError("the connection was lost")
        return result

    due_at = wake_up(row)
    with connection.execute_wrapper(lose):
        advance(lease)
    row.refresh_from_db()
    assert (row.lease_owner, row.fence, row.failure_reason) == ("", lease.fence, "")
    assert wake_up(row) > due_at + overdue.poll_delay()
    assert Posting.objects.filter(cycle=row, kind="SENT").count() == 1
    assert "lease.lost" not in caplog.text


def wake_up(row: Cycle) -> datetime:
    """Give when a cycle is to be looked at."""
    at = Cycle.objects.values_list("wake_at", flat=True).get(pk=row.pk)
    assert at is not None
    return at


def now() -> datetime:
    """Give the database's time."""
    return desk.database_now()
