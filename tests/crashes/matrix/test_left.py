"""What a process leaves is read before a test lets time pass: what would wait for too long fails there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from cycles.models import Alert, Cycle, VenueWatch
from tests import builders
from tests.crashes.matrix.left import assert_nothing_forgotten, forgotten, longest_wait, wake
from tests.crashes.matrix.world import World

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

TOMORROW = Now() + timedelta(days=1)
DEED = "tests.crashes.matrix.deeds.renew"


def _lease(term: object) -> None:
    Cycle.objects.update(lease_owner="somebody", lease_expires_at=term)


def _look(**term: object) -> None:
    VenueWatch.objects.update_or_create(venue="upbit", kind="ORDERS", defaults=term)


LATE: dict[str, Callable[[], object]] = {
    "wakes": lambda: Cycle.objects.update(wake_at=TOMORROW),
    "is leased": lambda: _lease(TOMORROW),
    "is looked at": lambda: _look(owner="nobody", expires_at=TOMORROW),
    "rests": lambda: _look(not_before=TOMORROW),
    "is told": lambda: builders.alert(due_at=TOMORROW),
}


def _mend() -> None:
    Cycle.objects.update(wake_at=Now(), lease_owner="", lease_expires_at=None)
    VenueWatch.objects.all().delete()
    Alert.objects.all().delete()


def test_what_a_process_leaves_to_wait_for_a_day_fails_it(matrix: World) -> None:
    """It fails where its end is told, whatever it did; a wake-up that the forked process would write anew fails there."""
    cycle = matrix.open()
    for does, leave in LATE.items():
        assert_nothing_forgotten()
        leave()
        (told,) = forgotten()
        assert f" {does} in " in told
        with pytest.raises(AssertionError, match=does):
            matrix.act(DEED, owner="nobody", cycle=str(cycle.pk), fence=0)
        _mend()
    Cycle.objects.update(wake_at=TOMORROW)
    with pytest.raises(AssertionError, match=rf"{cycle.code} wakes in"):
        wake([cycle.pk])
    Cycle.objects.update(wake_at=Now() + longest_wait())
    assert_nothing_forgotten()
    wake([cycle.pk])
