"""While a cycle's capital lacks, or a request has not ended, nothing is decided that its coming could change.

Whose a withdrawal without an id of ours is, what came in from outside, and what a cycle began with, is told afterwards.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from cycles.domain.plan import client_order_id
from cycles.domain.words import FailureClass
from cycles.models import Cycle, ExchangeCall, Posting
from exchanges import registry
from exchanges.models import NetworkRule
from exchanges.values import Market, OrderRequest, Side
from tests import builders
from tests.cycles.restoring.acts import (
    ACCEPT,
    MILLION,
    WON,
    WORDS,
    XRP,
    assert_in_step,
    assert_ledger_equals_venues,
    catch_up,
    credited,
    driven_to,
    has,
    redrive,
    resume,
    settled_by_hand,
    times_placed,
    won_paid_in,
)
from tests.cycles.restoring.dumps import Backups
from tests.cycles.restoring.test_capital_again import paid_in
from tests.cycles.restoring.test_unknown_withdrawals import unknown_withdrawal
from tests.cycles.services.acts import age, fail, give_back
from tests.cycles.services.test_judging import long_ago
from tests.cycles.services.test_rest_in_korea import return_only
from tests.desk import TestDesk

pytestmark = pytest.mark.django_db(transaction=True)

NOTIONAL = "2000"


def test_a_withdrawal_of_one_that_lacks_its_capital_is_not_given_to_another_that_would_send_as_much(
    xrp_desk: TestDesk, backups: Backups
) -> None:
    desk = xrp_desk
    has(desk, "upbit", "KRW", WON + MILLION)
    known = driven_to(desk, return_only(desk, WON), 1)
    dump = backups.dump()
    won_paid_in(desk, 2_500_000)
    later = driven_to(desk, return_only(desk, WON), 4)
    own = ExchangeCall.objects.get(cycle=later, operation="WITHDRAW").venue_order_id

    backups.restore(dump)
    done = catch_up(*WORDS)
    (told,) = done["left"]
    assert (told.startswith(later.code), done["parked"]) == (True, [])
    sent = ExchangeCall.objects.filter(operation="WITHDRAW")
    assert not sent.exists()
    done = catch_up(*ACCEPT)
    assert (done["left"], done["ended"], done["is_in_step"]) == ([], [later.code], True)
    assert [(one.cycle, one.venue_order_id) for one in sent] == [(later, own)]
    assert_ledger_equals_venues()
    resume()
    desk.drive_until(known, "COMPLETED")
    assert_ledger_equals_venues()


def test_its_withdrawal_is_of_its_own_sending_and_stops_nobody_and_all_that_came_in_is_told(
    xrp_desk: TestDesk, backups: Backups
) -> None:
    desk = xrp_desk
    has(desk, "upbit", "KRW", 2 * MILLION)
    known = driven_to(desk, return_only(desk, MILLION), 1)
    dump = backups.dump()
    won_paid_in(desk, 2_500_000)
    later = driven_to(desk, return_only(desk, WON), 2)
    backups.restore(dump)
    done = catch_up(*WORDS)
    (told,) = done["left"]
    assert (told.startswith(later.code), done["parked"]) == (True, [])
    known.refresh_from_db()
    assert known.status == "REBALANCING_IN_PROGRESS"

    done = catch_up(*ACCEPT)
    assert (done["is_in_step"], done["parked"]) == (True, [later.code])
    began, rest = done["accepted"]
    assert began.endswith(f" KRW, which {later.code} began with")
    assert sum(Decimal(line.split()[1]) for line in (began, rest)) == 2_500_000
    assert_ledger_equals_venues()


def ask_for_a_step_too_far(cycle: Cycle) -> None:
    """Let Upbit show an order of a cycle that fits nowhere in it."""
    own_id = client_order_id(cycle.pk, position=9, attempt=1)
    book = registry.book("upbit", XRP, newest=timedelta(seconds=9))
    order = OrderRequest(
        market=XRP,
        side=Side.BUY,
        quantity=Decimal(10),
        limit_price=book.asks[0].price,
        client_order_id=own_id,
    )
    registry.venue("upbit").place_order(order)


def test_what_one_in_which_something_misfits_may_have_sent_is_not_given_to_another(
    xrp_desk: TestDesk, backups: Backups
) -> None:
    desk = xrp_desk
    misfit, other = (driven_to(desk, return_only(desk, WON), 1) for _ in range(2))
    dump = backups.dump()
    ask_for_a_step_too_far(misfit)
    driven_to(desk, other, 2)
    backups.restore(dump)
    done = catch_up(*WORDS)
    assert set(done["parked"]) == {misfit.code, other.code}
    assert not ExchangeCall.objects.filter(operation="WITHDRAW").exists()
    other.refresh_from_db()
    assert "may be another cycle's as well" in other.failure_reason


@pytest.fixture
def spare_desk(committed_desk: TestDesk, settings: Any) -> TestDesk:
    """Give a desk with 7,000 USDT whose venues may hang for two seconds only."""
    settings.KIMP_VENUE_DEADLINE_SECONDS = 2
    registry.forget()
    has(committed_desk, "binance", "USDT", Decimal(7_000))
    return committed_desk


def ended_flat(desk: TestDesk, cycle: Cycle) -> None:
    """Let a cycle end that has bought nothing: it leaves no request behind."""
    wallet = NetworkRule.objects.filter(venue="binance", asset="XRP")
    wallet.update(withdraw_is_open=False)
    long_ago(cycle)
    desk.drive_until(cycle, "FAILED")
    wallet.update(withdraw_is_open=True)


def test_nothing_is_brought_in_while_a_request_has_not_ended_and_who_had_it_can_be_settled(
    spare_desk: TestDesk, backups: Backups
) -> None:
    desk = spare_desk
    unknown = unknown_withdrawal(desk, "F25")
    flat = desk.open("XRP", NOTIONAL)
    dump = backups.dump()
    ended_flat(desk, flat)
    first, second = (driven_to(desk, desk.open(asset, NOTIONAL), 1) for asset in ("SOL", "ETH"))
    brought_in = Posting.objects.filter(key__startswith="capital:caught_up:0")

    backups.restore(dump)
    done = catch_up(*ACCEPT)
    assert (done["unsettled"], done["is_in_step"], done["accepted"]) == (1, False, [])
    assert (done["remade"], brought_in.exists()) == ([first.code], False)
    assert any(
        told.startswith("nothing was accepted") and unknown.code in told for told in done["left"]
    )
    age(unknown, 61)
    assert catch_up(*WORDS)["undecided"]
    flat.refresh_from_db()
    assert flat.status == "DEAD_LETTER"
    settled_by_hand(flat)
    assert_in_step(second)


def test_of_less_than_the_cycles_hold_a_person_is_told_who_may_not_have_it_any_more(
    spare_desk: TestDesk, backups: Backups
) -> None:
    """Nothing was opened since: it was settled by hand, and its money taken out of the venue with the desk's own."""
    desk = spare_desk
    flat = desk.open("XRP", NOTIONAL)
    dump = backups.dump()
    settled_by_hand(fail(flat, FailureClass.POLICY_DENIED))
    paid_in(desk, Decimal(-6_000))
    backups.restore(dump)
    assert catch_up(*WORDS)["parked"] == [flat.code]
    flat.refresh_from_db()
    assert "it holds USDT at binance, where less lies" in flat.failure_reason
    settled_by_hand(flat)
    done = catch_up(*ACCEPT)
    assert (done["accepted"], done["is_in_step"]) == (["binance: -6000 USDT"], True)
    assert_ledger_equals_venues()


def resting(desk: TestDesk, filled: str) -> tuple[Cycle, ExchangeCall]:
    """Open a cycle whose first order rests at its venue, filled in part."""
    row = desk.open("XRP", NOTIONAL)
    desk.fault(fault="F13", action="rests", args={"value": filled}, when="once", venue="binance")
    lease = desk.lease(row)
    done = ExchangeCall.objects.filter(cycle=row, outcome="DONE")
    while not done.exists():
        desk.unit(lease)
    give_back(lease)
    return row, done.get()


def fills(desk: TestDesk, order: ExchangeCall) -> None:
    """Let an order that rests be filled after all."""
    desk.fault(fault="F13", venue="binance", action="fill_before_cancel", method="DELETE")
    market, own_id = Market.parse("XRP/USDT"), order.client_order_id
    registry.venue("binance").cancel_order(market, client_order_id=own_id)


@pytest.mark.parametrize("filled", ["0", "0.3"])
def test_what_a_cycle_began_with_is_told_once_its_first_order_has_ended(
    committed_desk: TestDesk, backups: Backups, filled: str
) -> None:
    desk = committed_desk
    has(desk, "binance", "USDT", Decimal(1_000))
    dump = backups.dump()
    credited(desk, "binance", "USDT", Decimal(1_500))
    builders.capital("binance", "USDT", 1_500)
    row, order = resting(desk, filled)

    backups.restore(dump)
    for words in (WORDS, ACCEPT):
        done = catch_up(*words)
        told = next(one for one in done["left"] if one.startswith(row.code))
        assert f"shows its order {order.client_order_id} as open" in told
        assert (done["remade"], done["accepted"], done["is_in_step"]) == ([], [], False)
    fills(desk, order)
    (told,) = catch_up(*WORDS)["left"]
    assert "it took 199" in told
    done = catch_up(*ACCEPT)
    assert (done["remade"], done["is_in_step"]) == ([row.code], True)
    assert_ledger_equals_venues()
    resume()
    redrive(row)
    desk.drive_until(row, "COMPLETED")
    assert times_placed(desk) == 1
    assert_ledger_equals_venues()
