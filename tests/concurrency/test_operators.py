"""Two operators and one dead letter."""

from __future__ import annotations

import pytest
from django.db.models.functions import Now

from cycles.domain.words import CycleStatus, Verb
from cycles.errors import StaleVersionError
from cycles.models import Cycle, Intervention, Transition
from cycles.services import intervening, resolving
from cycles.services.intervening import Actor
from tests import builders
from tests.concurrency.meeting import Meeting, root, together

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]


def test_of_two_redrives_of_one_dead_letter_one_is_done_and_the_other_told() -> None:
    row = builders.dead_letter()
    actors = [root("alice"), root("bob")]

    def redrive(actor: Actor) -> Intervention:
        return intervening.redrive(row.pk, actor=actor, reason="r", seen_version=row.version)

    got = together(lambda: redrive(actors[0]), lambda: redrive(actors[1]))
    assert sum(isinstance(one, Intervention) for one in got) == 1
    assert sum(isinstance(one, StaleVersionError) for one in got) == 1
    assert Intervention.objects.count() == 1
    assert Transition.objects.filter(cycle=row, event="redrive").count() == 1


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


def test_the_negative_control_without_the_seen_version_both_act() -> None:
    row = builders.dead_letter()
    read = Meeting()
    users = [root("alice"), root("bob")]

    def act(actor: Actor) -> bool:
        was_dead = Cycle.objects.get(pk=row.pk).status == CycleStatus.DEAD_LETTER
        read.wait()
        if was_dead:
            Intervention.objects.create(
                verb=Verb.REDRIVE, cycle=row, user=actor.user, actor=actor.name,
                channel=actor.channel, reason="r", seen_version=row.version, at=Now(),
            )  # fmt: skip
        return was_dead

    assert together(lambda: act(users[0]), lambda: act(users[1])) == [True, True]
    assert Intervention.objects.count() == 2
