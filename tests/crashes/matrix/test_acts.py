"""An operator's act, or a job of the queue, dies at any of its places: it is done once, or not at all."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.db.models.functions import Now

from cycles.domain.words import FailureClass, Mode, Verb
from cycles.models import Cycle, Desk, Intervention
from cycles.services import homing, intervening, retrying
from tests.crashes.matrix import acts
from tests.crashes.matrix.amounts import assert_same_end
from tests.crashes.matrix.counting import IN_MATRIX, assert_few, note_kills, note_way
from tests.crashes.matrix.losing import READS_LOST, losing_reads
from tests.crashes.matrix.sites import reached
from tests.crashes.matrix.world import Ended, Point, Way, World, one_side_each

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

AFTER_INTENT = Point("STARTED: calling.intend < trading._send | after the commit")
BEFORE_SENDING_COINS = Point("STARTED: calling.intend < transferring._request | before the commit")
ACTS = "tests.crashes.matrix.acts"
WITHDRAWAL_INTENDED = Point("STARTED: calling.intend < transferring._request | after the commit")
BETWEEN = re.compile(r"\bredriving\._redrive\b.*after the commit")
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


def dead_by_a_withdrawal(matrix: World) -> Cycle:
    """Give a dead letter whose withdrawal was never sent, which its venue cannot prove."""
    cycle = matrix.die(WITHDRAWAL_INTENDED)
    Cycle.objects.filter(pk=cycle.pk).update(wake_at=Now(), lease_expires_at=Now())
    matrix.drive(cycle)
    cycle.refresh_from_db()
    assert (cycle.status, cycle.failure_class) == ("DEAD_LETTER", "UNKNOWN_WITHDRAWAL")
    return cycle


# What a verb is done on, where that is not any one dead letter; the first is named to it.
ON: dict[str, Callable[[World], list[Cycle]]] = {
    "resolve, CALL_ABSENT": lambda matrix: [dead_by_a_withdrawal(matrix)],
    "redrive, all that match": lambda matrix: [dead(matrix), dead(matrix)],
}


def begun(matrix: World, verb: str) -> list[Cycle]:
    """Give the dead letters that a verb is done on."""
    return ON[verb](matrix) if verb in ON else [dead(matrix)]


def act(matrix: World, verb: str, cycle: Cycle, point: Point | None = None) -> Ended:
    facts = {"verb": verb, "cycle": str(cycle.pk), "seen": cycle.version}
    return matrix.act(f"{ACTS}.on_cycle", die_at=point, may_fail=True, **facts)


@pytest.mark.parametrize("verb", acts.ON_CYCLES)
def test_an_operators_act_on_a_cycle_is_done_once_wherever_its_process_dies(
    matrix: World, verb: str
) -> None:
    undisturbed = begun(matrix, verb)
    places = list(act(matrix, verb, undisturbed[0]).points())
    assert len(places) >= 2 * len(undisturbed)
    if len(undisturbed) > 1 and not IN_MATRIX:
        between = next(one for one in places if BETWEEN.search(one.name))
        places = [places[0], between, places[-1]]  # before, between and after the batches
    assert reached(point.name for point in places) >= acts.SEAMS[verb]
    killed, left = {}, set()
    for point in places:
        cycles = killed[point] = begun(matrix, verb)
        assert act(matrix, verb, cycles[0], point).was_killed, point
        ids = [cycle.pk for cycle in cycles]
        left.add(Cycle.objects.filter(pk__in=ids, status="DEAD_LETTER").count())
        act(matrix, verb, cycles[0])  # as its operator does, who has seen no answer
    if len(undisturbed) > 1:
        assert left == {0, 1, 2}  # 1: between two batches
    note_kills("verbs", places, subject=verb)
    assert len(killed) > 1  # so that of the last one the others tell
    _end(matrix, [*undisturbed, *(cycle for cycles in killed.values() for cycle in cycles)])
    wanted, last = matrix.shape(undisturbed[0]), matrix.shape([*killed.values()][-1][-1])
    for point, cycle in ((point, cycle) for point, cycles in killed.items() for cycle in cycles):
        made = Intervention.objects.filter(cycle=cycle, verb=acts.verb_of(verb))
        assert made.count() == 1, point
        found = matrix.shape(cycle)
        assert found["done"] == wanted["done"], (point, found)
        assert_same_end(found, wanted, last, at=point)
    matrix.assert_whole()


def _end(matrix: World, cycles: list[Cycle]) -> None:
    """Let all come to their ends; whoever stated that a request never was redrives its cycle."""
    for cycle in cycles:
        cycle.refresh_from_db()
        is_stated = cycle.calls.filter(outcome="ABSENT", error__contains=acts.EVIDENCE).exists()
        if cycle.status == "DEAD_LETTER" and is_stated:
            intervening.redrive(
                cycle.pk, actor=matrix.actor, reason="a test", seen_version=cycle.version
            )
    matrix.go_on(*cycles)


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
    assert reached(point.name for point in places) >= acts.SEAMS[verb]
    for point in places:
        make_ready(matrix, verb)
        before = _desk_rows()
        assert matrix.act(f"{ACTS}.on_desk", die_at=point, verb=verb).was_killed
        is_done = point.name.endswith("after the commit") and point == places[-1]
        assert (_desk_rows() != before) is is_done, point
        if not is_done:
            matrix.act(f"{ACTS}.on_desk", verb=verb)
        assert _desk_rows() - before == Counter({acts.verb_of(verb).value: 1}), point
    note_kills("verbs", places, subject=verb)
    matrix.go_on(*Cycle.objects.all())
    matrix.assert_whole()


@pytest.mark.parametrize("fault", ("none", *READS_LOST) if IN_MATRIX else ("none",))
@pytest.mark.parametrize("number", range(SHARES))
def test_catching_up_is_done_once_wherever_its_process_dies(
    matrix: World, number: int, fault: str
) -> None:
    """It halts, leaves home, asks the venues and settles: what was done before its death is not done again."""
    cycle = dead(matrix)
    way = matrix.ways.once(f"catch_up {fault}", lambda: _catching_up(matrix, fault))
    chosen = way if IN_MATRIX else Way(one_side_each(way.points))
    if fault == "none":
        assert reached(point.name for point in chosen.points) >= acts.SEAMS["catch_up"]
    mine, last = chosen.share(number, SHARES), way.points[-1]
    missed, lost = [], 0
    for point in mine:
        matrix.act(f"{ACTS}.on_desk", verb="resume")
        before = _desk_rows()
        with losing_reads(matrix, fault) as struck:
            was_killed = matrix.act(f"{ACTS}.on_desk", die_at=point, verb="catch_up").was_killed
        lost += struck.total()
        assert homing.is_at_home() or Desk.objects.get().mode == Mode.HALT
        if not was_killed:
            missed.append(point)
        elif point != last:
            matrix.act(f"{ACTS}.on_desk", verb="catch_up")
        assert _desk_rows() - before == Counter({"halt": 1, "catch_up": 1}), point
        assert homing.is_at_home()
    assert bool(lost) is (fault != "none")
    assert_few(missed, mine)
    assert not missed or fault != "none", missed
    column = "verbs" if fault == "none" else f"verbs {fault}"
    killed = [point for point in mine if point not in missed]
    note_kills(column, killed, missed=missed, way=f"catch_up {fault}", subject="catch_up")
    matrix.act(f"{ACTS}.on_desk", verb="resume")
    matrix.go_on(cycle)
    matrix.assert_whole()


def _catching_up(matrix: World, fault: str) -> Way:
    """Catch up; give each place that it comes by, once: the same for every share."""
    with losing_reads(matrix, fault) as struck:
        told = matrix.act(f"{ACTS}.on_desk", verb="catch_up").points()
    assert bool(struck.total()) is (fault != "none")
    places = [point for point in told if point.nth == 1]
    note_way(f"catch_up {fault}", places, subject="catch_up")
    return Way(places)


def _desk_rows() -> Counter[str]:
    """Count what operators have done."""
    return Counter(
        Intervention.objects.exclude(actor__startswith="stand").values_list("verb", flat=True)
    )
