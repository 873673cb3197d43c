"""The initiator dies at any place of its own while it opens a cycle: it has opened one whole, or none."""

from __future__ import annotations

import pytest

from cycles.models import Cycle
from cycles.services import verifying
from tests.crashes.matrix.counting import note_kills
from tests.crashes.matrix.journeys import OPENING
from tests.crashes.matrix.sites import reached
from tests.crashes.matrix.world import World

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

OPEN = "cycles.services.opening.open_if_decided"


def test_the_initiator_that_dies_while_it_opens_has_opened_whole_or_not_at_all(
    matrix: World,
) -> None:
    """A cycle owns its capital from the commit on that writes it."""
    told = matrix.act(OPEN, actor="initiator")
    assert reached(told.reached) >= OPENING
    points = list(told.points())
    for point in points:
        before = Cycle.objects.count()
        assert matrix.act(OPEN, die_at=point, actor="initiator").was_killed, point
        assert Cycle.objects.count() - before == (point == points[-1]), point
        assert verifying.verify_ledger().is_balanced
    note_kills("opening", points)
    matrix.go_on(*Cycle.objects.all())
    assert set(Cycle.objects.values_list("status", flat=True)) == {"COMPLETED"}
    matrix.assert_whole()
