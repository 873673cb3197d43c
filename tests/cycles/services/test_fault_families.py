"""To what is above the wire, the faults that lose the reply to what was accepted are one: the matrix need not cross each.

In the journal, in what a look makes of it, and in what the venue has at the end, at each call that moves money.
But for F9 at a cancel: of its reply only the status is read, so that an empty one with 200 is none that was lost.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from cycles.domain.progress import Progress, Turn
from cycles.domain.words import CallOutcome, Operation
from cycles.models import Cycle, ExchangeCall
from cycles.services import opening
from exchanges import registry
from tests.crashes.matrix.losing import FAULTS, MOVING
from tests.cycles.services.acts import accepted, age, withdrawals
from tests.desk import TestDesk, operator, why

KOREA = ["upbit", "bithumb"]
VENUES = ["binance", *KOREA]
LOSING = sorted(FAULTS.keys() - {"none"})
NEVER_ACCEPTED = "F3"
UNITS = 80
OVER = 80  # seconds: longer than any venue's window
ORDER, CANCEL, WITHDRAWAL = Operation.PLACE_ORDER, Operation.CANCEL_ORDER, Operation.WITHDRAW

# What the journal said of a call after each unit: its outcome, what refused it, how the cycle goes on, why not.
Line = tuple[str, str, Turn, str]
Told = tuple[Line, ...]
UNKNOWN: Line = ("UNKNOWN", "", Turn.GO_ON, "")
CANCEL_UNKNOWN: Line = ("UNKNOWN", "", Turn.WAIT, "")  # either way its order is looked at next
LOOKED: Line = ("UNKNOWN", "", Turn.WAIT, "")
FOUND: Line = ("DONE", "", Turn.GO_ON, "")
ABSENT: Line = ("ABSENT", "", Turn.GO_ON, "")
A_PERSONS: Line = ("UNKNOWN", "", Turn.FAIL, "UNKNOWN_WITHDRAWAL")
CANCELLED: Line = ("DONE", "", Turn.WAIT, "")
ACCEPTED = {
    ORDER: {(UNKNOWN, FOUND)},
    CANCEL: {(CANCEL_UNKNOWN, FOUND)},
    WITHDRAWAL: {(UNKNOWN, FOUND)},
}

pytestmark = pytest.mark.parametrize("korea", [KOREA], ids=["both"])


def spoil(desk: TestDesk, fault: str, venue: str, what: str, **rule: Any) -> int:
    """Let a fault strike a kind of call at a venue; gives the rule's number."""
    method, path = MOVING[what]
    return desk.fault(fault=fault, venue=venue, method=method, path_regex=path, **rule)


def rests(desk: TestDesk, venue: str, nth: int) -> None:
    """Let the venue's nth order rest with a part of it, so that it is cancelled."""
    spoil(
        desk, "F13", venue, "place_order", action="rests", args={"value": "0.3"}, when={"nth": nth}
    )


def opened(desk: TestDesk, venue: str) -> Cycle:
    """Open a cycle that comes by a venue."""
    desk.sample()
    return opening.open_by_hand(
        asset="XRP",
        notional_usdt=Decimal(2000),
        korea_venue=venue if venue in KOREA else KOREA[0],
        actor=operator(),
        reason="a test",
    )


def line(call: ExchangeCall, progress: Progress) -> Line:
    """Say what stands of a call after a unit."""
    failure = progress.failure.value if progress.turn is Turn.FAIL else ""
    return call.outcome, call.refusal_reason, progress.turn, failure


def units(desk: TestDesk, row: Cycle) -> Iterator[Progress]:
    """Drive a cycle unit by unit."""
    lease = desk.lease(row)
    for _ in range(UNITS):
        progress: Progress = desk.unit(lease)
        yield progress
        if progress.is_handed_back or progress.turn is Turn.END:
            lease = desk.lease(row)
    raise AssertionError(f"it does not come to its end: {why(row)}")


def ride(desk: TestDesk, row: Cycle, venue: str, last: Operation) -> dict[Operation, set[Told]]:
    """Drive a cycle until the outcome of its last operation there is known, or a person's; gives what was told of each.

    Who waits, waits for long.
    """
    told: dict[ExchangeCall, list[Line]] = defaultdict(list)
    calls = ExchangeCall.objects.filter(cycle=row, venue=venue).order_by("pk")
    for progress in units(desk, row):
        for call in calls.all():
            if not told[call] or told[call][-1][0] == CallOutcome.UNKNOWN:
                told[call].append(line(call, progress))
        newest = calls.last()
        if newest and newest.operation == last and _is_over(newest, progress):
            break
        if newest and progress.turn is Turn.WAIT and not newest.is_settled:
            age(row, OVER if newest.outcome == CallOutcome.UNKNOWN else 11)
    stories: dict[Operation, set[Told]] = defaultdict(set)
    for call, lines in told.items():
        stories[Operation(call.operation)].add(tuple(dict.fromkeys(lines)))
    return stories


def _is_over(call: ExchangeCall, progress: Progress) -> bool:
    return call.outcome != CallOutcome.UNKNOWN or progress.turn is Turn.FAIL


def arrived(desk: TestDesk, venue: str) -> dict[str, int]:
    """Count the requests of each kind that reached a venue."""
    rows = [one for one in desk.control("/control/requests") if one["venue"] == venue]
    return {
        what: sum(one["method"] == method and bool(re.search(path, one["path"])) for one in rows)
        for what, (method, path) in MOVING.items()
    }


def orders(desk: TestDesk, venue: str) -> list[str]:
    """Say what a venue's orders came to, oldest first."""
    rows = [one for one in desk.control("/control/orders") if one["venue"] == venue]
    return [
        f"{one['side']} {one['state']}" for one in sorted(rows, key=lambda one: one["created_ms"])
    ]


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("fault", LOSING)
def test_whatever_loses_its_reply_an_accepted_call_is_unknown_then_found_and_sent_once(
    desk: TestDesk, venue: str, fault: str, settings: Any
) -> None:
    when = "always"
    if fault == "F24":  # each costs a whole deadline
        when, settings.KIMP_VENUE_DEADLINE_SECONDS = "once", 2
        registry.forget()
    row = opened(desk, venue)
    rests(desk, venue, nth=1)
    for what in MOVING:
        spoil(desk, fault, venue, what, args=FAULTS[fault], when=when)
    told = ride(desk, row, venue, WITHDRAWAL)
    if when == "once":
        told[ORDER].remove((FOUND,))  # those after the first
    assert told == ACCEPTED | ({CANCEL: {(CANCELLED,)}} if fault == "F9" else {})
    trades = ["buy"] if venue == "binance" else ["sell", "buy"]  # there, and the way home
    ends = [f"{trades[0]} cancelled", *(f"{trade} filled" for trade in trades)]
    assert orders(desk, venue) == ends
    assert len(withdrawals(desk, venue)) == 1
    assert arrived(desk, venue) == {"place_order": len(ends), "cancel_order": 1, "withdraw": 1}
    assert set(accepted(desk, venue).values()) == {1}


@pytest.mark.parametrize("venue", VENUES)
def test_an_order_that_never_arrived_is_absent_and_a_cancel_that_did_not_leaves_its_order_resting(
    desk: TestDesk, venue: str
) -> None:
    """The control: the journal begins alike, and a look tells the two apart."""
    row = opened(desk, venue)
    rests(desk, venue, nth=2)
    for what in ("place_order", "cancel_order"):
        spoil(desk, NEVER_ACCEPTED, venue, what, when="once")
    told = ride(desk, row, venue, CANCEL)
    assert told == {
        ORDER: {(UNKNOWN, LOOKED, ABSENT), (FOUND,)},
        CANCEL: {(CANCEL_UNKNOWN, FOUND)},  # by its order's own report
    }
    (order,) = orders(desk, venue)
    assert order.endswith(" open")
    assert arrived(desk, venue) == {"place_order": 2, "cancel_order": 1, "withdraw": 0}
    assert set(accepted(desk, venue).values()) == {1}


@pytest.mark.parametrize("venue", VENUES)
def test_a_withdrawal_that_never_arrived_stays_unknown_and_is_a_persons(
    desk: TestDesk, venue: str
) -> None:
    row = opened(desk, venue)
    spoil(desk, NEVER_ACCEPTED, venue, "withdraw")
    told = ride(desk, row, venue, WITHDRAWAL)
    assert told[WITHDRAWAL] == {(UNKNOWN, LOOKED, A_PERSONS)}
    assert withdrawals(desk, venue) == []
    assert arrived(desk, venue)["withdraw"] == 1
