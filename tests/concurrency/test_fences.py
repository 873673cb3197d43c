"""Each comparison of a fence, in the services and in the database: with it a late worker has not its way, without it it has.

Where it wakes its own process has the cycle anew, under a newer lease: nothing but the fence tells the two apart.
The comparisons are found in the code: one that comes new fails here until it is tried.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

import pytest
from django.db import connection

from cycles.domain.words import CallOutcome
from cycles.errors import LeaseLostError
from cycles.models import ExchangeCall
from cycles.services import advancing, calling, desk, moving, trading
from cycles.services.calling import Noted
from cycles.services.moving import Lease
from tests import builders
from tests.concurrency.places import called, functions
from tests.concurrency.test_lost_lease import (
    accepted,
    claim,
    intended,
    lose_lease,
    move,
    release,
    settled_by_the_last_release,
    settlement,
)
from tests.concurrency.unguarded import database_without, take_out

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]

HOUR = timedelta(hours=1)
NOT_SENT = Noted(outcome=CallOutcome.NOT_SENT, error="the lease ran out before it was sent")


class Leases(NamedTuple):
    """A cycle's lease that was lost, the newest, and a call that was intended under one of them."""

    lost: Lease
    newest: Lease
    call: ExchangeCall


def with_a_call_of_the_lost() -> Leases:
    row = builders.cycle()
    lost = claim("sleeper")
    call = intended(lost)
    return Leases(lost, lose_lease(row, "sleeper"), call)


def with_a_call_of_the_newest() -> Leases:
    row = builders.cycle()
    lost = claim("sleeper")
    newest = lose_lease(row, "sleeper")
    return Leases(lost, newest, intended(newest))


def settled_by_the_newest() -> Leases:
    """Let the newest lease settle a call that was intended under the lost one, and hand the cycle back."""
    leases = with_a_call_of_the_lost()
    whole = settlement(leases.call, wake_in=HOUR)
    assert calling.book(leases.newest, leases.call, accepted(leases.call), whole)
    return leases


def is_through(act: Callable[[], object]) -> bool:
    """Say whether a worker is told nothing of a lost lease."""
    try:
        act()
    except LeaseLostError:
        return False
    return True


def looks_into_what_the_newest_is_about_to_send() -> bool:
    return is_through(partial(advancing.one_unit, with_a_call_of_the_newest().lost))


def disowns_what_the_newest_is_about_to_send() -> bool:
    leases = with_a_call_of_the_newest()
    calling._disown(leases.lost, leases.call.client_order_id)
    leases.call.refresh_from_db()
    return leases.call.outcome == CallOutcome.NOT_SENT


def notes_what_it_takes_for_its_own() -> bool:
    call = with_a_call_of_the_newest().call
    call.fence -= 1
    return calling.write_outcome(call, NOT_SENT)


def settles() -> bool:
    lost, _, call = with_a_call_of_the_lost()
    settled: list[ExchangeCall] = []
    told = is_through(
        lambda: calling.note(lost, call, accepted(call), lambda _, one: settled.append(one))
    )
    assert told == bool(settled)
    return told


def takes_the_newest_ones_settling_for_its_own() -> bool:
    lost, _, call = settled_by_the_newest()
    return is_through(lambda: calling.note(lost, call, accepted(call)))


def takes_the_settling_for_that_of_a_call_of_its_own() -> bool:
    _, newest, call = settled_by_the_newest()
    return is_through(lambda: calling.note(newest, call, accepted(call)))


def marks_an_order_as_missed() -> bool:
    lost, _, call = with_a_call_of_the_lost()
    trading._mark_missed(lost, call, desk.database_now())
    call.refresh_from_db()
    return call.missed_at is not None


def decides() -> bool:
    row = builders.cycle()
    lost = claim("sleeper")
    lose_lease(row, "sleeper")
    return is_through(partial(move, lost))


def intends() -> bool:
    row = builders.cycle()
    lost = claim("sleeper")
    lose_lease(row, "sleeper")
    return is_through(partial(intended, lost))


def hands_back() -> bool:
    row = builders.cycle()
    lost = claim("sleeper")
    lose_lease(row, "sleeper")
    return release(lost)


def books() -> bool:
    lost, _, call = with_a_call_of_the_lost()
    return calling.book(lost, call, accepted(call), settlement(call))


def books_as_the_last_release_does() -> bool:
    lost, _, call = with_a_call_of_the_lost()
    return settled_by_the_last_release(lost, call) == "DONE"


class Fence(NamedTuple):
    """Where a fence is compared, how the text reads and would read without, and what a late worker does then."""

    place: Callable[..., Any] | str  # a function of the services, or of the database
    guard: str
    instead: str
    has_its_way: Callable[[], bool]

    def __str__(self) -> str:
        if isinstance(self.place, str):
            return self.place
        return f"{self.place.__module__.rpartition('.')[2]}.{self.place.__name__}"


# fmt: off
FENCES = (
    Fence(advancing._see_to, "call.fence > lease.fence", "False", looks_into_what_the_newest_is_about_to_send),
    Fence(calling._disown, ", fence=lease.fence", "", disowns_what_the_newest_is_about_to_send),
    Fence(calling._note, "(cycle.fence, cycle.lease_owner) != (lease.fence, lease.owner)",
          "cycle.lease_owner != lease.owner", settles),
    Fence(calling._was_handed_back, "cycle.fence != lease.fence or ", "", takes_the_newest_ones_settling_for_its_own),
    Fence(calling._was_handed_back, "fence=lease.fence, ", "", takes_the_settling_for_that_of_a_call_of_its_own),
    Fence(calling.write_outcome, "fence=call.fence,", "", notes_what_it_takes_for_its_own),
    Fence(moving.lock_for_decision, "cycle.fence != lease.fence or ", "", decides),
    Fence(trading._mark_missed, '"cycle__fence": lease.fence, ', "", marks_an_order_as_missed),
    Fence("kimp_intend_v1", "c.fence = w.fence AND ", "", intends),
    Fence("kimp_release_v1", "c.fence = r.fence AND ", "", hands_back),
    Fence("kimp_settle_v1", " AND c.fence = w.fence", "", books_as_the_last_release_does),
    Fence("kimp_settle_v2", " AND c.fence = w.fence", "", books),
)
# fmt: on


def compared_in_the_services() -> Iterator[str]:
    """Name each function of the services that compares a fence, as often as it does."""
    for module, function in functions():
        for node in ast.walk(function):
            if _compares(node):
                yield f"{module}.{function.name}"


def _compares(node: ast.AST) -> bool:
    """Say whether a node compares a fence: as it stands, or as what rows are chosen by."""
    if isinstance(node, ast.Compare):
        return any(getattr(one, "attr", "") == "fence" for one in ast.walk(node))
    if isinstance(node, ast.Dict):
        return any(str(getattr(key, "value", "")).endswith("__fence") for key in node.keys)
    chooses = isinstance(node, ast.Call) and called(node) in {"filter", "exclude", "get", "Q"}
    return chooses and any((one.arg or "").endswith("fence") for one in node.keywords)  # type: ignore[attr-defined]


def compared_in_the_database() -> list[str]:
    """Name each function of the database that compares a fence; that one only grows is a constraint of its row."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT proname, prosrc FROM pg_proc WHERE proname LIKE 'kimp%'")
        return [
            name
            for name, text in cursor.fetchall()
            for _ in re.findall(r"fence\s*=\s*\w+\.fence", text)
        ]


def test_every_comparison_of_a_fence_is_tried() -> None:
    found = [*compared_in_the_services(), *compared_in_the_database()]
    assert sorted(found) == sorted(map(str, FENCES))


@pytest.mark.parametrize("fence", FENCES, ids=lambda one: f"{one}:{one.has_its_way.__name__}")
def test_who_comes_late_has_its_way_only_where_no_fence_is_compared(
    monkeypatch: pytest.MonkeyPatch, fence: Fence
) -> None:
    builders.right_clocks()
    assert not fence.has_its_way()
    if not isinstance(fence.place, str):
        take_out(monkeypatch, fence.place, fence.guard, fence.instead)
        assert fence.has_its_way()
        return
    with database_without(fence.place, fence.guard, fence.instead):
        assert fence.has_its_way()
