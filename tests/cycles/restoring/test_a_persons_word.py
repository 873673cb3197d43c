"""What a person has told of who sent a withdrawal holds, also once fewer are left that could have."""

from __future__ import annotations

import time

import pytest

from cycles.domain.words import FailureClass, PostingKind
from cycles.models import Cycle, ExchangeCall, Posting
from tests.cycles.restoring.acts import (
    ACCEPT,
    WON,
    WORDS,
    assert_ends,
    catch_up,
    driven_to,
    has,
    looked_at,
    redrive,
    settled_by_hand,
)
from tests.cycles.restoring.dumps import Backups
from tests.cycles.restoring.test_whose_it_was import alike
from tests.cycles.services.acts import fail
from tests.cycles.services.test_resolving import write_off
from tests.cycles.services.test_rest_in_korea import return_only
from tests.desk import TestDesk

pytestmark = pytest.mark.django_db(transaction=True)
UNTIL_ITS_STAMP_IS_LATER = 2.1  # seconds: venues tell withdrawals by whole ones


def senders() -> list[Cycle]:
    calls = ExchangeCall.objects.filter(operation="WITHDRAW").order_by("pk")
    return [call.cycle for call in calls]


def test_who_was_redriven_sent_none_of_those_it_was_told_of_also_when_fewer_of_them_are_left(
    xrp_desk: TestDesk, backups: Backups
) -> None:
    """Two could have sent either of two withdrawals, a third that bought later the second only."""
    desk = xrp_desk
    has(desk, "upbit", "KRW", 3 * WON)
    redriven, settled = (driven_to(desk, return_only(desk, WON), 1) for _ in range(2))
    dump = backups.dump()
    driven_to(desk, settled, 2)
    time.sleep(UNTIL_ITS_STAMP_IS_LATER)
    later = driven_to(desk, return_only(desk, WON), 2)
    backups.restore(dump)
    assert set(catch_up(*WORDS)["parked"]) == {one.code for one in (redriven, settled, later)}
    settled_by_hand(settled)
    redrive(redriven)
    for _ in range(2):
        done = catch_up(*WORDS)
        assert not any("may be another" in told for told in done["left"])
        assert senders() == [later]
    redrive(redriven)  # a transfer of nobody's sending is another matter
    looked_at(desk, later, Posting.objects.filter(cycle=later, kind=PostingKind.CREDITED).exists)
    assert catch_up(*ACCEPT)["is_in_step"]
    assert senders() == [later]
    assert_ends(desk, beside=[later, redriven])


def test_what_one_that_was_written_off_may_have_sent_is_given_to_another_by_a_persons_word_only(
    xrp_desk: TestDesk, backups: Backups
) -> None:
    desk = xrp_desk
    gone, other = alike(desk, backups, of=2, sent=1)
    gone.refresh_from_db()
    write_off(gone, "it went to a wrong tag: lost")
    done = catch_up(*WORDS)
    assert (done["parked"], senders()) == ([other.code], [])
    other.refresh_from_db()
    assert "redrive it only if it did not send it" in other.failure_reason
    redrive(other)
    for _ in range(2):
        done = catch_up(*ACCEPT)
        assert not any("may be another" in told for told in done["left"])
        assert senders() == []
        if done["parked"]:  # a transfer of nobody's sending is another matter
            redrive(other)
    assert done["is_in_step"]
    assert_ends(desk, beside=[other])


def test_what_one_that_was_written_off_had_not_sent_by_a_persons_word_is_the_others(
    xrp_desk: TestDesk, backups: Backups
) -> None:
    desk = xrp_desk
    other, gone = alike(desk, backups, of=2, sent=1)
    redrive(gone)
    write_off(fail(gone, FailureClass.POLICY_DENIED), "it was taken")
    assert catch_up(*WORDS)["parked"] == []
    assert senders() == [other]
