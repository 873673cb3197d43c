"""An act that comes by the API dies with its process anywhere between its key and its answer: its key never does it twice."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from django.db.models import F

from cycles.models import Cycle, IdempotencyRecord
from cycles.services import tokens
from cycles.services.idempotency import LONGEST_ACT
from cycles.services.tokens import Scope
from tests import builders
from tests.crashes.matrix import deeds
from tests.crashes.matrix.counting import note_kills
from tests.crashes.matrix.drivers import Drivers
from tests.crashes.matrix.sites import reached
from tests.crashes.matrix.world import World

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

DEED = "tests.crashes.matrix.deeds.open_by_the_door"
PASSED = {"idempotency.begin", "opening.open_by_hand"}


def test_the_key_of_an_act_whose_process_died_never_does_it_again(
    matrix: World, drivers: Drivers
) -> None:
    """What was asked is done once at most, and whoever asks again is told to look where nobody knows whether it was."""
    _, plain = tokens.issue(builders.person("carol", "administrator"), "test", list(Scope), None)
    web = replace(matrix, driver=drivers.at(matrix.desk.running.control_url, role="web"))
    places = list(web.act(DEED, plain=plain, key="undisturbed").points())
    names = [point.name for point in places]
    assert reached(names) == PASSED
    begun, opened, noted = (
        max(
            at
            for at, name in enumerate(names)
            if words in name and name.endswith("after the commit")
        )
        for words in ("idempotency.begin", "opening.open_by_hand", "idempotency.remember")
    )
    assert begun < opened < noted
    for at, point in enumerate(places):
        before = Cycle.objects.count()
        assert web.act(DEED, die_at=point, plain=plain, key=_key(at)).was_killed, point
        assert Cycle.objects.count() - before == (at >= opened), point
        told = _asked_again(plain, _key(at))
        is_unknown = begun <= at < noted
        assert told == ("answer_unknown" if is_unknown else "opened"), point
        assert Cycle.objects.count() - before == (not is_unknown or at >= opened), point
    note_kills("door", places)
    matrix.go_on(*Cycle.objects.all())
    matrix.assert_whole()


def _key(at: int) -> str:
    return f"died at {at}"


def _asked_again(plain: str, key: str) -> str:
    """Ask the same under the same key, once no request can last any more; give what was told."""
    IdempotencyRecord.objects.update(created_at=F("created_at") - LONGEST_ACT)
    reply: Any = deeds.open_by_the_door(plain, key)
    return "opened" if reply.status_code == 201 else str(json.loads(reply.content)["code"])
