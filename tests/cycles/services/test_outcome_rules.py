"""What a venue's "not found" proves, and from when on: each venue's numbers, written out once more."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now

from cycles.domain.progress import Turn
from cycles.domain.words import CallOutcome
from cycles.models import ExchangeCall, Step
from cycles.services import reconciling
from exchanges import registry
from tests import builders
from tests.desk import TestDesk

# Seconds until the last word, and that word: absent by the venue's rule, or for a person.
RULES = {
    ("binance", "order"): (15, "ABSENT"),
    ("upbit", "order"): (10, "ABSENT"),
    ("bithumb", "order"): (75, "ABSENT"),
    ("binance", "withdrawal"): (60, "UNKNOWN_WITHDRAWAL"),
    ("upbit", "withdrawal"): (60, "UNKNOWN_WITHDRAWAL"),
    ("bithumb", "withdrawal"): (60, "UNKNOWN_WITHDRAWAL"),
}
# A venue without numbers fails.
KINDS = [(venue, kind) for venue in registry.ADAPTERS for kind in ("order", "withdrawal")]
LESS = 4  # less than the gap between any two venues' numbers; the test itself takes less


def lost(venue: str, kind: str) -> ExchangeCall:
    """Write a request of which its venue shows nothing, noted by its worker as unknown."""
    row = builders.cycle()
    if kind == "withdrawal":
        to = "upbit" if venue == registry.GLOBAL_VENUE else registry.GLOBAL_VENUE
        Step.objects.filter(cycle=row, kind="WITHDRAW").update(venue=venue, to_venue=to)
        address = builders.confirmed_address(venue, venue=to)
        return builders.withdrawal_call(
            row, venue=venue, outcome=CallOutcome.UNKNOWN, report=None, duration_ms=0, noted_at=Now(),
            destination=address,
        )  # fmt: skip
    quote = "USDT" if venue == registry.GLOBAL_VENUE else "KRW"
    request = {"market": f"XRP/{quote}", "side": "buy", "quantity": "2000"}
    return builders.order_call(
        row, CallOutcome.UNKNOWN, venue=venue, request=request, duration_ms=0
    )


def said(call: ExchangeCall, seconds: int) -> str:
    """Give what two looks, long enough apart, make of a request that has been unknown for so long."""
    mine = ExchangeCall.objects.filter(pk=call.pk)
    mine.update(noted_at=Now() - timedelta(seconds=seconds))
    for _ in range(2):
        progress = reconciling.reconcile(mine.select_related("step", "cycle", "destination").get())
        if progress.turn is Turn.FAIL:
            return progress.failure
        mine.update(missed_at=F("missed_at") - reconciling.SECOND_LOOK)
    return mine.get().outcome


@pytest.mark.django_db
@pytest.mark.parametrize("korea", [["upbit", "bithumb"]])
@pytest.mark.parametrize(("venue", "kind"), KINDS)
def test_not_found_is_the_last_word_after_the_venues_window_and_not_before(
    desk: TestDesk, venue: str, kind: str
) -> None:
    seconds, word = RULES[venue, kind]
    call = lost(venue, kind)
    assert said(call, seconds - LESS) == "UNKNOWN"
    assert said(call, seconds + 1) == word
