"""After the backup another way home was taken than it knows: numbers of steps are used again, or left out.

A way home that bought nothing is given up, and the next one is written over it; what a passage leaves in Korea, or
what was sold back, comes home by one more.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from cycles.domain.words import FailureClass
from cycles.models import Alert, Cycle, ExchangeCall, Step
from cycles.services import intervening
from exchanges.models import NetworkRule
from tests.cycles.restoring.acts import (
    WORDS,
    assert_ends,
    assert_ledger_equals_venues,
    catch_up,
    driven_to,
    redrive,
    resume,
    sent,
)
from tests.cycles.restoring.dumps import Backups
from tests.cycles.services.acts import balance, fail, give_back
from tests.cycles.services.review import units_until_done
from tests.cycles.services.test_judging import ended_flat, long_ago, next_units, opened
from tests.cycles.services.test_rebalancing import at_policy_of, waiting
from tests.cycles.services.test_rest_in_korea import KRW, half_bought, return_only
from tests.cycles.services.test_unwinding import dead_in_its_wait
from tests.desk import TestDesk, eventually, operator

pytestmark = pytest.mark.django_db(transaction=True)

HOME, NEVER = Decimal(-5000), Decimal(90_000)  # any way back clears; none does


def set_out(desk: TestDesk, row: Cycle, asset: str) -> Cycle:
    """Let a way back by an asset clear; nothing is bought for it yet."""
    at_policy_of(row, allowed_assets=[asset], min_rebalance_edge_bps=HOME)
    desk.sample()
    next_units(desk, row, units=1)
    assert (row.status, row.return_asset) == ("REBALANCING_IN_PROGRESS", asset)
    return row


def give_up(desk: TestDesk, row: Cycle) -> Cycle:
    """Let a way back clear no more before anything was bought for it."""
    at_policy_of(row, allowed_assets=[row.return_asset], min_rebalance_edge_bps=NEVER)
    long_ago(row)
    desk.sample()
    next_units(desk, row, units=3)
    assert row.status == "AWAITING_REBALANCE"
    return row


def numbers(row: Cycle) -> list[tuple[int, str, str]]:
    """Give a cycle's steps that were not given up."""
    steps = Step.objects.filter(cycle=row).exclude(state="ABANDONED").order_by("position")
    return list(steps.values_list("position", "kind", "asset"))


def goes_home(desk: TestDesk, backups: Backups, row: Cycle, dump: Path) -> None:
    """Restore, catch up with nothing left to anybody, and bring the cycle home."""
    known, before = numbers(row), sent(desk)
    backups.restore(dump)
    done = catch_up(*WORDS)
    assert sent(desk) == before, "nothing may be sent"
    assert (done["code"], done["left"], done["parked"]) == (0, [], [])
    assert done["is_in_step"]
    assert numbers(row) == known
    assert_ledger_equals_venues()
    again = catch_up(*WORDS)
    assert (again["code"], again["found"]) == (0, [])
    assert_ends(desk, beside=[row])


@pytest.mark.parametrize(
    ("since", "taken"),
    [("set_out", "SOL"), ("set_out", "USDT"), ("given_up", "SOL"), ("given_up", "XRP")],
)
def test_a_way_home_that_bought_nothing_is_written_over_by_the_one_that_was_taken(
    committed_desk: TestDesk, backups: Backups, since: str, taken: str
) -> None:
    desk = committed_desk
    row = set_out(desk, waiting(desk), "XRP")
    dump = backups.dump()
    give_up(desk, row)
    if since == "given_up":
        dump = backups.dump()
    driven_to(desk, set_out(desk, row, taken), 6)
    goes_home(desk, backups, row, dump)


@pytest.mark.parametrize("fault", ["F14", "F22"])
@pytest.mark.parametrize("since", ["waiting", "set_out"])
def test_a_number_that_was_asked_for_in_vain_is_left_out(
    committed_desk: TestDesk, backups: Backups, since: str, fault: str
) -> None:
    """An order that filled nothing is shown; one that was refused is not."""
    desk = committed_desk
    row = waiting(desk)
    dump = backups.dump()
    set_out(desk, row, "XRP")
    if since == "set_out":
        dump = backups.dump()
    desk.fault(fault=fault, venue="upbit", when="once")
    next_units(desk, row, units=1)
    driven_to(desk, set_out(desk, give_up(desk, row), "SOL"), 6)
    assert Step.objects.get(cycle=row, position=6).kind == "BUY"
    goes_home(desk, backups, row, dump)


@pytest.mark.parametrize("is_known", [True, False])
def test_what_a_half_filled_purchase_left_is_told_to_have_come_home_by_a_second_passage(
    committed_desk: TestDesk, backups: Backups, *, is_known: bool
) -> None:
    desk = committed_desk
    desk.sample()
    dump = backups.dump()
    row = return_only(desk)
    if is_known:
        dump = backups.dump()
    half_bought(desk, row)
    desk.sample()
    desk.drive_until(row, "COMPLETED")
    known, before = numbers(row), sent(desk)
    backups.restore(dump)
    done = catch_up(*WORDS)
    assert sent(desk) == before
    assert (done["code"], done["left"], done["ended"]) == (0, [], [row.code])
    assert numbers(row) == known
    row = Cycle.objects.get(pk=row.pk)
    assert KRW * Decimal("0.99") < row.notional_krw <= KRW
    assert not Alert.objects.filter(cycle=row, key__startswith="short:").exists()
    assert_ledger_equals_venues()


def test_won_of_the_desk_is_told_from_the_first_purchase_that_a_venue_took(
    committed_desk: TestDesk, backups: Backups
) -> None:
    desk = committed_desk
    desk.sample()
    dump = backups.dump()
    row = return_only(desk)
    wallet = NetworkRule.objects.filter(venue="upbit", asset="XRP")
    desk.fault(fault="F22", venue="upbit", when="once")
    next_units(desk, row, units=3)
    wallet.update(withdraw_is_open=False)
    long_ago(row)
    next_units(desk, row, units=3)
    assert row.status == "AWAITING_REBALANCE"
    wallet.update(withdraw_is_open=True)
    driven_to(desk, row, 2)
    known = numbers(row)
    backups.restore(dump)
    done = catch_up(*WORDS)
    assert (done["left"], done["remade"], done["is_in_step"]) == ([], [row.code], True)
    assert numbers(row) == known
    assert_ledger_equals_venues()
    assert_ends(desk, row)


def test_one_that_was_sold_back_on_its_way_home_is_told_to_have_taken_another(
    committed_desk: TestDesk, backups: Backups
) -> None:
    desk = committed_desk
    row = set_out(desk, waiting(desk), "XRP")
    dump = backups.dump()
    fail(driven_to(desk, row, 5), FailureClass.POLICY_DENIED)
    intervening.unwind(row.pk, actor=operator(), reason="sell", seen_version=row.version)
    desk.drive_until(row, "AWAITING_REBALANCE")
    driven_to(desk, set_out(desk, row, "SOL"), 11)
    goes_home(desk, backups, row, dump)


@pytest.mark.parametrize("fault", ["", "F14", "F13"])
def test_one_that_was_sold_back_where_it_had_arrived_is_told_to_have_been_carried_there(
    committed_desk: TestDesk, backups: Backups, fault: str
) -> None:
    """The withdrawal from Korea bears no id of ours: that its coins were sold elsewhere proves it.

    However little the first order of the sale filled: nothing, or no more than lay there before.
    """
    desk = committed_desk
    row = set_out(desk, waiting(desk), "XRP")
    dump = backups.dump()
    give_back(units_until_done(desk, row, "RETURN", "DEPOSIT"))
    fail(row, FailureClass.POLICY_DENIED)
    intervening.unwind(row.pk, actor=operator(), reason="sell", seen_version=row.version)
    if fault:
        desk.fault(fault=fault, venue="binance", when="once", args={"value": "0.0001"})
    desk.drive_until(row, "FAILED")
    before = sent(desk)
    backups.restore(dump)
    done = catch_up(*WORDS)
    assert sent(desk) == before
    assert (done["code"], done["left"], done["ended"]) == (0, [], [row.code])
    row = Cycle.objects.get(pk=row.pk)
    assert row.status == "FAILED"
    assert_ledger_equals_venues()


def test_one_whose_sale_has_filled_nothing_yet_is_told_by_what_it_asked_for(
    committed_desk: TestDesk, backups: Backups
) -> None:
    desk = committed_desk
    row = set_out(desk, waiting(desk), "XRP")
    dump = backups.dump()
    give_back(units_until_done(desk, row, "RETURN", "DEPOSIT"))
    fail(row, FailureClass.POLICY_DENIED)
    intervening.unwind(row.pk, actor=operator(), reason="sell", seen_version=row.version)
    desk.fault(fault="F14", venue="binance", when="once")
    asked = ExchangeCall.objects.filter(step__cycle=row, step__passage="UNWIND")
    lease = desk.lease(row)
    while not asked.filter(is_settled=True).exists():
        desk.unit(lease)
    give_back(lease)
    assert not Step.objects.filter(cycle=row, passage="UNWIND", quantity_out__gt=0).exists()
    backups.restore(dump)
    done = catch_up(*WORDS)
    assert (done["left"], done["differences"], done["is_in_step"]) == ([], [], True)
    assert_ends(desk, beside=[row], ends="FAILED")


def test_one_that_was_to_be_unwound_and_was_redriven_instead_goes_on_with_its_passage(
    committed_desk: TestDesk, backups: Backups
) -> None:
    desk = committed_desk
    row = fail(driven_to(desk, desk.open(), 1), FailureClass.POLICY_DENIED)
    intervening.unwind(row.pk, actor=operator(), reason="sell", seen_version=row.version)
    fail(row, FailureClass.POLICY_DENIED)
    dump = backups.dump()
    redrive(row)
    driven_to(desk, row, 2)
    goes_home(desk, backups, row, dump)


def test_one_that_ended_flat_before_it_bought_is_judged_again(
    committed_desk: TestDesk, backups: Backups
) -> None:
    desk = committed_desk
    free = balance("binance", "USDT")
    row = opened(desk)
    dump = backups.dump()

    def judged() -> None:
        at_policy_of(row, min_open_edge_bps=NEVER)
        long_ago(row)
        desk.sample()
        next_units(desk, row)
        ended_flat(row, "is below 90000")

    judged()
    before = sent(desk)
    backups.restore(dump)
    done = catch_up(*WORDS)
    assert (done["code"], done["found"], done["left"], done["is_in_step"]) == (0, [], [], True)
    row.refresh_from_db()
    assert row.status == "STARTED"
    resume()
    judged()
    assert sent(desk) == before
    assert balance("binance", "USDT") == free
    assert_ledger_equals_venues()


def test_one_that_sold_what_a_fallen_fee_had_left_in_korea_is_told_to_have_come_home(
    committed_desk: TestDesk, backups: Backups
) -> None:
    desk = committed_desk
    row = set_out(desk, waiting(desk), "XRP")
    NetworkRule.objects.filter(venue="upbit", asset="XRP").update(withdraw_fee=12)
    driven_to(desk, row, 6)
    dump = backups.dump()
    desk.drive_until(row, "COMPLETED", "DEAD_LETTER", "FAILED")
    known = numbers(row)
    assert known[-1] == (9, "SELL", "XRP")
    backups.restore(dump)
    done = catch_up(*WORDS)
    row.refresh_from_db()
    assert (done["left"], done["is_in_step"], row.status) == ([], True, "COMPLETED")
    assert numbers(row) == known
    assert_ledger_equals_venues()


def test_one_that_was_sold_back_in_its_wait_is_told_to_wait_on(
    committed_desk: TestDesk, backups: Backups
) -> None:
    desk = committed_desk
    row = dead_in_its_wait(desk)
    dump = backups.dump()
    intervening.unwind(row.pk, actor=operator(), reason="sell", seen_version=row.version)
    row.refresh_from_db()
    sold = Step.objects.filter(cycle=row, passage="UNWIND", state="DONE")
    eventually(lambda: sold.exists() or desk.step(row) is None)
    before = sent(desk)
    backups.restore(dump)
    done = catch_up(*WORDS)
    assert (done["left"], done["is_in_step"], sent(desk)) == ([], True, before)
    row = Cycle.objects.get(pk=row.pk)
    assert (row.status, row.plan) == ("AWAITING_REBALANCE", "UNWIND")
    at_policy_of(row, allowed_assets=["XRP"], min_rebalance_edge_bps=HOME)
    desk.sample()
    assert_ends(desk, beside=[row])
