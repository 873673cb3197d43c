"""An order that its worker never noted: found at its first look, it is noted and settled at once, under the new lease."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cycles.domain import postings
from cycles.domain.plan import buy_order, client_order_id
from cycles.domain.progress import Turn
from cycles.domain.words import AccountOwner, CallOutcome, PostingKind
from cycles.errors import LeaseLostError
from cycles.models import Alert, Cycle, ExchangeCall, Posting, Step
from cycles.services import booking, calling, standing, verifying
from cycles.services.advancing import one_unit
from cycles.services.calling import Noted
from cycles.services.intents import order_intent
from cycles.services.moving import Lease
from cycles.services.settling import market_of
from exchanges import reference, registry
from exchanges.values import OrderReport, OrderRequest
from tests.cycles.services.acts import accepted, give_back, lose_worker
from tests.desk import TestDesk

pytestmark = pytest.mark.django_db(transaction=True)

LOOK_UP = "/api/v3/order"


@pytest.fixture(autouse=True)
def _slow_machines_are_no_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "FRESH", timedelta(minutes=5))


def ordered(row: Cycle, step: Step, part: Decimal) -> OrderRequest:
    """Plan the order that spends a part of what the cycle has."""
    rules = reference.market_rules(step.venue, market_of(step), registry.utc_now())
    request = buy_order(
        registry.venue(step.venue).book(market_of(step)),
        rules,
        spend=booking.held_by_cycle(row, step.venue, step.quote) * part,
        max_slippage_bps=Decimal(100),
        order_id=client_order_id(row.pk, position=step.position, attempt=1),
    )
    assert request is not None
    return request


def left_behind(desk: TestDesk, row: Cycle, part: Decimal = Decimal(1)) -> ExchangeCall:
    """Send the cycle's first order as a worker does that dies before it can note what came of it."""
    lease = desk.lease(row, "the dead")
    step = Step.objects.get(cycle=row, position=1)
    request = ordered(row, step, part)
    call = calling.intend(lease, step, order_intent(request))
    registry.venue(step.venue).place_order(request)
    lose_worker(row)
    return call


def look_ups(desk: TestDesk) -> int:
    rows = desk.control("/control/requests")
    return sum(row["method"] == "GET" and row["path"].startswith(LOOK_UP) for row in rows)


def taken_over(row: Cycle, desk: TestDesk) -> tuple[Lease, list[str]]:
    """Claim the cycle anew and do its first unit; gives the statements of that."""
    lease = desk.lease(row, "the next")
    with CaptureQueriesContext(connection) as made:
        assert one_unit(lease, lease.last_seen.take()).turn is Turn.GO_ON
    return lease, [query["sql"] for query in made.captured_queries]


def test_an_order_that_is_found_costs_one_look_up_and_one_statement_that_writes(
    desk: TestDesk,
) -> None:
    row = desk.open()
    call = left_behind(desk, row)
    before = look_ups(desk)
    _, statements = taken_over(row, desk)
    written = [sql for sql in statements if not sql.startswith('SELECT "')]
    assert ["kimp_settle" in sql for sql in written] == [True]
    assert (
        len(statements) <= 3
    )  # what is loose; rules, which a busy worker remembers; the settlement
    assert look_ups(desk) - before == 1
    call.refresh_from_db()
    assert (call.outcome, call.is_settled) == (CallOutcome.DONE, True)
    assert call.noted_at is not None


def test_the_step_ends_with_it_where_nothing_is_left_that_is_worth_an_order(desk: TestDesk) -> None:
    row = desk.open()
    left_behind(desk, row)
    lease, _ = taken_over(row, desk)
    seen = lease.last_seen.take()
    assert seen is not None
    assert seen.step is not None
    assert (seen.step.kind, seen.is_loose) == ("WITHDRAW", False)
    give_back(lease)
    desk.drive_until(row, "COMPLETED")
    assert set(accepted(desk, "binance").values()) == {1}
    assert verifying.verify_ledger().matches_venues


def test_the_step_goes_on_where_more_is_left(desk: TestDesk) -> None:
    row = desk.open()
    call = left_behind(desk, row, part=Decimal("0.5"))
    lease, _ = taken_over(row, desk)
    call.refresh_from_db()
    assert call.is_settled
    step = Step.objects.get(pk=call.step_id)
    assert (step.state, step.quantity_out > 0) == ("RUNNING", True)
    give_back(lease)
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    assert verifying.verify_ledger().matches_venues


def test_who_lost_the_lease_while_it_looked_writes_the_fact_and_decides_nothing(
    desk: TestDesk,
) -> None:
    row = desk.open()
    call = left_behind(desk, row)
    lost = desk.lease(row, "asleep")
    seen = lost.last_seen.take()
    lose_worker(row)
    desk.lease(row, "the newest")
    one_unit(lost, seen)
    call.refresh_from_db()
    assert (call.outcome, call.is_settled) == (CallOutcome.DONE, False)
    assert not Posting.objects.filter(cycle=row, kind=PostingKind.FILL).exists()
    assert Step.objects.get(pk=call.step_id).state == "RUNNING"
    with pytest.raises(LeaseLostError):
        one_unit(lost)
    assert not Posting.objects.filter(cycle=row, kind=PostingKind.FILL).exists()


def test_a_worker_that_was_thought_dead_settles_nothing_twice(desk: TestDesk) -> None:
    row = desk.open()
    call = left_behind(desk, row)
    old = Lease(cycle_id=row.pk, owner="the dead", fence=call.fence)
    taken_over(row, desk)
    report = registry.venue(call.venue).order(
        market_of(call.step), client_order_id=call.client_order_id
    )
    with pytest.raises(LeaseLostError):
        calling.note(old, call, Noted(outcome=CallOutcome.DONE, report=report))
    assert Posting.objects.filter(cycle=row, kind=PostingKind.FILL).count() == 1
    assert not Alert.objects.filter(key__startswith="contradicted").exists()


def test_who_noted_it_while_it_was_looked_for_is_not_written_over(desk: TestDesk) -> None:
    """The dead one comes back between the look and the commit: what it noted stands, and is settled after that."""
    row = desk.open()
    call = left_behind(desk, row)

    def note(execute: Any, sql: Any, *rest: Any) -> Any:
        if "kimp_settle" in str(sql):
            calling.write_outcome(call, Noted(outcome=CallOutcome.UNKNOWN, error="a time-out"))
        return execute(sql, *rest)

    with connection.execute_wrapper(note):
        lease, _ = taken_over(row, desk)
    call.refresh_from_db()
    assert (call.outcome, call.is_settled) == (CallOutcome.DONE, False)
    desk.unit(lease)
    call.refresh_from_db()
    assert call.is_settled
    assert Posting.objects.filter(cycle=row, kind=PostingKind.FILL).count() == 1


def test_one_that_rests_is_noted_and_settled_when_it_has_ended(desk: TestDesk) -> None:
    row = desk.open()
    desk.fault(
        fault="F13", action="rests", args={"value": "0.3"}, venue="binance", method="POST",
        path_regex=f"{LOOK_UP}$", when="once",
    )  # fmt: skip
    call = left_behind(desk, row)
    lease, _ = taken_over(row, desk)
    call.refresh_from_db()
    assert (call.outcome, call.is_settled) == (CallOutcome.DONE, False)
    give_back(lease)


def test_one_that_took_more_than_the_cycle_has_is_noted_and_paid_by_the_desk(
    desk: TestDesk,
) -> None:
    row = desk.open()
    call = left_behind(desk, row)
    short = postings.moved(
        "binance", "USDT", Decimal(10), origin=AccountOwner.CYCLE, target=AccountOwner.DESK
    )
    booking.post("short", PostingKind.RESOLVED, short, cycle=row)
    lease, _ = taken_over(row, desk)
    call.refresh_from_db()
    assert (call.outcome, call.is_settled) == (CallOutcome.DONE, False)
    desk.unit(lease)
    call.refresh_from_db()
    assert call.is_settled
    assert Alert.objects.filter(key=f"short:{call.client_order_id}").exists()


def test_what_it_settled_is_what_its_venue_told(desk: TestDesk) -> None:
    row = desk.open()
    call = left_behind(desk, row)
    taken_over(row, desk)
    told = registry.venue(call.venue).order(
        market_of(call.step), client_order_id=call.client_order_id
    )
    assert isinstance(told, OrderReport)
    step = Step.objects.get(pk=call.step_id)
    assert step.quantity_in == sum(fill.notional for fill in told.fills)
    call.refresh_from_db()
    assert call.venue_order_id == told.venue_order_id
