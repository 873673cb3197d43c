"""An operator's act, or a job of the queue, dies at any of its places: it is done once, or not at all."""

from __future__ import annotations

from collections import Counter

import pytest
from django.db.models.functions import Now

from cycles.domain.words import FailureClass, Verb
from cycles.models import Cycle, Intervention
from cycles.services import retrying
from tests.crashes.matrix import acts
from tests.crashes.matrix.world import Ended, Point, World

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

AFTER_INTENT = Point("STARTED: calling.intend < trading._send | after the commit")
BEFORE_SENDING_COINS = Point("STARTED: calling.intend < transferring._request | before the commit")
ACTS = "tests.crashes.matrix.acts"


def dead(matrix: World, at: Point = BEFORE_SENDING_COINS) -> Cycle:
    """Give a dead letter that owns coins and has no open request."""
    cycle = matrix.die(at)
    Cycle.objects.filter(pk=cycle.pk).update(lease_expires_at=Now())
    lease = matrix.desk.lease(cycle)
    retrying.fail(lease, FailureClass.POLICY_DENIED, "a test", actor=lease.owner)
    cycle.refresh_from_db()
    assert cycle.status == "DEAD_LETTER"
    return cycle


def act(matrix: World, verb: str, cycle: Cycle, point: Point | None = None) -> Ended:
    facts = {"verb": verb, "cycle": str(cycle.pk), "seen": cycle.version}
    return matrix.act(f"{ACTS}.on_cycle", die_at=point, may_fail=True, **facts)


@pytest.mark.parametrize("verb", acts.ON_CYCLES)
def test_an_operators_act_on_a_cycle_is_done_once_wherever_its_process_dies(
    matrix: World, verb: str
) -> None:
    undisturbed = dead(matrix)
    places = list(act(matrix, verb, undisturbed).points())
    cycles = {}
    for point in places:
        cycle = cycles[point] = dead(matrix)
        assert act(matrix, verb, cycle, point).was_killed, point
        act(matrix, verb, cycle)  # as its operator does, who has seen no answer
    assert len(places) >= 2
    matrix.go_on(undisturbed, *cycles.values())
    for point, cycle in cycles.items():
        made = Intervention.objects.filter(cycle=cycle, verb=Verb(verb.partition(",")[0]))
        assert made.count() == 1, point
        found, wanted = matrix.shape(cycle), matrix.shape(undisturbed)
        assert (found["status"], found["done"]) == (wanted["status"], wanted["done"]), (
            point,
            found,
        )
    matrix.assert_whole()


# Each is undone by its other, so that the next kill finds the desk as it was.
UNDONE_BY = {"halt": "resume", "resume": "halt", "pause": "unpause", "unpause": "pause", "open": ""}


@pytest.mark.parametrize("verb", acts.ON_DESK)
def test_an_operators_act_on_the_desk_is_done_once_wherever_its_process_dies(
    matrix: World, verb: str
) -> None:
    other = UNDONE_BY[verb]
    if verb in {"resume", "unpause"}:
        matrix.act(f"{ACTS}.on_desk", verb=other)
    places = list(matrix.act(f"{ACTS}.on_desk", verb=verb).points())
    assert len(places) >= 2
    for point in places:
        if other:
            matrix.act(f"{ACTS}.on_desk", verb=other)
        before = _desk_rows()
        assert matrix.act(f"{ACTS}.on_desk", die_at=point, verb=verb).was_killed
        is_done = point.name.endswith("after the commit") and point == places[-1]
        assert (_desk_rows() != before) is is_done, point
        if not is_done:
            matrix.act(f"{ACTS}.on_desk", verb=verb)
        assert _desk_rows() - before == Counter({Verb(verb).value: 1}), point
    matrix.go_on(*Cycle.objects.all())
    matrix.assert_whole()


def _desk_rows() -> Counter[str]:
    """Count what operators have done."""
    return Counter(
        Intervention.objects.exclude(actor__startswith="stand").values_list("verb", flat=True)
    )
