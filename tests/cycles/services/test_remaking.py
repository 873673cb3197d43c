"""Who may have ended since a backup, where a later cycle lacks what it began with: as few as make that up."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import transaction

from cycles.domain import postings
from cycles.domain.words import AccountOwner, CallOutcome, FailureClass, PostingKind, Verb
from cycles.models import Cycle, Step
from cycles.services import booking, remaking
from cycles.services.intervening import intervene
from cycles.services.remaking import CapitalLacksError, Lacking
from cycles.services.retraced import Retraced, short_of
from cycles.services.verifying import VenueLine
from tests import builders
from tests.cycles.restoring.acts import redrive
from tests.cycles.services.acts import fail
from tests.desk import operator

pytestmark = pytest.mark.django_db


def on_its_way(usdt: int) -> Cycle:
    """Open a cycle that has bought, and holds USDT still."""
    row = builders.cycle(usdt=usdt)
    Step.objects.filter(cycle=row, kind="BUY").update(quantity_out=Decimal(1))
    return row


def those_for(missing: int, *seen_to: Cycle, asks_all_quiet: bool = True) -> list[Cycle]:
    """Give who may have had so much USDT."""
    ids = {one.pk for one in seen_to}
    found = remaking.who_may_have_ended(
        "binance", "USDT", Decimal(missing), ids, asks_all_quiet=asks_all_quiet
    )
    return [cycle for cycle, _ in found]


def test_those_who_hold_most_are_asked_about_first_and_no_more_than_make_up_what_is_missing() -> (
    None
):
    small, large, larger = (on_its_way(usdt) for usdt in (1_000, 3_000, 4_000))
    assert those_for(0) == []
    assert those_for(1) == [larger]
    assert those_for(4_001) == [larger, large]
    assert those_for(4_001, larger) == [large]
    assert those_for(99_000) == [larger, large, small]


def test_who_has_done_nothing_and_dead_letters_make_it_up_before_those_on_their_way() -> None:
    row, quiet = on_its_way(9_000), builders.cycle(usdt=1_000)
    fail(on_its_way(500), FailureClass.POLICY_DENIED)
    assert those_for(1_500) == [quiet]
    assert those_for(1_501) == [quiet, row]


def test_who_has_done_nothing_is_asked_unless_others_make_it_up_where_no_later_one_lacks_it() -> (
    None
):
    quiet, row = builders.cycle(usdt=1_000), on_its_way(9_000)
    assert those_for(9_000, row) == [quiet]
    assert those_for(9_000, row, asks_all_quiet=False) == []
    assert those_for(9_001, row, asks_all_quiet=False) == [quiet]


def caught_up(*, is_in_step: bool, left: Sequence[str] = ()) -> None:
    """Let a run of catching up have ended."""
    payload = {"is_in_step": is_in_step, "left": list(left)}
    actor = operator()
    with transaction.atomic():
        intervene(Verb.CATCH_UP, actor=actor, reason="a restore", payload=payload)


def told_of(*cycles: Cycle) -> None:
    """Let a run have asked a person about cycles."""
    caught_up(is_in_step=False, left=[f"{one.code}: it may have ended" for one in cycles])


def test_who_was_redriven_by_hand_makes_up_nothing() -> None:
    """Whoever looked at it sent it on: another one has to have ended."""
    quiet, row, larger = builders.cycle(usdt=2_000), on_its_way(3_000), on_its_way(4_000)
    assert those_for(1_000) == [quiet]
    told_of(quiet, larger)
    for one in (quiet, larger):
        redrive(fail(one, FailureClass.POLICY_DENIED))
    assert those_for(1_000) == [row]
    assert those_for(3_001) == [row, quiet]
    assert those_for(5_001) == [row, quiet, larger]


def test_who_was_redriven_before_the_desk_fell_out_of_step_makes_it_up_as_any() -> None:
    row, larger = on_its_way(3_000), on_its_way(4_000)
    told_of(larger)
    redrive(fail(larger, FailureClass.POLICY_DENIED))
    caught_up(is_in_step=True)
    assert those_for(1_000) == [larger]
    told_of(larger)
    assert those_for(1_000) == [larger]
    redrive(fail(larger, FailureClass.POLICY_DENIED))
    assert those_for(1_000) == [row]


def test_a_dead_letter_that_was_redriven_before_makes_up_nothing_either() -> None:
    row, larger = on_its_way(3_000), on_its_way(4_000)
    told_of(larger)
    redrive(fail(larger, FailureClass.POLICY_DENIED))
    assert those_for(1_000, larger) == [row]
    fail(larger, FailureClass.POLICY_DENIED)
    assert those_for(1_000) == [row]


def test_who_was_told_of_again_since_it_was_redriven_is_a_persons_already() -> None:
    row, larger = on_its_way(3_000), on_its_way(4_000)
    told_of(larger)
    redrive(fail(larger, FailureClass.POLICY_DENIED))
    fail(larger, FailureClass.POLICY_DENIED)
    told_of(larger)
    assert those_for(1_000) == []
    assert those_for(4_001) == [row]


def test_a_redrive_of_whom_nothing_was_asked_says_nothing() -> None:
    row, larger = on_its_way(3_000), on_its_way(4_000)
    told_of(row)
    redrive(fail(larger, FailureClass.POLICY_DENIED))
    assert those_for(1_000) == [larger]


def test_where_all_were_redriven_they_are_asked_again_one_after_another() -> None:
    cycles = [on_its_way(usdt) for usdt in (3_000, 5_000, 4_000)]
    for one in cycles:
        told_of(one)
        redrive(fail(one, FailureClass.POLICY_DENIED))
    for one in cycles:
        assert those_for(1_000) == [one]
        told_of(one)
        redrive(fail(one, FailureClass.POLICY_DENIED))


def test_a_redrive_before_a_person_was_told_says_nothing_of_that() -> None:
    row = on_its_way(3_000)
    told_of(row)
    told = f"{row.code}: it may be this one's"
    redrive(fail(row, FailureClass.POLICY_DENIED))
    assert remaking.redriven([row]).keys() == {row.pk}
    assert remaking.redriven([row], told=told) == {}
    caught_up(is_in_step=False, left=[told])
    assert remaking.redriven([row], told=told) == {}
    redrive(fail(row, FailureClass.POLICY_DENIED))
    assert remaking.redriven([row], told=told).keys() == {row.pk}


def lacks(cycle: Cycle) -> dict[UUID, CapitalLacksError]:
    took = Decimal(5_000)
    lacking = Lacking(venue="binance", asset="USDT", took=took, lacks=took)
    return {cycle.pk: CapitalLacksError(lacking)}


def test_what_only_those_hold_whose_capital_lacks_or_who_were_redriven_is_missing_of_nobody_else() -> (
    None
):
    later = builders.cycle(usdt=5_000)
    line = VenueLine(
        venue="binance",
        asset="USDT",
        ledger=Decimal(5_000),
        venue_free=Decimal(0),
        venue_locked=Decimal(0),
        in_flight=Decimal(0),
        difference=-booking.desk_balance("binance", "USDT") - 5_000,
        is_explained=False,
    )
    assert Retraced().never_came(lacks(later), short_of([line])) == []
    other = builders.cycle(usdt=3_000)
    assert Retraced().never_came(lacks(later), short_of([line])) == [
        "binance has not got 3000 USDT"
    ]
    told_of(other)
    redrive(fail(other, FailureClass.POLICY_DENIED))
    assert Retraced().never_came(lacks(later), short_of([line])) == []
    fail(other, FailureClass.POLICY_DENIED)
    assert Retraced().never_came(lacks(later), short_of([line])) == [
        "binance has not got 3000 USDT"
    ]


@pytest.mark.parametrize("outcome", [CallOutcome.UNKNOWN, CallOutcome.DONE])
def test_nobody_is_asked_about_whose_request_has_not_ended(outcome: CallOutcome) -> None:
    row = on_its_way(3_000)
    builders.withdrawal_call(row, outcome=outcome)
    assert those_for(1_000) == []


def test_nobody_is_asked_about_whose_coins_are_on_their_way() -> None:
    row = on_its_way(3_000)
    sent = postings.moved(
        "binance",
        "USDT",
        Decimal(1_000),
        origin=AccountOwner.CYCLE,
        target=AccountOwner.IN_FLIGHT,
    )
    booking.post(f"sent:{row.code}", PostingKind.FILL, sent, cycle=row)
    assert those_for(1_000) == []
