"""Two who redrive the same dead letters at once: each goes on once."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import Count

from cycles.domain.words import CycleStatus
from cycles.errors import StaleVersionError
from cycles.models import Cycle, Intervention, Transition
from cycles.services import redriving
from cycles.services.locking import lock_cycle
from cycles.services.redriving import Filter, Redriven
from tests import builders
from tests.concurrency.meeting import SECONDS, Meeting, root, together, told

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]


def of_two(name: str) -> Redriven | None:
    """Redrive all; None where the database refused."""
    seen = redriving.look(Filter())
    try:
        return redriving.redrive_all(seen, actor=root(name), reason="up again")
    except IntegrityError:
        return None


def begin_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let both have chosen their cycles before either locks the first."""
    meeting, batches = Meeting(), redriving._batches

    def met(ids: list[Any]) -> Any:
        meeting.wait()
        return batches(ids)

    monkeypatch.setattr(redriving, "_batches", met)


def test_each_goes_on_once_whoever_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redriving, "BATCH", 1)
    begin_together(monkeypatch)
    for _ in range(6):
        builders.dead_letter()
    got = together(functools.partial(of_two, "alice"), functools.partial(of_two, "bob"))
    assert sum(one.count for one in got if isinstance(one, Redriven)) == 6
    assert set(Cycle.objects.values_list("status", flat=True)) == {CycleStatus.RETRY_PENDING}
    for rows in (Intervention.objects, Transition.objects.filter(event="redrive")):
        assert set(rows.values("cycle").annotate(n=Count("pk")).values_list("n", flat=True)) == {1}


def test_what_somebody_holds_at_that_moment_is_left_and_not_waited_for() -> None:
    row, free = builders.dead_letter(), builders.dead_letter()
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        lock_cycle(row.pk)
        redriven = pool.submit(told, functools.partial(of_two, "alice")).result(SECONDS)
    assert redriven == Redriven(count=1, left=1)
    assert Intervention.objects.get().cycle == free


def test_the_negative_control_without_the_lock_both_take_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = Meeting()

    def of_two_who_meet(name: str) -> Redriven | None:
        with chosen.before(redriving.MOVED):
            return of_two(name)

    monkeypatch.setattr(redriving, "FREE_ROWS_ONLY", "")
    builders.dead_letter()
    got = together(
        functools.partial(of_two_who_meet, "alice"), functools.partial(of_two_who_meet, "bob")
    )
    refused = [one for one in got if not isinstance(one, Redriven)]
    # Who comes last is refused (by a constraint, or by what the statement found), or redrives once more.
    assert len(refused) == 1 or Intervention.objects.count() == 2
    assert all(one is None or isinstance(one, StaleVersionError) for one in refused)
