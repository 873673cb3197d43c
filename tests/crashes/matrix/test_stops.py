"""A role is told to stop where money moves: it ends well, and leaves no lease."""

from __future__ import annotations

import time

import pytest
from django.db.models.functions import Now

from cycles.domain.states import DRIVEN_BY
from cycles.domain.words import CycleStatus
from cycles.models import Cycle, Heartbeat
from cycles.services.desk import current_policy
from tests.crashes.matrix.world import World
from tests.crashes.proof import FINAL
from tests.cycles.services.acts import set_policy
from tests.desk import why

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

MOVES_MONEY = r"^(calling|leasing|trading|presence|advancing\._close)\b|(place_order|withdraw) \|"
KINDS = 6  # of places at least that one cycle is stopped at


def stopped_at(matrix: World, known: set[str], *, may: str) -> set[str]:
    """Bring a cycle home by roles each of which is told to stop at a place that is not known; give those places."""
    if current_policy().max_open_cycles != 1:
        set_policy(max_open_cycles=1)  # the initiator opens no other
    cycle = matrix.open()
    new: set[str] = set()
    while cycle.status not in FINAL:
        Cycle.objects.filter(pk=cycle.pk).update(wake_at=Now())
        role = DRIVEN_BY[CycleStatus(cycle.resume_status or cycle.status)].value
        new.add(matrix.work(role, cycle, known=known | new, may=may))
        cycle.refresh_from_db()
        assert cycle.lease_owner == "", why(cycle)
        assert not Heartbeat.objects.filter(role=role).exists()
    assert cycle.status == "COMPLETED", why(cycle)
    return new - {""}


def test_a_role_told_to_stop_where_money_moves_ends_well_and_leaves_no_lease(matrix: World) -> None:
    new = stopped_at(matrix, set(), may=MOVES_MONEY)
    assert len(new) >= KINDS
    matrix.assert_whole()


def never_ends() -> None:
    """Be a process that nothing stops."""
    time.sleep(3600)


def test_a_role_that_does_not_end_in_time_is_told_by_its_place(matrix: World) -> None:
    cycle = matrix.open()
    with pytest.raises(AssertionError, match="told to stop at its end, had not ended 0 s"):
        matrix.work("initiator", cycle, known=(), may=MOVES_MONEY, within=0)


def test_a_process_that_never_ends_is_not_waited_for(matrix: World) -> None:
    do = f"{__name__}.{never_ends.__name__}"
    told = matrix.driver.obey({"do": do, "die_at": None, "within": 0.1})
    assert told["is_overdue"]
    assert matrix.driver.is_fit
