"""Korean withdrawals bear no id of ours: what became of those that the backup knows is told by the venue's own ids."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from cycles.domain.progress import Turn
from cycles.domain.words import CallOutcome, FailureClass
from cycles.models import Cycle, ExchangeCall, Step
from cycles.services import leasing, reconciling
from tests.cycles.restoring.acts import (
    WORDS,
    assert_ends,
    assert_ledger_equals_venues,
    catch_up,
    credited,
    driven_to,
    sent,
)
from tests.cycles.restoring.dumps import Backups
from tests.cycles.services.acts import balance, give_back, withdrawals
from tests.cycles.services.review import (
    WITHDRAWALS,
    no_faults,
    only_xrp,
    told,
    units_until_done,
    withdrawal_row,
)
from tests.desk import DEADLINE_SECONDS, TestDesk, operator, why

pytestmark = pytest.mark.django_db(transaction=True)

HOMEWARD, CREDIT, SALE = 6, 7, 8  # the steps of a round trip from Korea on


@pytest.fixture
def coins_of_others(committed_desk: TestDesk) -> TestDesk:
    """Give a desk that has the same coins in Korea for another cycle: a withdrawal too many could leave."""
    driven_to(committed_desk, only_xrp(committed_desk, "3000"), 5)
    return committed_desk


def stand_still(desk: TestDesk, *, still: bool = True) -> None:
    """Let market time stand still, or go on."""
    desk.control("/control/clock", {"freeze": still})


def call_of(cycle: Cycle, attempt: int = 1) -> ExchangeCall:
    """Give one of a cycle's withdrawals from Korea."""
    return ExchangeCall.objects.get(cycle=cycle, step__position=HOMEWARD, attempt=attempt)


def driven_beyond(desk: TestDesk, cycle: Cycle, position: int) -> None:
    """Drive a cycle, unit by unit, until a step is done and no further."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    steps = Step.objects.filter(cycle=cycle, position=position, state="DONE")
    while not steps.exists():
        assert time.monotonic() < deadline, why(cycle)
        lease = desk.lease(cycle)
        while not steps.exists() and desk.unit(lease).turn is Turn.GO_ON:
            pass
        leasing.release(lease, wake_in=None)


def ends_at_upbit(desk: TestDesk, quantity: Decimal) -> list[bool]:
    """Say of each withdrawal of a quantity, in order, whether it went through."""
    rows = withdrawals(desk, "upbit")
    return [row["state"] == "done" for row in rows if Decimal(str(row["quantity"])) == quantity]


@pytest.mark.parametrize("reached", [HOMEWARD, SALE])
def test_one_that_failed_after_the_backup_does_not_hide_the_one_that_was_sent_in_its_place(
    coins_of_others: TestDesk, backups: Backups, reached: int
) -> None:
    desk = coins_of_others
    (beside,) = Cycle.objects.all()
    cycle = driven_to(desk, desk.open(), 5)
    stand_still(desk)
    desk.fault(fault="F27", venue="upbit", when="once")
    first = call_of(driven_to(desk, cycle, HOMEWARD))
    assert (first.is_settled, first.report["status"]) == (True, "pending")
    dump = backups.dump()
    stand_still(desk, still=False)
    desk.drive_until(cycle, "RETRY_PENDING")
    driven_to(desk, cycle, reached)
    second = call_of(cycle, 2)
    before = sent(desk)

    backups.restore(dump)
    shown = catch_up()
    done = catch_up(*WORDS)
    assert sent(desk) == before, "nothing may be sent"
    assert (done["code"], done["left"], done["is_in_step"]) == (0, [], True)
    assert (shown["found"], shown["left"]) == (done["found"], [])
    assert call_of(cycle, 2).venue_order_id == second.venue_order_id
    assert call_of(cycle).report["status"] == "failed"
    assert_ledger_equals_venues()

    assert_ends(desk, beside=[cycle, beside])
    assert ends_at_upbit(desk, Decimal(first.report["quantity"])) == [False, True]


def test_one_that_failed_and_was_not_sent_again_is_undone_and_sent_once_after_resume(
    coins_of_others: TestDesk, backups: Backups
) -> None:
    desk = coins_of_others
    cycle = driven_to(desk, desk.open(), 5)
    stand_still(desk)
    desk.fault(fault="F27", venue="upbit", when="once")
    first = call_of(driven_to(desk, cycle, HOMEWARD))
    dump = backups.dump()
    stand_still(desk, still=False)
    desk.drive_until(cycle, "RETRY_PENDING")

    backups.restore(dump)
    done = catch_up(*WORDS)
    assert (done["code"], done["left"], done["is_in_step"]) == (0, [], True)
    assert [one["did"] for one in done["found"]] == ["undone: it came back"]
    again = catch_up(*WORDS)
    assert (again["code"], again["found"]) == (0, [])
    assert_ends(desk, beside=[cycle])
    assert ends_at_upbit(desk, Decimal(first.report["quantity"])) == [False, True]


@pytest.mark.parametrize("outcome", [CallOutcome.UNKNOWN, CallOutcome.DONE])
@pytest.mark.parametrize("reached", [CREDIT, SALE])
def test_one_whose_reply_was_lost_before_the_backup_is_found_with_all_that_followed(
    committed_desk: TestDesk, backups: Backups, reached: int, outcome: CallOutcome
) -> None:
    desk = committed_desk
    cycle = driven_to(desk, only_xrp(desk), 5)
    lose_a_reply(desk, cycle, outcome)
    dump = backups.dump()
    driven_beyond(desk, cycle, CREDIT)
    if reached == SALE:
        driven_to(desk, cycle, SALE)

    backups.restore(dump)
    done = catch_up(*WORDS)
    assert (done["code"], done["left"], done["unsettled"]) == (0, [], 0)
    assert (done["differences"], done["is_in_step"]) == ([], True)
    assert call_of(cycle).is_settled
    assert_ledger_equals_venues()
    assert_ends(desk, beside=[cycle])
    assert len(withdrawals(desk, "upbit")) == 1


def lose_a_reply(desk: TestDesk, cycle: Cycle, outcome: CallOutcome) -> None:
    """Let a cycle's withdrawal from Korea be accepted, and its reply be lost; it may be known since, and not settled."""
    desk.fault(fault="F24", venue="upbit", action="rst", when="once")
    lease = desk.lease(cycle)
    while not ExchangeCall.objects.filter(cycle=cycle, step__position=HOMEWARD).exists():
        desk.unit(lease)
    leasing.release(lease, wake_in=None)
    if outcome == CallOutcome.DONE:
        reconciling.reconcile_cycle(cycle.pk)
    call = call_of(cycle)
    assert (call.outcome, call.is_settled) == (outcome, False)


def test_what_came_back_after_it_had_left_is_undone_and_a_persons_to_send_again(
    committed_desk: TestDesk,
) -> None:
    desk = committed_desk
    row = desk.open()
    desk.fault(fault="F28", venue="binance", when="once")
    lease = units_until_done(desk, row, "OUTBOUND", "BUY")
    desk.unit(lease)
    call = ExchangeCall.objects.get(cycle=row, operation="WITHDRAW")
    told(desk, "binance", WITHDRAWALS, [withdrawal_row(call)])
    give_back(lease)
    give_back(units_until_done(desk, row, "OUTBOUND", "WITHDRAW"))
    no_faults(desk)
    told(desk, "binance", WITHDRAWALS, [withdrawal_row(call, status=5)])
    spent = Decimal(call.report["quantity"]) + Decimal(call.report["network_fee"])
    credited(desk, "binance", "XRP", spent)

    done = catch_up(*WORDS)
    assert (done["code"], done["is_in_step"], done["parked"]) == (1, True, [row.code])
    row.refresh_from_db()
    assert (row.failure_class, row.assignee) == (
        FailureClass.UNKNOWN_WITHDRAWAL,
        operator().user,
    )
    assert balance("upbit", "XRP", "IN_FLIGHT", row) == 0
    assert balance("binance", "XRP", "CYCLE", row) >= spent
    assert catch_up(*WORDS)["parked"] == []
