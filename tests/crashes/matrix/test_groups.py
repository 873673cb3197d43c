"""A role's process dies while one statement writes for several of its cycles: for all of them or for none, and each ends as ever."""

from __future__ import annotations

import pytest
from django.db.models.functions import Now

from cycles.models import Cycle, ExchangeCall
from tests.crashes.matrix.amounts import assert_same_end
from tests.crashes.matrix.counting import note_kills
from tests.crashes.matrix.grouping import COMPANY
from tests.crashes.matrix.test_points import out_and_home
from tests.crashes.matrix.world import Point, World
from tests.cycles.services.acts import set_policy

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

WORK = "tests.crashes.matrix.grouping.work"
CYCLES = 1 + COMPANY  # the first commits alone


def _written(cycle: Cycle, kind: str) -> bool:
    """Say whether the statement that a cycle had a row in stands."""
    calls = ExchangeCall.objects.filter(cycle=cycle)
    return calls.exists() if kind == "intend" else calls.filter(is_settled=True).exists()


@pytest.mark.parametrize("is_before", [True, False], ids=["before", "behind"])
@pytest.mark.parametrize("kind", ["intend", "settle"])
def test_a_process_that_dies_with_rows_of_two_cycles_has_written_both_or_neither(
    matrix: World, kind: str, *, is_before: bool
) -> None:
    way = out_and_home(matrix)
    set_policy(max_open_cycles=CYCLES)  # the initiator opens no other
    cycles = [matrix.open() for _ in range(CYCLES)]
    Cycle.objects.filter(pk__in=[cycle.pk for cycle in cycles]).update(wake_at=Now())
    assert matrix.act(WORK, role="initiator", kind=kind, is_before=is_before).was_killed
    written = sum(_written(cycle, kind) for cycle in cycles)
    assert written == (1 if is_before else CYCLES)
    side = "before" if is_before else "after"
    note_kills("groups", [Point(f"{kind} for {COMPANY} | {side} the commit")])
    matrix.go_on(*cycles)
    for cycle in cycles:
        found = matrix.shape(cycle)
        assert_same_end(found, way.shape, way.far, at=f"{kind} together")
        assert found["done"] == way.shape["done"], found
    matrix.assert_whole()
