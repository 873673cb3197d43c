"""A dump restored in the middle of a run: nothing is sent twice, nothing is lost, and the cycles end."""

from __future__ import annotations

import io
import json
import time
from collections import Counter
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from cycles.domain.progress import Turn
from cycles.domain.words import Mode
from cycles.models import Cycle, Desk, ExchangeCall
from cycles.services import desk as desk_service, homing, intervening, leasing, verifying
from tests.cycles.restoring.dumps import Backups
from tests.desk import DEADLINE_SECONDS, TestDesk, operator, why

pytestmark = pytest.mark.django_db(transaction=True)
WORDS = ("--yes", "--as", "alice", "--reason", "the dump of three o'clock was restored")


def catch_up(*words: str) -> dict[str, Any]:
    """Run the command; its facts, and how it ended."""
    operator()
    said, code = io.StringIO(), 0
    try:
        call_command("catch_up", "--json", *words, stdout=said, stderr=io.StringIO())
    except CommandError as error:
        code = error.returncode
    facts: dict[str, Any] = json.loads(said.getvalue())
    return {**facts, "code": code}


def sent(desk: TestDesk) -> Counter[str]:
    """Count what reached each venue and moves money."""
    rows = desk.control("/control/requests")
    return Counter(
        f"{row['venue']} {row['path']}"
        for row in rows
        if row["method"] == "POST"
        and row["path"].split("?")[0].endswith(("order", "orders", "apply", "coin"))
    )


def times_placed(desk: TestDesk) -> int:
    """Give how often the most frequent order of ours was accepted."""
    ids = Counter((row["venue"], row["client_order_id"]) for row in desk.control("/control/orders"))
    return max(ids.values())


def resume() -> None:
    """Let the desk run again."""
    desk_service.set_mode(
        Mode.RUN, actor=operator(), reason="caught up", seen_version=Desk.objects.get().version
    )


def redrive(cycle: Cycle) -> None:
    """Send a dead letter on."""
    cycle.refresh_from_db()
    intervening.redrive(cycle.pk, actor=operator(), reason="looked at", seen_version=cycle.version)


def assert_ledger_equals_venues() -> None:
    report = verifying.verify_ledger()
    assert report.problems == ()
    assert report.is_balanced
    assert report.matches_venues
    assert report.is_settled


def is_settled(cycle: Cycle, position: int) -> bool:
    calls = ExchangeCall.objects.filter(cycle=cycle, step__position=position)
    return calls.filter(is_settled=True).exists()


def driven_to(desk: TestDesk, cycle: Cycle, position: int) -> Cycle:
    """Drive a cycle, unit by unit, until the request of a step is settled, and no further."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_settled(cycle, position):
        assert time.monotonic() < deadline, why(cycle)
        lease = desk.lease(cycle)
        while desk.unit(lease).turn is Turn.GO_ON and not is_settled(cycle, position):
            pass
        leasing.release(lease, wake_in=None)
        cycle.refresh_from_db()
    return cycle


@pytest.mark.parametrize("how_far", [2, 6, 8])
def test_cycles_go_on_where_the_venues_say_they_are(
    committed_desk: TestDesk, backups: Backups, how_far: int
) -> None:
    desk = committed_desk
    known = driven_to(desk, desk.open(), 1)
    dump = backups.dump()
    driven_to(desk, known, how_far)
    forgotten = desk.drive_until(desk.open("SOL"), "INITIAL_TRADE_COMPLETED")
    before = sent(desk)

    backups.restore(dump)
    done = catch_up(*WORDS)
    assert sent(desk) == before, "nothing may be sent"
    assert (done["code"], done["is_in_step"], done["left"]) == (1, True, [])
    assert done["remade"] == [forgotten.code]
    assert_ledger_equals_venues()
    again = catch_up(*WORDS)
    assert (again["code"], again["found"], again["remade"], again["differences"]) == (0, [], [], [])

    resume()
    redrive(forgotten)
    for cycle in (known, forgotten):
        desk.drive_until(cycle, "COMPLETED")
    assert times_placed(desk) == 1
    assert_ledger_equals_venues()


def test_without_catching_up_the_same_order_is_sent_again(
    committed_desk: TestDesk, backups: Backups
) -> None:
    desk = committed_desk
    cycle = desk.open()
    dump = backups.dump()
    desk.drive_until(cycle, "INITIAL_TRADE_COMPLETED")
    backups.restore(dump)
    homing.settle()  # as if nobody had noticed
    desk.step(cycle)
    assert times_placed(desk) == 2
    assert not verifying.verify_ledger().matches_venues


def test_a_restored_database_halts_itself_at_the_first_intent_and_cannot_resume(
    committed_desk: TestDesk, backups: Backups
) -> None:
    desk = committed_desk
    cycle = desk.open()
    dump = backups.dump()
    desk.drive_until(cycle, "INITIAL_TRADE_COMPLETED")
    before = sent(desk)
    backups.restore(dump)
    assert not homing.is_at_home()
    desk.step(cycle)
    assert sent(desk) == before
    row = Desk.objects.get()
    assert (row.mode, row.mode_reason) == ("HALT", homing.AWAY)
    with pytest.raises(Exception, match="catch_up"):
        resume()
