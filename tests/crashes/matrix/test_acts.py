"""An operator's act, or a job of the queue, dies at any of its places: it is done once, or not at all."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from django.db.models.functions import Now

from cycles.domain.words import FailureClass, Mode, Verb
from cycles.models import Cycle, Desk, Intervention
from cycles.services import homing, retrying
from tests.crashes.matrix import acts
from tests.crashes.matrix.world import Ended, Point, World, share

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

AFTER_INTENT = Point("STARTED: calling.intend < trading._send | after the commit")
BEFORE_SENDING_COINS = Point("STARTED: calling.intend < transferring._request | before the commit")
ACTS = "tests.crashes.matrix.acts"
SHARES = 3  # of the places of what asks every venue for everything


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
        made = Intervention.objects.filter(cycle=cycle, verb=acts.verb_of(verb))
        assert made.count() == 1, point
        found, wanted = matrix.shape(cycle), matrix.shape(undisturbed)
        assert (found["status"], found["done"]) == (wanted["status"], wanted["done"]), (
            point,
            found,
        )
    matrix.assert_whole()


def test_every_verb_of_an_operator_is_killed_at_each_of_its_places() -> None:
    """A verb that has no act here fails."""
    acted = {acts.verb_of(name) for name in (*acts.ON_CYCLES, *acts.ON_DESK, *acts.IN_PARTS)}
    assert acted == set(Verb)


# What comes before each, so that it finds the desk as it was; the rest may be done again and again.
READY: dict[str, tuple[str, dict[str, Any]]] = {
    "halt": ("on_desk", {"verb": "resume"}),
    "resume": ("on_desk", {"verb": "halt"}),
    "pause": ("on_desk", {"verb": "unpause"}),
    "unpause": ("on_desk", {"verb": "pause"}),
    "prove_asset": ("on_desk", {"verb": "block_asset"}),
    "block_asset": ("on_desk", {"verb": "prove_asset"}),
    "confirm_address": ("propose_address", {}),
    "retire_address": ("propose_address", {}),
}
BEGINS_UNDONE = {"halt", "pause", "block_asset"}


def make_ready(matrix: World, verb: str) -> None:
    if verb in READY:
        name, facts = READY[verb]
        matrix.act(f"{ACTS}.{name}", **facts)


@pytest.mark.parametrize("verb", acts.ON_DESK)
def test_an_operators_act_on_the_desk_is_done_once_wherever_its_process_dies(
    matrix: World, verb: str
) -> None:
    acts.name_a_coin()
    if verb not in BEGINS_UNDONE:
        make_ready(matrix, verb)
    places = list(matrix.act(f"{ACTS}.on_desk", verb=verb).points())
    assert len(places) >= 2
    for point in places:
        make_ready(matrix, verb)
        before = _desk_rows()
        assert matrix.act(f"{ACTS}.on_desk", die_at=point, verb=verb).was_killed
        is_done = point.name.endswith("after the commit") and point == places[-1]
        assert (_desk_rows() != before) is is_done, point
        if not is_done:
            matrix.act(f"{ACTS}.on_desk", verb=verb)
        assert _desk_rows() - before == Counter({acts.verb_of(verb).value: 1}), point
    matrix.go_on(*Cycle.objects.all())
    matrix.assert_whole()


@pytest.mark.parametrize("number", range(SHARES))
def test_catching_up_is_done_once_wherever_its_process_dies(matrix: World, number: int) -> None:
    """It halts, leaves home, asks the venues and settles: what was done before its death is not done again."""
    cycle = dead(matrix)
    places = [
        point for point in matrix.act(f"{ACTS}.on_desk", verb="catch_up").points() if point.nth == 1
    ]
    last = places[-1]
    for point in share(places, number, SHARES):
        matrix.act(f"{ACTS}.on_desk", verb="resume")
        before = _desk_rows()
        assert matrix.act(f"{ACTS}.on_desk", die_at=point, verb="catch_up").was_killed, point
        assert homing.is_at_home() or Desk.objects.get().mode == Mode.HALT
        if point != last:
            matrix.act(f"{ACTS}.on_desk", verb="catch_up")
        assert _desk_rows() - before == Counter({"halt": 1, "catch_up": 1}), point
        assert homing.is_at_home()
    matrix.act(f"{ACTS}.on_desk", verb="resume")
    matrix.go_on(cycle)
    matrix.assert_whole()


def _desk_rows() -> Counter[str]:
    """Count what operators have done."""
    return Counter(
        Intervention.objects.exclude(actor__startswith="stand").values_list("verb", flat=True)
    )
