"""Two operators and one dead letter."""

from __future__ import annotations

from functools import partial

import pytest

from cycles.domain.words import CycleStatus, Verb
from cycles.models import Cycle, Intervention, Transition
from cycles.services import intervening, resolving
from cycles.services.intervening import Actor, demand_dead_letter
from cycles.services.locking import lock_cycle
from cycles.services.moving import lock_for_operator, move
from tests import builders
from tests.concurrency.meeting import queued, root, together
from tests.concurrency.unguarded import take_out

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]


def of_two_who_redrive_it(row: Cycle) -> list[object]:
    """Let two people redrive the dead letter that both saw: the second comes to it when the first is through."""
    actors = [root("alice"), root("bob")]

    def redrive(actor: Actor) -> Intervention:
        return intervening.redrive(row.pk, actor=actor, reason="r", seen_version=row.version)

    return [*queued(lambda: lock_cycle(row.pk), *(partial(redrive, actor) for actor in actors))]


def test_of_two_redrives_of_one_dead_letter_one_is_done_and_the_other_told() -> None:
    row = builders.dead_letter()
    got = of_two_who_redrive_it(row)
    assert sorted(type(one).__name__ for one in got) == ["Intervention", "StaleVersionError"]
    assert Intervention.objects.count() == 1
    assert Transition.objects.filter(cycle=row, event="redrive").count() == 1


def test_the_negative_control_without_its_guards_one_dead_letter_is_redriven_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The version that was seen, the status it must have, and the table of edges: each by itself refuses the second."""
    row = builders.dead_letter()
    take_out(monkeypatch, lock_for_operator, "cycle.version != seen_version", "False")
    take_out(monkeypatch, demand_dead_letter, "cycle.status != CycleStatus.DEAD_LETTER", "False")
    take_out(monkeypatch, move, "not is_legal(origin, target)", "False")
    assert {type(one) for one in of_two_who_redrive_it(row)} == {Intervention}
    assert Intervention.objects.values("user").distinct().count() == 2
    assert Transition.objects.filter(cycle=row, event="redrive").count() == 2


def test_a_redrive_and_a_write_off_do_not_both_happen() -> None:
    row = builders.dead_letter()
    actors = [root("alice"), root("bob")]
    seen = row.version
    got = together(
        lambda: intervening.redrive(row.pk, actor=actors[0], reason="r", seen_version=seen),
        lambda: resolving.write_off(row.pk, actor=actors[1], reason="r", seen_version=seen),
    )
    done = [one for one in got if isinstance(one, Intervention)]
    assert len(done) == 1
    row.refresh_from_db()
    ended = {Verb.REDRIVE: CycleStatus.RETRY_PENDING, Verb.WRITE_OFF: CycleStatus.FAILED}
    assert row.status == ended[Verb(done[0].verb)]
