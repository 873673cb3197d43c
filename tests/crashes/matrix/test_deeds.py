"""What else commits dies before its commit and behind it: it is done once it is done again, and once only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Now
from django_q.models import Schedule

from cycles.domain.words import Mode
from cycles.models import (
    Alert,
    Cycle,
    Desk,
    ExchangeCall,
    IdempotencyRecord,
    Intervention,
    Pause,
)
from cycles.services import desk, homing
from exchanges.models import RegisteredAddress
from kimp import schedules
from tests import builders
from tests.crashes.matrix import acts, deeds
from tests.crashes.matrix.counting import note_kills
from tests.crashes.matrix.sites import reached
from tests.crashes.matrix.test_acts import AFTER_INTENT
from tests.crashes.matrix.world import Point, World

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

DEEDS = "tests.crashes.matrix.deeds"
Facts = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Deed:
    """One deed: where it commits, what it begins from (as new, each time), and what must come of it."""

    seam: str
    begin: Callable[[World], Facts]
    found: Callable[[Facts], object]
    done: object
    is_whole: bool = True  # its commit is all that it does


def _alerts(begins: str) -> int:
    return Alert.objects.filter(key__startswith=begins, severity="CRITICAL").count()


def _running_at_home(matrix: World) -> Facts:
    homing.settle()
    Alert.objects.filter(key__startswith="away:").delete()
    seen = desk.current()
    if seen.mode == Mode.HALT:
        desk.set_mode(Mode.RUN, actor=matrix.actor, reason="a test", seen_version=seen.version)
    homing.leave()
    return {}


def _not_paused(_matrix: World) -> Facts:
    Pause.objects.all().delete()
    return {"acts": Intervention.objects.count()}


def _pauses(facts: Facts) -> tuple[int, int, int]:
    """Count the pauses, the acts that made them, and the alerts of them that stand."""
    told = sum(_alerts(f"key:{row.key}:{row.pk}") for row in Pause.objects.all())
    return Pause.objects.count(), Intervention.objects.count() - facts["acts"], told


def _held(matrix: World) -> Facts:
    """Give a cycle in somebody's hands, whose lease runs out soon."""
    lease = matrix.desk.lease(matrix.open())
    mine = Cycle.objects.filter(pk=lease.cycle_id)
    mine.update(lease_expires_at=Now() + timedelta(seconds=60))
    return {"cycle": str(lease.cycle_id), "owner": lease.owner, "fence": lease.fence}


def _owner(facts: Facts) -> str:
    return Cycle.objects.values_list("lease_owner", flat=True).get(pk=facts["cycle"])


def _is_long(facts: Facts) -> bool:
    late = Now() + timedelta(seconds=300)
    return Cycle.objects.filter(pk=facts["cycle"], lease_expires_at__gt=late).exists()


def _intended(matrix: World) -> Facts:
    """Give an intent that was written, and not sent."""
    cycle = matrix.die(AFTER_INTENT)
    call = ExchangeCall.objects.get(cycle=cycle, outcome="INTENDED")
    cycle.refresh_from_db()
    held = {"cycle": str(cycle.pk), "owner": cycle.lease_owner, "fence": cycle.fence}
    return held | {"client_order_id": call.client_order_id}


def _outcome(facts: Facts) -> str:
    rows = ExchangeCall.objects.filter(client_order_id=facts["client_order_id"])
    return rows.values_list("outcome", flat=True).get()


def _no_key(_matrix: World) -> Facts:
    IdempotencyRecord.objects.all().delete()
    return {}


def _proposed(_matrix: World) -> Facts:
    acts.propose_address()
    row = RegisteredAddress.objects.get(**acts.PLACE, state="PROPOSED")
    return {"code": row.code}


def _confirmations(facts: Facts) -> tuple[str, int]:
    row = RegisteredAddress.objects.get(code=facts["code"])
    return row.state, row.confirmations.count()


def _other_schedules(_matrix: World) -> Facts:
    deeds.sync_schedules()
    Schedule.objects.order_by("name")[0].delete()
    Schedule.objects.filter(pk=Schedule.objects.order_by("name")[0].pk).update(
        minutes=F("minutes") + 1
    )
    Schedule.objects.create(name="kimp:no such job", func="cycles.tasks.nobody")
    return {}


def _schedules_differ(_facts: Facts) -> bool:
    return not schedules.sync(dry_run=True).is_empty


def _two_alerts(_matrix: World) -> Facts:
    Alert.objects.all().delete()
    for key in ("one", "other"):
        builders.alert(key=key, due_at=Now())
    return {}


def _logged(_facts: Facts) -> list[tuple[str, int]]:
    return list(Alert.objects.order_by("id").values_list("state", "attempts"))


CASES: dict[str, Deed] = {
    "halt_away_from_home": Deed(
        seam="desk.halt_away_from_home",
        begin=_running_at_home,
        found=lambda _: (Desk.objects.get().mode, _alerts("away:")),
        done=("HALT", 1),
    ),
    "pause_by_system": Deed(
        seam="desk.pause_by_system",
        begin=_not_paused,
        found=_pauses,
        done=(1, 1, 1),
        is_whole=False,  # people are told behind it, whenever the key is found to be rejected
    ),
    "renew": Deed(seam="leasing.renew", begin=_held, found=_is_long, done=True),
    "hand_back": Deed(seam="leasing._write_releases", begin=_held, found=_owner, done=""),
    "tell_of_a_hang": Deed(
        seam="holding.Holdings._tell",
        begin=_held,
        found=lambda facts: _alerts(f"hangs:{facts['cycle']}"),
        done=1,
    ),
    "tell_of_a_bug": Deed(
        seam="working._tell_not_parked",
        begin=_held,
        found=lambda facts: _alerts(f"not-parked:{facts['cycle']}"),
        done=1,
    ),
    "log_alerts": Deed(
        seam="alerting._log_due",
        begin=_two_alerts,
        found=_logged,
        done=[("LOGGED", 1), ("LOGGED", 1)],
    ),
    "disown": Deed(seam="calling._disown", begin=_intended, found=_outcome, done="NOT_SENT"),
    "begin": Deed(
        seam="idempotency.begin",
        begin=_no_key,
        found=lambda _: list(IdempotencyRecord.objects.values_list("key", "status")),
        done=[(deeds.KEY, None)],
    ),
    "confirm_simulated": Deed(
        seam="standing_in.confirm_simulated",
        begin=_proposed,
        found=_confirmations,
        done=("CONFIRMED", 2),
    ),
    "sync_schedules": Deed(
        seam="schedules.sync", begin=_other_schedules, found=_schedules_differ, done=False
    ),
}
SEAMS = frozenset(deed.seam for deed in CASES.values())


@pytest.mark.parametrize("name", CASES)
def test_a_deed_that_dies_at_its_commit_is_done_once_it_is_done_again(
    matrix: World, name: str
) -> None:
    deed = CASES[name]
    facts = deed.begin(matrix)
    assert deed.found(facts) != deed.done
    places = _at(deed, _act(matrix, name, facts).points())
    assert deed.found(facts) == deed.done
    assert [point.name.rpartition(" | ")[2] for point in places] == [
        "before the commit",
        "after the commit",
    ]
    for point in places:
        facts = deed.begin(matrix)
        undone = deed.found(facts)
        assert _act(matrix, name, facts, point).was_killed, point
        if deed.is_whole or point == places[0]:
            is_done = point == places[-1]
            assert deed.found(facts) == (deed.done if is_done else undone), point
        _act(matrix, name, facts)
        assert deed.found(facts) == deed.done, point
    note_kills("deeds", places)


def _act(matrix: World, name: str, facts: Facts, point: Point | None = None) -> Any:
    wanted = {"cycle", "owner", "fence", "client_order_id"}
    told = {key: value for key, value in facts.items() if key in wanted}
    return matrix.act(f"{DEEDS}.{name}", die_at=point, **told)


def _at(deed: Deed, points: Any) -> list[Point]:
    """Give the places of the deed's own seam, each once."""
    return [point for point in points if point.nth == 1 and reached([point.name]) == {deed.seam}]
