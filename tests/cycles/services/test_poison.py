"""A cycle that can be neither driven nor made a dead letter costs its worker no thread, and people are told."""

from __future__ import annotations

import pytest

from cycles.domain.words import Role
from cycles.models import Alert, Cycle
from cycles.services import advancing, valuing
from cycles.services.crew import Crew
from cycles.services.working import Worker
from tests import builders
from tests.desk import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_bug_that_stops_its_parking_too_leaves_the_crew_whole_and_people_are_told_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    builders.cycle()

    def bug(*_: object, **__: object) -> None:
        raise KeyError("a price that nobody foresaw")

    monkeypatch.setattr(advancing, "one_unit", bug)
    monkeypatch.setattr(valuing, "money_at_risk_krw", bug)
    worker, crew = Worker(Role.INITIATOR), Crew(1, "crew")
    for _ in range(2):  # a crew of one: the second time it needs the thread of the first
        worker._claim(crew)
        eventually(lambda: len(worker._held) == 0 and len(crew._free) == 1)
        Cycle.objects.update(lease_owner="", lease_expires_at=None)
    assert Cycle.objects.get().fence == 2
    assert crew.end(patience_seconds=5)
    alert = Alert.objects.get()
    assert (alert.severity, alert.cycle_id) == ("CRITICAL", Cycle.objects.get().pk)
