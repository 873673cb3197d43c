"""The primary is lost in the middle of a run and a standby takes its place: nothing is doubled, nothing lost."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import connection

from cycles.domain.plan import client_order_id
from cycles.management.base import TRY_LATER
from cycles.models import Alert, Cycle, Desk, ExchangeCall
from cycles.services import homing
from cycles.services.calling import FORGOTTEN
from cycles.services.outage import UNREACHABLE
from tests.builders import person
from tests.crashes.proof import all_end, assert_one_story
from tests.crashes.replicating import Pair, running_pair, working_on
from tests.crashes.running import RunningDesk, connected, running_desk
from tests.cycles.restoring.acts import WORDS, catch_up, redrive, resume
from tests.desk import eventually

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

ROLES = ("feeder-1", "initiator-1", "finalizer-1")
ANSWERS_AFTER_MS = 4_000


@pytest.fixture
def pair(transactional_db: None, reachable_path: Path) -> Iterator[Pair]:
    """Give a primary with a standby; this process works on them."""
    with running_pair(reachable_path) as running:
        yield running


@pytest.fixture
def desk(pair: Pair, settings: Any, tmp_path: Path) -> Iterator[RunningDesk]:
    """Give seeded venues, and a desk whose database is the pair."""
    variables = {
        "DATABASE_URL": pair.url,
        "KIMP_WORKER_THREADS": "8",
        "KIMP_VENUE_DEADLINE_SECONDS": "6",  # a look that was cut off is taken up after three times that
    }
    with running_desk(tmp_path, settings, RunningDesk, **variables) as running:
        yield running


@pytest.mark.parametrize("is_synchronous", [True, False], ids=["synchronous", "asynchronous"])
def test_nothing_is_doubled_or_lost_when_a_standby_takes_over(
    desk: RunningDesk, pair: Pair, is_synchronous: bool
) -> None:
    """The synchronous one has all that was committed; the other lacks a whole cycle, and the requests of two."""
    person("alice", "administrator")
    desk.start("feeder-1")
    pair.replicate(is_synchronous=is_synchronous)
    with working_on(pair.standby.url), pytest.raises(UNREACHABLE):
        homing.here()  # who meets it waits, as for a database that is away
    cycles = [desk.open("XRP"), desk.open("USDT")]
    if not is_synchronous:
        pair.cut_off()
    cycles.append(desk.open("SOL"))
    _lose_primary_while_an_order_is_answered(desk, pair, *cycles)
    _assert_halted_by_itself(desk)
    _assert_the_answer_is_taken(desk, cycles[0], is_known=is_synchronous)
    if is_synchronous:
        assert _forgotten(desk) == set()
    else:
        assert len(_forgotten(desk)) >= len(cycles)

    if not is_synchronous:
        _stop(desk)  # a call of theirs may be on the wire, and nobody there knows of it
    done = _caught_up()
    assert (done["is_in_step"], done["left"], done["differences"]) == (True, [], [])
    assert done["remade"] == ([] if is_synchronous else [cycles[-1].code])
    assert _forgotten(desk) == set()

    resume()
    for code in done["remade"]:
        redrive(Cycle.objects.get(code=code))
    desk.start(*(name for name in ROLES if desk.children[name].poll() is not None))
    all_end(*cycles)
    assert_one_story(desk)


def _lose_primary_while_an_order_is_answered(
    desk: RunningDesk, pair: Pair, first: Cycle, *others: Cycle
) -> None:
    """Let all begin; a venue takes the first one's order, to answer it when the standby is the primary."""
    order_id = client_order_id(first.pk, position=1, attempt=1)
    slow = desk.fault(
        venue="binance", method="POST", path_regex="/order$", when={"client_id_regex": order_id},
        action="delay_ms", args={"value": ANSWERS_AFTER_MS},
    )  # fmt: skip
    desk.start("initiator-1", "finalizer-1")
    eventually(lambda: all(one.calls.filter(is_settled=True).exists() for one in others))
    eventually(lambda: desk.fired(slow) == 1)
    pair.lose_primary()
    pair.promote()
    connection.close()


def _assert_the_answer_is_taken(desk: RunningDesk, cycle: Cycle, *, is_known: bool) -> None:
    """See what the worker did with the answer: a fact, or of a request that this database never heard of."""
    if is_known:
        eventually(lambda: cycle.calls.filter(outcome="DONE").exists())
    else:
        eventually(lambda: _times(desk, "initiator-1", "lease.lost", error=FORGOTTEN))
    assert not any(_times(desk, name, "cycle.bug") for name in ROLES)


def _assert_halted_by_itself(desk: RunningDesk) -> None:
    """See that every role has found the new primary, and that the first intent there was refused."""
    eventually(lambda: Desk.objects.get().mode == "HALT")
    assert Desk.objects.get().mode_reason == homing.AWAY
    assert Alert.objects.filter(key=f"away:{homing.here()}", severity="CRITICAL").count() == 1
    eventually(lambda: len(connected()) == len(ROLES))
    for name in ROLES:
        assert desk.children[name].poll() is None, desk.tail(name)
        assert _times(desk, name, "database.unreachable") <= 1


def _times(desk: RunningDesk, name: str, event: str, **facts: str) -> int:
    told = {"event": event, **facts}
    return sum(told.items() <= line.items() for line in desk.lines(name))


def _stop(desk: RunningDesk) -> None:
    for name in ROLES:
        desk.signal(name, signal.SIGTERM)
    for name in ROLES:
        assert desk.children[name].wait() == 0, desk.tail(name)


def _forgotten(desk: RunningDesk) -> set[str]:
    """Give what a venue accepted and the journal does not know at all."""
    accepted = {row["client_order_id"] for row in desk.control("/control/orders")}
    accepted |= {
        row["client_id"]
        for row in desk.control("/control/transfers")["withdrawals"]
        if row["client_id"]
    }
    return accepted - set(ExchangeCall.objects.values_list("client_order_id", flat=True))


def _caught_up() -> dict[str, Any]:
    """Catch up, as soon as no worker's lease stands in the way."""
    told: dict[str, Any] = {}

    def is_done() -> bool:
        try:
            told.update(catch_up(*WORDS))
        except CommandError as error:
            if error.returncode != TRY_LATER:
                raise
        return bool(told)

    eventually(is_done)
    return told
