"""What a look has shown is written, and wakes whom it concerns, also while somebody keeps one of their rows locked."""

from __future__ import annotations

import time

import pytest
from django.db.models.functions import Now

from cycles.domain.words import Role
from cycles.models import Cycle, SeenDeposit
from cycles.services import leasing, sighting
from tests.cycles.services.test_holding import locked_elsewhere
from tests.cycles.services.test_looking import PACE, arrived, look_at, on_its_way, shown

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]


def test_a_cycle_that_somebody_keeps_locked_holds_up_no_look_and_no_other_cycle() -> None:
    for number in (1, 2, 3):
        on_its_way(number)
    first, *others = leasing.claim(Role.INITIATOR, "tester", limit=3)
    leasing.hand_back([first, *others])
    Cycle.objects.update(wake_at=Now() + PACE)
    look, began = look_at(), time.monotonic()
    with locked_elsewhere(first):
        recorded = sighting.record(look, shown(*(arrived(number) for number in (1, 2, 3))))
        assert time.monotonic() - began < 2
        assert (recorded.changed, recorded.woken) == (3, 2)
        due = Cycle.objects.filter(wake_at__lte=Now()).values_list("pk", flat=True)
        assert set(due) == {lease.cycle_id for lease in others}
    assert SeenDeposit.objects.count() == 3


def test_one_that_was_locked_for_a_moment_is_woken_too(monkeypatch: pytest.MonkeyPatch) -> None:
    on_its_way(1)
    (lease,) = leasing.claim(Role.INITIATOR, "tester", limit=1)
    leasing.hand_back([lease])
    Cycle.objects.update(wake_at=Now() + PACE)
    look, keeps = look_at(), locked_elsewhere(lease)
    keeps.__enter__()

    def end(_: float) -> None:
        monkeypatch.undo()
        keeps.__exit__(None, None, None)

    monkeypatch.setattr("cycles.services.sighting.time.sleep", end)
    assert sighting.record(look, shown(arrived(1))).woken == 1
    assert Cycle.objects.filter(wake_at__lte=Now()).exists()
