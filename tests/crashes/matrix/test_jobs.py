"""Each job of the queue dies at any of its places, and its next run makes it good."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from cycles.models import Cycle
from tests.crashes.matrix import acts
from tests.crashes.matrix.test_acts import ACTS, dead
from tests.crashes.matrix.world import Point, World
from tests.crashes.proof import FINAL

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

AFTER_INTENT = Point("STARTED: calling.intend < trading._send | after the commit")


def loose_ends(matrix: World) -> list[Cycle]:
    """Make what jobs look for: a dead letter, an expired lease on an open intent, a due alert."""
    orphan = matrix.die(AFTER_INTENT)
    Cycle.objects.filter(pk=orphan.pk).update(
        wake_at=Now(), lease_expires_at=Now() - timedelta(seconds=1)
    )
    return [dead(matrix), orphan]


@pytest.mark.parametrize("name", acts.JOBS)
def test_a_job_that_dies_at_any_place_is_made_good_by_its_next_run(
    matrix: World, name: str
) -> None:
    cycles = loose_ends(matrix)
    places = {place for place in matrix.act(f"{ACTS}.job", name=name).points() if place.nth == 1}
    for point in sorted(places, key=str):
        if not matrix.act(f"{ACTS}.job", die_at=point, name=name).was_killed:
            cycles += loose_ends(matrix)  # the last run left it nothing to do
            assert matrix.act(f"{ACTS}.job", die_at=point, name=name).was_killed, point
    matrix.act(f"{ACTS}.job", name=name)
    matrix.go_on(*cycles)
    ended = Cycle.objects.filter(pk__in=[cycle.pk for cycle in cycles])
    assert {cycle.status for cycle in ended} <= FINAL
    matrix.assert_whole()
