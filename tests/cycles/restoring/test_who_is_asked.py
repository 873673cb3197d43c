"""Who may have ended since is asked: whoever is shown to be there makes up nothing of what is missing, and stops nobody."""

from __future__ import annotations

import pytest

from cycles.domain.words import FailureClass
from cycles.services import booking
from tests.cycles.restoring.acts import (
    WORDS,
    assert_in_step,
    catch_up,
    credited,
    driven_to,
    redrive,
    settled_by_hand,
)
from tests.cycles.restoring.dumps import Backups
from tests.cycles.restoring.test_while_capital_lacks import resting
from tests.cycles.restoring.test_who_holds_it import NOTIONAL, takes_more_than_there_is
from tests.cycles.services.acts import fail
from tests.cycles.services.test_rebalancing import waiting
from tests.cycles.services.test_rest_in_korea import half_filled, return_only
from tests.desk import TestDesk

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_an_order_that_rests_has_locked_is_missing_of_nobody_else(
    wide_desk: TestDesk, backups: Backups
) -> None:
    desk = wide_desk
    half = half_filled(desk, desk.open("SOL", NOTIONAL), "0.5", venue="binance", symbol="SOLUSDT")
    resting(desk, "0.3")
    dump = backups.dump()
    takes_more_than_there_is(desk)
    backups.restore(dump)
    done = catch_up(*WORDS)
    assert (done["unsettled"], done["parked"]) == (1, [])
    half.refresh_from_db()
    assert half.status == "STARTED"


def test_who_was_made_again_hides_nobody_who_was_settled_by_hand(
    wide_desk: TestDesk, backups: Backups
) -> None:
    desk = wide_desk
    row = waiting(desk)
    dump = backups.dump()
    won = booking.desk_balance("upbit", "KRW")
    settled_by_hand(fail(row, FailureClass.POLICY_DENIED))
    other = desk.drive_until(desk.open("XRP", "9000"), "AWAITING_REBALANCE")
    later = driven_to(desk, return_only(desk, won + 1_000_000), 1)

    backups.restore(dump)
    done = catch_up(*WORDS)
    assert (done["remade"], set(done["parked"])) == ([other.code], {other.code, row.code})
    settled_by_hand(row)
    assert_in_step(later)


def test_nor_does_it_as_a_dead_letter_in_a_later_run(wide_desk: TestDesk, backups: Backups) -> None:
    """The first run found the money there; by the second it had been taken out, which no word accepts."""
    desk = wide_desk
    row = waiting(desk)
    dump = backups.dump()
    won = booking.desk_balance("upbit", "KRW")
    other = desk.drive_until(desk.open("XRP", "9000"), "AWAITING_REBALANCE")
    backups.restore(dump)
    assert catch_up(*WORDS)["parked"] == [other.code]
    credited(desk, "upbit", "KRW", -won - 1_000_000)
    assert catch_up(*WORDS)["parked"] == [row.code]


def test_a_redrive_of_before_says_nothing_of_what_is_missing_now(
    wide_desk: TestDesk, backups: Backups
) -> None:
    desk = wide_desk
    row = waiting(desk)
    larger = desk.drive_until(desk.open("XRP", "9000"), "AWAITING_REBALANCE")
    redrive(fail(larger, FailureClass.POLICY_DENIED))
    desk.drive_until(larger, "AWAITING_REBALANCE")
    dump = backups.dump()
    won = booking.desk_balance("upbit", "KRW")
    settled_by_hand(fail(row, FailureClass.POLICY_DENIED))
    driven_to(desk, return_only(desk, won + 1_000_000), 1)
    backups.restore(dump)
    assert catch_up(*WORDS)["parked"] == [larger.code]
