"""When a worker that has nothing to do looks again: as the next cycle falls due, or is given up by whoever has it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from cycles.domain.words import Role
from cycles.models import Cycle
from cycles.services import leasing
from tests import builders

pytestmark = pytest.mark.django_db

SOON, LATER, LATEST = timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=3)


def leased(until: timedelta) -> Cycle:
    """Give a cycle that is due, and in somebody's hand for so long."""
    row = builders.cycle()
    Cycle.objects.filter(pk=row.pk).update(
        wake_at=Now() - SOON, lease_owner="another", lease_expires_at=Now() + until
    )
    return row


def free(due_in: timedelta) -> Cycle:
    """Give a cycle that nobody has."""
    row = builders.cycle()
    Cycle.objects.filter(pk=row.pk).update(wake_at=Now() + due_in)
    return row


def next_due_in() -> timedelta:
    found = leasing.next_due_in(Role.INITIATOR)
    assert found is not None
    return found


def test_nothing_is_due_where_there_is_no_cycle() -> None:
    assert leasing.next_due_in(Role.INITIATOR) is None


def test_a_lease_that_runs_out_is_due_at_its_end() -> None:
    leased(LATER)
    leased(SOON)
    assert timedelta(0) < next_due_in() <= SOON


def test_what_falls_due_before_a_lease_ends_comes_first() -> None:
    leased(LATER)
    free(SOON)
    assert timedelta(0) < next_due_in() <= SOON


def test_a_lease_that_ends_before_anything_falls_due_comes_first() -> None:
    leased(SOON)
    free(LATEST)
    assert timedelta(0) < next_due_in() <= SOON


def test_what_is_due_already_waits_for_no_lease() -> None:
    leased(SOON)
    free(-SOON)
    assert next_due_in() < timedelta(0)


def test_a_lease_that_has_run_out_is_due() -> None:
    leased(timedelta(0))
    leased(SOON)
    assert next_due_in() <= timedelta(0)


def test_what_is_due_already_is_left_out_where_that_which_falls_due_later_is_asked_for() -> None:
    free(-SOON)
    assert leasing.next_due_in(Role.INITIATOR, is_later=True) is None
    leased(LATEST)
    free(SOON)
    found = leasing.next_due_in(Role.INITIATOR, is_later=True)
    assert found is not None
    assert timedelta(0) < found <= SOON
