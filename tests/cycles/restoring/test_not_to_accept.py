"""What is accepted is nothing that may come back, or that may have been credited since."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cycles.domain import postings
from cycles.domain.words import AccountOwner, FailureClass, PostingKind
from cycles.models import Cycle, ExchangeCall
from cycles.services import booking
from exchanges import registry
from tests import builders
from tests.cycles.restoring.acts import (
    ACCEPT,
    WORDS,
    assert_ledger_equals_venues,
    catch_up,
    credited,
    driven_to,
    has,
    redrive,
    settled_by_hand,
)
from tests.cycles.restoring.dumps import Backups
from tests.cycles.restoring.test_accepting import NOTIONAL, accepted, swept
from tests.cycles.services.acts import fail, give_back
from tests.cycles.services.review import (
    WITHDRAWALS,
    no_faults,
    told as lists,
    units_until_done,
    withdrawal_row,
)
from tests.desk import TestDesk

pytestmark = pytest.mark.django_db(transaction=True)
REJECTED = 5


def assert_nothing_accepted(told_of: str) -> None:
    """Say so, why, and nothing else."""
    before = accepted()
    done = catch_up(*ACCEPT)
    assert (done["accepted"], done["is_in_step"], accepted()) == ([], False, before)
    assert any(
        told.startswith("no difference was accepted") and told_of in told for told in done["left"]
    )


def whole(call: ExchangeCall) -> Decimal:
    """Give what a withdrawal took."""
    return Decimal(call.report["quantity"]) + Decimal(call.report["network_fee"])


def came_back(desk: TestDesk, call: ExchangeCall, **facts: str) -> None:
    """Let its venue show a withdrawal as rejected, at last."""
    no_faults(desk)
    lists(desk, "binance", WITHDRAWALS, [withdrawal_row(call, status=REJECTED, **facts)])


def test_what_was_sent_and_may_have_been_given_back_is_not_accepted_as_come_in(
    wide_desk: TestDesk,
) -> None:
    desk = wide_desk
    desk.fault(fault="F28", venue="binance", when="once")
    cycle = driven_to(desk, desk.open("XRP", NOTIONAL), 2)
    call = ExchangeCall.objects.get(cycle=cycle, operation="WITHDRAW")
    lists(desk, "binance", WITHDRAWALS, [withdrawal_row(call, status=2, txId="")])
    credited(desk, "binance", "XRP", whole(call) + 100)
    assert_nothing_accepted(f"XRP that left binance by {cycle.code} may have been given back there")
    came_back(desk, call, txId="")
    done = catch_up(*ACCEPT)
    assert (done["accepted"], done["is_in_step"]) == (["binance: 100 XRP"], True)
    assert_ledger_equals_venues()


def test_what_has_left_and_may_have_been_given_back_all_the_same_is_not_accepted_either(
    committed_desk: TestDesk,
) -> None:
    desk = committed_desk
    cycle = desk.open()
    desk.fault(fault="F28", venue="binance", when="once")
    lease = units_until_done(desk, cycle, "OUTBOUND", "BUY")
    desk.unit(lease)
    call = ExchangeCall.objects.get(cycle=cycle, operation="WITHDRAW")
    lists(desk, "binance", WITHDRAWALS, [withdrawal_row(call)])
    give_back(lease)
    give_back(units_until_done(desk, cycle, "OUTBOUND", "WITHDRAW"))
    call.refresh_from_db()
    credited(desk, "binance", "XRP", whole(call))
    assert_nothing_accepted("may have been given back there")
    came_back(desk, call)
    done = catch_up(*WORDS)
    assert done["differences"] == []
    assert_ledger_equals_venues()


def test_what_is_less_than_was_sent_has_come_from_elsewhere_and_is_accepted(
    wide_desk: TestDesk,
) -> None:
    desk = wide_desk
    desk.fault(fault="F28", venue="binance", when="once")
    driven_to(desk, desk.open("XRP", NOTIONAL), 2)
    credited(desk, "binance", "XRP", 100)
    done = catch_up(*ACCEPT)
    assert (done["left"], done["accepted"]) == ([], ["binance: 100 XRP"])


@pytest.mark.parametrize("is_redriven", [False, True])
def test_what_was_credited_less_than_was_sent_may_have_been_credited_since_and_is_resolved_first(
    wide_desk: TestDesk, is_redriven: bool
) -> None:
    desk = wide_desk
    cycle = credited_less(desk, driven_to(desk, desk.open("XRP", NOTIONAL), 1), Decimal(5))
    if is_redriven:
        redrive(cycle)
    credited(desk, "upbit", "XRP", 5 + 100)
    assert_nothing_accepted(f"{cycle.code} has XRP in suspense at upbit")
    settled_by_hand(cycle)
    done = catch_up(*ACCEPT)
    assert (done["accepted"], done["is_in_step"]) == (["upbit: 100 XRP"], True)
    assert_ledger_equals_venues()


def test_beside_what_may_have_been_credited_since_no_capital_comes_in_for_one_that_lacks_it(
    wide_desk: TestDesk, backups: Backups
) -> None:
    desk = wide_desk
    known = desk.open("XRP", NOTIONAL)
    has(desk, "binance", "USDT", Decimal(0))
    redrive(credited_less(desk, known, Decimal(5), asset="USDT", to_venue="binance"))
    dump = backups.dump()
    credited(desk, "binance", "USDT", 3000)
    builders.capital("binance", "USDT", 3000)
    later = driven_to(desk, desk.open("SOL", "3000"), 1)
    free = registry.venue("binance").balances()["USDT"].free
    swept(desk, "binance", "USDT", free - booking.held_by_cycle(known, "binance", "USDT"))
    backups.restore(dump)
    done = catch_up(*ACCEPT)
    assert (done["remade"], done["accepted"], known.code in done["parked"]) == ([], [], True)
    assert any(f"{known.code} has USDT in suspense at binance" in told for told in done["left"])
    settled_by_hand(known)
    assert catch_up(*ACCEPT)["remade"] == [later.code]


def credited_less(
    desk: TestDesk, cycle: Cycle, quantity: Decimal, *, asset: str = "XRP", to_venue: str = "upbit"
) -> Cycle:
    """Let a cycle be a dead letter; so much of what it had at Binance was credited nowhere, and stands in suspense."""
    credited(desk, "binance", asset, -quantity)
    ways = [
        ("binance", AccountOwner.CYCLE, AccountOwner.CONVERSION),
        (to_venue, AccountOwner.CONVERSION, AccountOwner.SUSPENSE),
    ]
    lines = [
        line
        for venue, origin, target in ways
        for line in postings.moved(venue, asset, quantity, origin=origin, target=target)
    ]
    booking.post("less", PostingKind.CREDITED, postings.summed(lines), cycle=cycle)
    return fail(cycle, FailureClass.CREDIT_MISMATCH)
