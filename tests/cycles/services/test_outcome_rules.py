"""What a venue's "not found" proves, and from when on: each venue's numbers, written out once more."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now

from cycles.domain.progress import Turn
from cycles.domain.words import CallOutcome, Operation
from cycles.models import ExchangeCall, Step
from cycles.services import gathering, reconciling
from cycles.services.desk import database_now
from exchanges import registry
from tests import builders
from tests.cycles.services.test_stating import RESTS, cancel_of
from tests.desk import TestDesk

# Seconds until the last word, that word (absent by the venue's rule, or for a person), and what tells the outcome.
RULES = {
    ("binance", "PLACE_ORDER"): (15, "ABSENT", "the order, by our id"),
    ("upbit", "PLACE_ORDER"): (10, "ABSENT", "the order, by our id"),
    ("bithumb", "PLACE_ORDER"): (75, "ABSENT", "the order, by our id"),
    ("binance", "CANCEL_ORDER"): (15, "ABSENT", "the order that it was to cancel, by our id"),
    ("upbit", "CANCEL_ORDER"): (10, "ABSENT", "the order that it was to cancel, by our id"),
    ("bithumb", "CANCEL_ORDER"): (75, "ABSENT", "the order that it was to cancel, by our id"),
    ("binance", "WITHDRAW"): (60, "UNKNOWN_WITHDRAWAL", "the account's withdrawals"),
    ("upbit", "WITHDRAW"): (60, "UNKNOWN_WITHDRAWAL", "the account's withdrawals"),
    ("bithumb", "WITHDRAW"): (60, "UNKNOWN_WITHDRAWAL", "the account's withdrawals"),
}
# Where absence proves nothing, either, while the account has locked what the request would lock.
DENIED_BY_LOCKED = {("upbit", "PLACE_ORDER")}
# A venue, or an operation, without numbers fails.
KINDS = [(venue, kind) for venue in registry.ADAPTERS for kind in Operation]
LESS = 4  # less than the gap between any two venues' numbers; the test itself takes less


def lost(venue: str, kind: Operation) -> ExchangeCall:
    """Write a request of which its venue shows nothing, noted by its worker as unknown."""
    row = builders.cycle()
    if kind == Operation.WITHDRAW:
        to = "upbit" if venue == registry.GLOBAL_VENUE else registry.GLOBAL_VENUE
        Step.objects.filter(cycle=row, kind="WITHDRAW").update(venue=venue, to_venue=to)
        address = builders.confirmed_address(venue, venue=to)
        return builders.withdrawal_call(
            row, venue=venue, outcome=CallOutcome.UNKNOWN, report=None, duration_ms=0, noted_at=Now(),
            destination=address,
        )  # fmt: skip
    quote = "USDT" if venue == registry.GLOBAL_VENUE else "KRW"
    request = {"market": f"XRP/{quote}", "side": "buy", "quantity": "2000", "limit_price": "1"}
    if kind == Operation.PLACE_ORDER:
        return builders.order_call(
            row, CallOutcome.UNKNOWN, venue=venue, request=request, duration_ms=0
        )
    return cancel_of(
        builders.order_call(row, venue=venue, request=request, report=RESTS), duration_ms=0
    )


def said(call: ExchangeCall, seconds: int) -> str:
    """Give what two looks, long enough apart, make of a request that has been unknown for so long."""
    mine = ExchangeCall.objects.filter(pk=call.pk)
    mine.update(noted_at=Now() - timedelta(seconds=seconds))
    for _ in range(2):
        progress = reconciling.reconcile(mine.select_related("step", "cycle", "destination").get())
        if progress.turn is Turn.FAIL:
            return progress.failure
        mine.update(missed_at=F("missed_at") - gathering.SECOND_LOOK)
    return mine.get().outcome


@pytest.mark.django_db
@pytest.mark.parametrize("korea", [["upbit", "bithumb"]])
@pytest.mark.parametrize(("venue", "kind"), KINDS)
def test_not_found_is_the_last_word_after_the_venues_window_and_not_before(
    desk: TestDesk, venue: str, kind: Operation
) -> None:
    seconds, word, _ = RULES[venue, kind]
    call = lost(venue, kind)
    assert said(call, seconds - LESS) == "UNKNOWN"
    assert said(call, seconds + 1) == word


@pytest.mark.parametrize(("venue", "kind"), KINDS)
def test_each_venue_states_for_each_operation_when_absence_proves_and_what_tells_the_outcome(
    venue: str, kind: Operation
) -> None:
    seconds, word, told_by = RULES[venue, kind]
    rule = reconciling.RULES[kind](registry.ADAPTERS[venue])
    proves = rule.absence_proves_after_seconds
    assert (proves or rule.lookup_grace_seconds) == seconds
    assert (proves is not None) == (word == "ABSENT")
    assert rule.told_by == told_by
    assert rule.locked_denies_absence == ((venue, kind) in DENIED_BY_LOCKED)


@pytest.mark.django_db
@pytest.mark.parametrize(("venue", "kind"), KINDS)
def test_nobody_states_what_came_of_a_request_while_its_venue_may_still_accept_it(
    venue: str, kind: Operation
) -> None:
    seconds, _, _ = RULES[venue, kind]
    call = lost(venue, kind)
    known_for = {seconds - LESS: True, seconds + 1: False}
    for age, may_arrive in known_for.items():
        call.noted_at = database_now() - timedelta(seconds=age)
        left = reconciling.may_arrive_for(call, given_up_at=call.noted_at)
        assert (left > timedelta(0)) == may_arrive
