"""A cycle opened after the backup lacks its capital: only who could have ended since without a trace is asked about.

Whoever is under way, or has a withdrawal that came back, is told of what it is, not of capital.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from cycles.domain.words import FailureClass
from cycles.models import Cycle, ExchangeCall
from cycles.services import booking
from tests import builders
from tests.cycles.restoring.acts import (
    ACCEPT,
    WORDS,
    assert_ends,
    assert_in_step,
    catch_up,
    credited,
    driven_to,
    redrive,
    settled_by_hand,
)
from tests.cycles.restoring.dumps import Backups
from tests.cycles.services.acts import balance, fail, give_back
from tests.cycles.services.review import (
    WITHDRAWALS,
    no_faults,
    told,
    units_until_done,
    withdrawal_row,
)
from tests.cycles.services.test_rebalancing import at_policy_of, waiting
from tests.cycles.services.test_rest_in_korea import HOME, NEVER, left_by_xrp, return_only
from tests.desk import TestDesk

pytestmark = pytest.mark.django_db(transaction=True)

NOTIONAL = "2000"
LATE = "a withdrawal came back after it had left"


def takes_more_than_there_is(desk: TestDesk) -> Cycle:
    """Pay in, and let a cycle begin with more than a desk had that knows nothing of it."""
    free = booking.desk_balance("binance", "USDT")
    credited(desk, "binance", "USDT", Decimal(2000))
    builders.capital("binance", "USDT", 2000)
    return driven_to(desk, desk.open("SOL", str(free + 1000)), 1)


def sent_off(desk: TestDesk, asset: str) -> tuple[Cycle, ExchangeCall]:
    """Open a cycle whose coins have left Binance, and are to arrive."""
    row = desk.open(asset, NOTIONAL)
    desk.fault(fault="F28", venue="binance", when="once")
    driven_to(desk, row, 1 if asset == "USDT" else 2)
    call = ExchangeCall.objects.get(cycle=row, operation="WITHDRAW")
    told(desk, "binance", WITHDRAWALS, [shown(call)])
    give_back(units_until_done(desk, row, "OUTBOUND", "WITHDRAW"))
    return row, call


def shown(call: ExchangeCall, **facts: object) -> dict[str, object]:
    """Give a withdrawal as Binance's history shows it."""
    asked = {"coin": call.request["asset"], "network": call.request["network"]}
    return withdrawal_row(call, **asked, **facts)


@pytest.mark.parametrize("asset", ["XRP", "USDT"])
def test_of_a_withdrawal_that_came_back_late_a_person_is_told_also_where_capital_lacks(
    wide_desk: TestDesk, backups: Backups, asset: str
) -> None:
    desk = wide_desk
    row, call = sent_off(desk, asset)
    dump = backups.dump()
    takes_more_than_there_is(desk)
    backups.restore(dump)
    no_faults(desk)
    told(desk, "binance", WITHDRAWALS, [shown(call, status=5)])
    spent = Decimal(call.report["quantity"]) + Decimal(call.report["network_fee"])
    credited(desk, "binance", asset, spent)
    for words, is_in_step in ((WORDS, False), (ACCEPT, True)):
        assert catch_up(*words)["is_in_step"] == is_in_step
        row.refresh_from_db()
        assert (row.status, row.failure_class) == ("DEAD_LETTER", FailureClass.UNKNOWN_WITHDRAWAL)
        assert row.failure_reason.startswith(LATE)


def test_of_a_withdrawal_that_came_back_late_a_person_is_told_also_where_another_may_be_its_own(
    wide_desk: TestDesk, backups: Backups
) -> None:
    desk = wide_desk
    row, call = sent_off(desk, "XRP")
    dump = backups.dump()
    backups.restore(dump)
    no_faults(desk)
    other = shown(call, id="other", withdrawOrderId="", amount="7", txId="beef")
    told(desk, "binance", WITHDRAWALS, [shown(call, status=5), other])
    assert catch_up(*WORDS)["parked"] == [row.code]
    row.refresh_from_db()
    assert row.failure_class == FailureClass.UNKNOWN_WITHDRAWAL
    assert "of no cycle's sending" in row.failure_reason
    assert LATE in row.failure_reason


@pytest.mark.parametrize("done_last", ["WITHDRAW", "DEPOSIT"])
def test_who_is_under_way_is_no_dead_letter_for_the_little_it_holds_there(
    wide_desk: TestDesk, backups: Backups, done_last: str
) -> None:
    desk = wide_desk
    row = desk.open("XRP", NOTIONAL)
    give_back(units_until_done(desk, row, "OUTBOUND", done_last))
    flat = desk.open("ETH", NOTIONAL)
    assert 0 < balance("binance", "USDT", "CYCLE", row) < 10
    dump = backups.dump()
    later = takes_more_than_there_is(desk)
    backups.restore(dump)
    done = catch_up(*WORDS)
    assert any(told.startswith(later.code) for told in done["left"])
    assert done["parked"] == [flat.code]
    assert Cycle.objects.get(pk=row.pk).status == "STARTED"


def test_won_of_a_round_trip_on_its_way_is_nobodys_beginning(
    wide_desk: TestDesk, backups: Backups
) -> None:
    desk = wide_desk
    row = waiting(desk)
    assert balance("upbit", "KRW", "CYCLE", row) > 0
    dump = backups.dump()
    won = booking.desk_balance("upbit", "KRW")
    credited(desk, "upbit", "KRW", 2_000_000)
    builders.capital("upbit", "KRW", 2_000_000)
    later = driven_to(desk, return_only(desk, won + 1_000_000), 1)
    backups.restore(dump)
    done = catch_up(*WORDS)
    assert any(told.startswith(later.code) for told in done["left"])
    assert done["parked"] == []
    assert Cycle.objects.get(pk=row.pk).status == "AWAITING_REBALANCE"


def test_whose_first_order_has_not_ended_is_not_asked_about_either(
    wide_desk: TestDesk, backups: Backups
) -> None:
    desk = wide_desk
    row = desk.open("XRP", NOTIONAL)
    desk.fault(fault="F13", action="rests", args={"value": "0.3"}, when="once", venue="binance")
    lease = desk.lease(row)
    while not ExchangeCall.objects.filter(cycle=row, outcome="DONE").exists():
        desk.unit(lease)
    give_back(lease)
    assert not ExchangeCall.objects.filter(cycle=row, is_settled=True).exists()
    dump = backups.dump()
    takes_more_than_there_is(desk)
    backups.restore(dump)
    done = catch_up(*WORDS)
    assert (done["unsettled"], done["parked"]) == (1, [])
    assert Cycle.objects.get(pk=row.pk).status == "STARTED"


def test_who_was_settled_by_hand_since_can_be_again_though_it_had_sold(
    wide_desk: TestDesk, backups: Backups
) -> None:
    """As few are dead letters as may hold it, whoever was looked at last: one after another, until the desk is in step."""
    desk = wide_desk
    row = waiting(desk)
    larger = desk.drive_until(desk.open("XRP", "9000"), "AWAITING_REBALANCE")
    dump = backups.dump()
    won = booking.desk_balance("upbit", "KRW")
    settled_by_hand(fail(row, FailureClass.POLICY_DENIED))
    assert booking.desk_balance("upbit", "KRW") > won + 1_000_000
    later = driven_to(desk, return_only(desk, won + 1_000_000), 1)

    backups.restore(dump)
    shown = catch_up()
    assert any(told.startswith(larger.code) for told in shown["left"])
    done = catch_up(*WORDS)
    assert (done["is_in_step"], done["parked"]) == (False, [larger.code])
    assert catch_up(*WORDS)["parked"] == [], "a dead letter is one that a person sees to already"
    redrive(larger)
    assert catch_up(*WORDS)["parked"] == [row.code]
    settled_by_hand(row)
    assert_in_step(later)
    assert_ends(desk, later)


def test_who_left_a_rest_to_the_desk_since_and_would_carry_it_now_can_be_settled_by_hand(
    wide_desk: TestDesk, backups: Backups
) -> None:
    """A small rest was the desk's when it ended, as no way back cleared; now one clears, and nothing shows that it had ended."""
    desk = wide_desk
    row = left_by_xrp(desk, "0.97", NEVER)
    dump = backups.dump()
    won = booking.desk_balance("upbit", "KRW")
    desk.drive_until(row, "COMPLETED")
    assert booking.desk_balance("upbit", "KRW") > won + 200_000
    desk.sample()
    later = driven_to(desk, return_only(desk, won + 200_000), 1)

    backups.restore(dump)
    at_policy_of(row, min_rebalance_edge_bps=HOME)
    done = catch_up(*WORDS)
    assert (done["is_in_step"], done["parked"]) == (False, [row.code])
    settled_by_hand(row)
    assert_in_step(later)
