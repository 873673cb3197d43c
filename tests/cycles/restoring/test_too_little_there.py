"""A venue has less than the cycles hold: nobody is asked who need not have ended, and nobody who has been looked at already."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cycles.domain.words import FailureClass
from cycles.models import Cycle, Posting
from cycles.services import booking
from exchanges import registry
from tests.cycles.restoring.acts import (
    ACCEPT,
    MILLION,
    WON,
    WORDS,
    assert_in_step,
    assert_ledger_equals_venues,
    catch_up,
    credited,
    driven_to,
    has,
    redrive,
    resume,
    settled_by_hand,
    won_paid_in,
)
from tests.cycles.restoring.dumps import Backups
from tests.cycles.restoring.test_not_there_yet import orders
from tests.cycles.restoring.test_what_is_left import by_hand
from tests.cycles.services.acts import fail
from tests.cycles.services.test_rest_in_korea import return_only
from tests.desk import TestDesk

pytestmark = pytest.mark.django_db(transaction=True)


def two_quiet(desk: TestDesk) -> list[Cycle]:
    """Open two cycles that have bought nothing."""
    return [return_only(desk, WON - 10_000 * n) for n in (1, 2)]


def taken_out(desk: TestDesk, won: Decimal) -> None:
    credited(desk, "upbit", "KRW", -won)


def test_what_one_in_which_something_misfits_may_have_spent_is_missing_of_nobody_else(
    xrp_desk: TestDesk, backups: Backups
) -> None:
    desk = xrp_desk
    has(desk, "upbit", "KRW", 3 * WON)
    misfit = return_only(desk, WON)
    two_quiet(desk)
    dump = backups.dump()
    orders(desk, misfit, 9, 500)
    backups.restore(dump)
    for words in (WORDS, ACCEPT):
        done = catch_up(*words)
        assert (done["parked"], done["is_in_step"]) == ([misfit.code], False)


def test_who_is_quiet_and_was_redriven_is_asked_again_only_for_what_the_others_do_not_make_up(
    xrp_desk: TestDesk, backups: Backups
) -> None:
    desk = xrp_desk
    has(desk, "upbit", "KRW", 2 * WON)
    first, second = two_quiet(desk)
    dump = backups.dump()
    taken_out(desk, WON)  # the first's, which was settled by hand, and the desk's own
    backups.restore(dump)
    assert set(catch_up(*WORDS)["parked"]) == {first.code, second.code}
    redrive(second)
    assert catch_up(*WORDS)["parked"] == []
    settled_by_hand(first)
    done = assert_in_step(words=ACCEPT)
    assert done["left"] == []


def test_while_one_is_not_told_nobody_is_asked_before_a_person_says_that_all_else_went_outside(
    xrp_desk: TestDesk, backups: Backups
) -> None:
    """What cannot be made again may be what lacks. Asked, all the quiet are, and can be resolved."""
    desk = xrp_desk
    has(desk, "upbit", "KRW", 2 * WON)
    quiet = two_quiet(desk)
    dump = backups.dump()
    won_paid_in(desk, int(WON))
    later = return_only(desk, WON)
    orders(desk, later, 9, 500)
    backups.restore(dump)
    taken_out(desk, WON)
    done = catch_up(*WORDS)
    (told,) = done["left"]
    assert told.startswith(f"{later.code}: opened after the backup, it cannot be made again: ")
    assert (done["parked"], done["is_in_step"]) == ([], False)
    done = catch_up(*ACCEPT)
    assert set(done["parked"]) == {one.code for one in quiet}
    assert (done["accepted"], done["is_in_step"]) == ([], False)
    settled_by_hand(quiet[0])
    redrive(quiet[1])
    assert_in_step(words=ACCEPT)


@pytest.mark.parametrize("is_asked_before", [False, True])
def test_what_a_later_one_had_from_one_that_was_settled_by_hand_never_came_from_outside(
    xrp_desk: TestDesk, backups: Backups, is_asked_before: bool
) -> None:
    desk = xrp_desk
    has(desk, "upbit", "KRW", WON)
    quiet = return_only(desk, WON)
    dump = backups.dump()
    settled_by_hand(fail(quiet, FailureClass.POLICY_DENIED))
    later = driven_to(desk, return_only(desk, WON), 1)

    backups.restore(dump)
    if is_asked_before:
        assert catch_up(*WORDS)["parked"] == [quiet.code]
    done = catch_up(*ACCEPT)
    assert (done["remade"], done["accepted"], done["is_in_step"]) == ([], [], False)
    assert "nothing was accepted: upbit has not got" in "".join(done["left"])
    assert not Posting.objects.filter(key__startswith="capital:caught_up:0").exists()
    quiet.refresh_from_db()
    assert quiet.status == "DEAD_LETTER"
    settled_by_hand(quiet)
    assert_in_step(later)


def test_what_one_that_misfits_spent_of_what_came_in_for_it_lacks_of_nobody_else(
    xrp_desk: TestDesk, backups: Backups
) -> None:
    desk = xrp_desk
    has(desk, "upbit", "KRW", Decimal(0))
    dump = backups.dump()
    won_paid_in(desk, 4_000_000)
    later = driven_to(desk, return_only(desk, WON), 1)
    orders(desk, later, 9)
    taken_out(desk, registry.venue("upbit").balances()["KRW"].free)

    backups.restore(dump)
    done = catch_up(*ACCEPT)
    assert (done["remade"], done["parked"]) == ([later.code], [later.code])
    settled_by_hand(later)
    assert_in_step(words=ACCEPT)


def test_who_misfits_in_every_run_and_was_redriven_hides_nobody(
    xrp_desk: TestDesk, backups: Backups
) -> None:
    desk = xrp_desk
    has(desk, "upbit", "KRW", WON + MILLION)
    misfit, quiet = return_only(desk, WON), return_only(desk, MILLION)
    dump = backups.dump()
    orders(desk, misfit, 9)
    taken_out(desk, MILLION)  # the quiet one's, which was settled by hand
    backups.restore(dump)
    assert catch_up(*WORDS)["parked"] == [misfit.code]
    redrive(misfit)
    assert set(catch_up(*WORDS)["parked"]) == {misfit.code, quiet.code}
    for one in (quiet, misfit):
        settled_by_hand(one)
    assert_in_step(words=ACCEPT)


def test_who_may_have_sent_what_is_nobodys_is_not_asked_again_once_redriven_and_another_is(
    xrp_desk: TestDesk, backups: Backups
) -> None:
    """The smaller one's coins were sent by hand, with some of the desk's: more than it holds."""
    desk = xrp_desk
    has(desk, "upbit", "KRW", WON + MILLION)
    has(desk, "upbit", "XRP", Decimal(50))
    gone, larger = (driven_to(desk, return_only(desk, won), 1) for won in (MILLION, WON))
    dump = backups.dump()
    by_hand(gone, held=booking.held_by_cycle(gone, "upbit", "XRP") + 50)
    backups.restore(dump)
    assert catch_up(*WORDS)["parked"] == [larger.code]
    redrive(larger)
    done = catch_up(*ACCEPT)
    assert (done["parked"], done["is_in_step"]) == ([gone.code], False)
    settled_by_hand(gone)
    assert_in_step(words=ACCEPT)
    resume()
    desk.drive_until(larger, "COMPLETED")
    assert_ledger_equals_venues()


def test_who_may_have_sent_what_is_nobodys_makes_up_no_more_than_that(
    xrp_desk: TestDesk, backups: Backups
) -> None:
    desk = xrp_desk
    has(desk, "upbit", "KRW", 5 * MILLION)
    gone, larger = (driven_to(desk, return_only(desk, won), 1) for won in (MILLION, 4 * MILLION))
    dump = backups.dump()
    for sent in (400, 401):
        by_hand(larger, held=Decimal(sent))
    backups.restore(dump)
    assert catch_up(*WORDS)["parked"] == [larger.code]
    credited(desk, "upbit", "XRP", -350)  # the other's, which was settled by hand
    assert set(catch_up(*WORDS)["parked"]) == {larger.code, gone.code}
