"""The database lets a cycle move along the table's edges only, with its transition written."""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from cycles.domain.states import BEGINNINGS, FINAL, RUNNING, TRANSITIONS
from cycles.domain.words import CallOutcome, CycleStatus
from cycles.models import Cycle, Transition
from cycles.services import moving
from tests import builders
from tests.cycles.models.refusing import refused
from tests.planting import planted

pytestmark = pytest.mark.django_db

ILLEGAL = [(a, b) for a, b in product(CycleStatus, repeat=2) if a != b and b not in TRANSITIONS[a]]
LEGAL = [(a, b) for a, leaves in TRANSITIONS.items() for b in sorted(leaves)]
PARKED = {CycleStatus.RETRY_PENDING, CycleStatus.DEAD_LETTER}
ELSEWHERE = [(a, b) for a, b in product(sorted(RUNNING), repeat=2) if a != b]


def facts(status: CycleStatus, stored: str = "STARTED") -> dict[str, Any]:
    """Give the columns that a status demands."""
    columns: dict[str, Any] = {"status": status, "return_asset": "XRP"}
    if status in FINAL:
        columns |= {"ended_at": Now(), "wake_at": None}
    if status is CycleStatus.RETRY_PENDING:
        columns |= {"next_retry_at": Now(), "resume_status": stored}
    if status is CycleStatus.DEAD_LETTER:
        columns |= {"wake_at": None, "failure_class": "BUG", "resume_status": stored}
    return columns


def standing(status: CycleStatus, stored: str = "STARTED") -> Cycle:
    """Insert a cycle in a status, owning nothing."""
    opening = builders._opening("XRP", Decimal(0))
    with planted():
        return Cycle.objects.create(**(opening | facts(status, stored)))


def update(row: Cycle, target: CycleStatus, **changes: Any) -> int:
    """Write a status past `moving`; what is stored is where it stopped."""
    stored = row.resume_status if row.status in PARKED else row.status
    columns = {"wake_at": Now(), "ended_at": None} | facts(target, stored)
    changed = {"version": F("version") + 1} | changes
    return Cycle.objects.filter(pk=row.pk).update(**(columns | changed))


@pytest.mark.parametrize("status", sorted(set(CycleStatus) - BEGINNINGS))
def test_no_cycle_begins_in_the_middle(status: CycleStatus) -> None:
    with refused("cycle_begins_at_a_beginning"):
        Cycle.objects.create(**(builders._opening("XRP", Decimal(0)) | facts(status)))


@pytest.mark.parametrize("status", sorted(BEGINNINGS))
def test_a_cycle_begins_with_its_way_out_or_its_way_home(status: CycleStatus) -> None:
    row = Cycle.objects.create(**(builders._opening("XRP", Decimal(0)) | facts(status)))
    assert row.status == status


def note(row: Cycle, origin: str, target: str, version: int | None = None) -> None:
    """Write a transition row."""
    Transition.objects.create(
        cycle=row, version=version or row.version + 1, from_status=origin, to_status=target,
        event="test", actor="test", at=Now(),
    )  # fmt: skip


@pytest.mark.parametrize(("origin", "target"), LEGAL)
def test_every_edge_of_the_table_can_be_gone(origin: CycleStatus, target: CycleStatus) -> None:
    row = standing(origin, target if target in RUNNING else "STARTED")
    note(row, origin, target)
    assert update(row, target) == 1


@pytest.mark.parametrize(("origin", "target"), ILLEGAL)
def test_no_other_edge_can_be_gone_even_with_its_row(
    origin: CycleStatus, target: CycleStatus
) -> None:
    row = standing(origin)
    note(row, origin, target)
    with refused("cycle_moves_legally"):
        update(row, target)


@pytest.mark.parametrize(("stored", "target"), ELSEWHERE)
def test_a_retry_goes_on_nowhere_but_where_it_stopped(stored: str, target: CycleStatus) -> None:
    row = standing(CycleStatus.RETRY_PENDING, stored)
    note(row, "RETRY_PENDING", target)
    with refused("cycle_resumes_where_it_stopped"):
        update(row, target, resume_status=target)


@pytest.mark.parametrize("target", sorted(PARKED))
def test_where_it_stopped_is_stored_as_it_was(target: CycleStatus) -> None:
    row = standing(CycleStatus.STARTED)
    note(row, "STARTED", target)
    with refused("cycle_stores_where_it_stopped"):
        update(row, target, resume_status="AWAITING_REBALANCE")
    assert update(row, target) == 1


def test_a_redrive_takes_along_where_it_stopped() -> None:
    row = standing(CycleStatus.DEAD_LETTER, "AWAITING_REBALANCE")
    note(row, "DEAD_LETTER", "RETRY_PENDING")
    with refused("cycle_stores_where_it_stopped"):
        update(row, CycleStatus.RETRY_PENDING, resume_status="STARTED")


@pytest.mark.parametrize("parked", sorted(PARKED))
def test_where_it_stopped_is_not_written_anew(parked: CycleStatus) -> None:
    row = standing(parked)
    with refused("cycle_stores_where_it_stopped"):
        Cycle.objects.filter(pk=row.pk).update(resume_status="AWAITING_REBALANCE")


def test_a_change_of_status_without_its_transition_row_is_refused() -> None:
    row = standing(CycleStatus.STARTED)
    with refused("cycle_transition_is_written"):
        update(row, CycleStatus.INITIAL_TRADE_COMPLETED)


@pytest.mark.parametrize(
    ("origin", "target", "version"),
    [
        ("STARTED", "FAILED", 2),
        ("AWAITING_REBALANCE", "INITIAL_TRADE_COMPLETED", 2),
        ("STARTED", "INITIAL_TRADE_COMPLETED", 7),
    ],
)
def test_another_transitions_row_does_not_do(origin: str, target: str, version: int) -> None:
    row = standing(CycleStatus.STARTED)
    note(row, origin, target, version)
    with refused("cycle_transition_is_written"):
        update(row, CycleStatus.INITIAL_TRADE_COMPLETED)


def test_a_change_of_status_raises_the_version() -> None:
    row = standing(CycleStatus.STARTED)
    note(row, "STARTED", "INITIAL_TRADE_COMPLETED", 1)
    with refused("cycle_version_grows"):
        update(row, CycleStatus.INITIAL_TRADE_COMPLETED, version=1)


@pytest.mark.parametrize("column", ["version", "fence"])
def test_version_and_fence_only_grow(column: str) -> None:
    row = standing(CycleStatus.STARTED)
    Cycle.objects.filter(pk=row.pk).update(version=5, fence=5)
    with refused("cycle_version_grows"):
        Cycle.objects.filter(pk=row.pk).update(**{column: 4})


def test_the_retry_count_grows_or_starts_anew() -> None:
    rows = Cycle.objects.filter(pk=standing(CycleStatus.STARTED).pk)
    rows.update(retry_count=2)
    with refused("cycle_retry_count_grows"):
        rows.update(retry_count=1)
    assert rows.update(retry_count=0) == 1


@pytest.mark.parametrize("final", [CycleStatus.COMPLETED, CycleStatus.FAILED])
def test_no_final_status_while_the_cycle_owns_anything(final: CycleStatus) -> None:
    row = builders.dead_letter()
    note(row, "DEAD_LETTER", final)
    with refused("cycle_final_owns_nothing"):
        update(row, final)
    builders.hand_over(row)
    assert update(row, final) == 1


@pytest.mark.parametrize("outcome", [CallOutcome.INTENDED, CallOutcome.UNKNOWN])
def test_no_final_status_with_an_open_call(outcome: CallOutcome) -> None:
    row = builders.dead_letter()
    builders.hand_over(row)
    builders.order_call(row, outcome)
    note(row, "DEAD_LETTER", "FAILED")
    with refused("cycle_final_has_no_open_call"):
        update(row, CycleStatus.FAILED)


def test_the_end_is_written_once() -> None:
    row = builders.finished()
    with refused("cycle_ends_once"):
        Cycle.objects.filter(pk=row.pk).update(ended_at=Now(), version=F("version") + 1)


def test_a_move_raises_the_version_by_exactly_one_each_time() -> None:
    row = builders.cycle()
    with transaction.atomic():
        for expected in (2, 3, 4):
            moving.touch(row)
            assert row.version == expected
    row.refresh_from_db()
    assert row.version == 4


def test_the_negative_control_saving_an_expression_twice_counts_twice() -> None:
    row = builders.cycle()
    row.version = F("version") + 1
    row.save()
    row.save()
    row.refresh_from_db()
    assert row.version == 3  # why nothing but `moving` writes versions
