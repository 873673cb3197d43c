"""A cycle of after the backup that cannot be made again yet: what it did is nobody else's, and stops nobody."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from cycles.domain.plan import client_order_id
from cycles.models import Cycle, ExchangeCall
from exchanges import registry
from exchanges.values import Market, OrderRequest, Side
from tests.cycles.restoring.acts import (
    ACCEPT,
    MILLION,
    WON,
    WORDS,
    XRP,
    assert_ends,
    assert_in_step,
    assert_ledger_equals_venues,
    catch_up,
    credited,
    driven_to,
    has,
    resume,
    settled_by_hand,
    won_paid_in,
)
from tests.cycles.restoring.dumps import Backups
from tests.cycles.services.acts import give_back
from tests.cycles.services.review import units_until_done
from tests.cycles.services.test_rest_in_korea import return_only
from tests.cycles.services.test_trading import top
from tests.desk import TestDesk

pytestmark = pytest.mark.django_db(transaction=True)


def sent() -> list[tuple[Cycle, str]]:
    """Give the withdrawals that the journal knows, by whose they are."""
    calls = ExchangeCall.objects.filter(operation="WITHDRAW").select_related("cycle")
    return [(one.cycle, one.venue_order_id) for one in calls]


def orders(
    desk: TestDesk,
    cycle: Cycle,
    position: int,
    quantity: int = 100,
    *,
    rests: bool = False,
    side: Side = Side.BUY,
) -> str:
    """Let Upbit show one more purchase, or sale, of a cycle."""
    price = top(desk, "upbit", "KRW-XRP")[side is Side.BUY]
    if rests:
        price -= 5
        desk.fault(fault="F13", action="rests", args={"value": "0"}, when="once", venue="upbit")
    own_id = client_order_id(cycle.pk, position=position, attempt=1)
    registry.venue("upbit").place_order(
        OrderRequest(
            market=XRP,
            side=side,
            quantity=Decimal(quantity),
            limit_price=price,
            client_order_id=own_id,
        )
    )
    return own_id


@pytest.mark.parametrize("more", [Decimal(0), MILLION])
def test_what_one_sent_whose_second_purchase_rests_is_nobody_elses_and_stops_nobody(
    xrp_desk: TestDesk, backups: Backups, more: Decimal
) -> None:
    """Another that would send as much is not given it, and one that holds more is not asked about it."""
    desk = xrp_desk
    has(desk, "upbit", "KRW", 4 * WON)
    known = driven_to(desk, return_only(desk, WON + more), 1)
    dump = backups.dump()
    later = driven_to(desk, return_only(desk, WON), 4)
    (own,) = sent()
    assert own[0] == later
    resting = orders(desk, later, 5, rests=True)

    backups.restore(dump)
    done = catch_up(*WORDS)
    (told,) = done["left"]
    assert told.startswith(f"{later.code}: ")
    assert f"shows its order {resting} as open" in told
    assert (done["parked"], done["is_in_step"], sent()) == ([], False, [])
    registry.venue("upbit").cancel_order(XRP, client_order_id=resting)
    done = catch_up(*WORDS)
    assert (done["left"], done["remade"], done["is_in_step"]) == ([], [later.code], True)
    assert sent() == [own]
    assert_ledger_equals_venues()
    resume()
    desk.drive_until(known, "COMPLETED")
    assert_ledger_equals_venues()


def until_the_second_turns() -> None:
    """Let what comes now bear another stamp: Upbit tells whole seconds."""
    second = int(time.time())
    while int(time.time()) == second:
        time.sleep(0.01)


def test_one_that_lacks_its_capital_claims_no_withdrawal_of_before_it_was_there(
    xrp_desk: TestDesk, backups: Backups
) -> None:
    desk = xrp_desk
    has(desk, "upbit", "KRW", WON + MILLION)
    known = driven_to(desk, return_only(desk, WON), 1)
    dump = backups.dump()
    driven_to(desk, known, 2)
    (own,) = sent()
    until_the_second_turns()
    won_paid_in(desk, 2_500_000)
    later = driven_to(desk, return_only(desk, WON), 1)

    backups.restore(dump)
    (told,) = catch_up(*WORDS)["left"]
    assert told.startswith(f"{later.code}: ")
    assert sent() == [own]
    done = assert_in_step(later, words=ACCEPT)
    assert done["left"] == []
    assert_ends(desk, later, beside=[known])


def test_one_that_misfits_once_its_capital_is_there_stays_and_can_be_resolved(
    xrp_desk: TestDesk, backups: Backups
) -> None:
    """It had sold coins in Korea at a step that it never came to, and some were taken out by hand."""
    desk = xrp_desk
    has(desk, "upbit", "KRW", MILLION)
    dump = backups.dump()
    won_paid_in(desk, 6_000_000)
    later = driven_to(desk, return_only(desk, WON), 1)
    credited(desk, "upbit", "XRP", -300)
    orders(desk, later, 9)

    backups.restore(dump)
    assert catch_up(*WORDS)["parked"] == []
    done = catch_up(*ACCEPT)
    assert (done["remade"], done["parked"]) == ([later.code], [later.code])
    (began,) = done["accepted"]
    assert began.endswith(f" KRW, which {later.code} began with")
    assert any(told.startswith("upbit: -200 XRP: the desk itself") for told in done["left"])
    assert (done["is_in_step"], done["code"]) == (False, 1)
    settled_by_hand(later)
    assert_in_step(words=ACCEPT)


def test_of_two_that_lack_and_sent_as_much_each_is_given_its_own_in_the_end(
    xrp_desk: TestDesk, backups: Backups
) -> None:
    desk = xrp_desk
    has(desk, "upbit", "KRW", MILLION)
    dump = backups.dump()
    won_paid_in(desk, 6_000_000)
    for _ in range(2):
        driven_to(desk, return_only(desk, WON), 4)
        until_the_second_turns()
    own = sent()

    backups.restore(dump)
    assert not catch_up(*ACCEPT)["is_in_step"]
    done = catch_up(*ACCEPT)
    assert (done["left"], done["is_in_step"]) == ([], True)
    assert set(sent()) == set(own)
    assert_ledger_equals_venues()


def has_sold_nothing_yet(desk: TestDesk, cycle: Cycle) -> str:
    """Let its sale at Binance rest; gives our id of it."""
    lease = units_until_done(desk, cycle, "RETURN", "DEPOSIT")
    desk.fault(fault="F13", action="rests", args={"value": "0"}, when="once", venue="binance")
    sales = ExchangeCall.objects.filter(cycle=cycle, step__position=4, outcome="DONE")
    while not sales.exists():
        desk.unit(lease)
    give_back(lease)
    return sales.get().client_order_id


def test_of_one_that_lacks_its_capital_a_request_that_has_not_ended_is_told_at_once(
    xrp_desk: TestDesk, backups: Backups
) -> None:
    desk = xrp_desk
    has(desk, "upbit", "KRW", MILLION)
    dump = backups.dump()
    won_paid_in(desk, 2_500_000)
    later = return_only(desk, WON)
    resting = has_sold_nothing_yet(desk, later)

    backups.restore(dump)
    for words in (WORDS, ACCEPT):
        done = catch_up(*words)
        assert any(
            told.startswith(f"{later.code}: a later request of its own") for told in done["left"]
        )
        assert (done["unsettled"], done["remade"], done["accepted"]) == (1, [], [])
    registry.venue("binance").cancel_order(Market("XRP", "USDT"), client_order_id=resting)
    assert catch_up(*WORDS)["unsettled"] == 0
    done = assert_in_step(later, words=ACCEPT)
    assert done["left"] == []


def test_two_of_which_either_may_have_sent_what_is_there_can_be_settled_once_their_capital_is(
    xrp_desk: TestDesk, backups: Backups
) -> None:
    desk = xrp_desk
    has(desk, "upbit", "KRW", MILLION)
    dump = backups.dump()
    won_paid_in(desk, 6_000_000)
    pair = [driven_to(desk, return_only(desk, WON), 1) for _ in range(2)]
    for one in pair:
        driven_to(desk, one, 2)

    backups.restore(dump)
    done = catch_up(*ACCEPT)
    codes = {one.code for one in pair}
    assert (set(done["remade"]), set(done["parked"])) == (codes, codes)
    assert not done["is_in_step"]
    for one in pair:
        settled_by_hand(one)
    assert_in_step(words=ACCEPT)
