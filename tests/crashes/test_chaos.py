"""A short storm: everything is killed, stopped, cut off and set wrong at random; the books stay true.

`make chaos` is the long one, which restarts the database as well. CRASH_SEED and CRASH_SECONDS choose another
or a longer run of this one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exchanges import registry
from tests.builders import person
from tests.crashes.chaos import claims
from tests.crashes.chaos.acts import ACTS, LOST
from tests.crashes.chaos.channel import Channel, open_channel
from tests.crashes.chaos.desk import HarmedDesk
from tests.crashes.chaos.storm import Script, Storm
from tests.crashes.running import running_desk

pytestmark = [pytest.mark.processes, pytest.mark.timeout(900)]

ROLES = ("initiator-1", "initiator-2", "finalizer-1", "finalizer-2", "feeder-1")
SCRIPT = Script(
    seed=int(os.environ.get("CRASH_SEED", "7")),
    seconds=float(os.environ.get("CRASH_SECONDS", "18")),
    most_seconds=float(os.environ.get("CRASH_SECONDS", "18")) + 60,
    cycles=12,
    kills=4,
    roles=ROLES,
    acts=tuple(name for name, act in ACTS.items() if not act.owns_server),
    naps=(0.3, 1.5),
    kills_per_act=2,
    # What a person has to look for, or what takes its time, is for the long run.
    faults=tuple(rule for rule in LOST if rule["fault"] != "F25"),
)


@pytest.fixture
def channel() -> Iterator[Channel]:
    """Open a channel for alerts."""
    with open_channel() as opened:
        yield opened


@pytest.fixture
def harmed(
    transactional_db: None, settings: Any, tmp_path: Path, channel: Channel
) -> Iterator[HarmedDesk]:
    """Give a seeded desk whose processes are started as an operator starts them."""
    # At Upbit alone: Bithumb's window, for which a lost order waits, is longer than all of this storm.
    with running_desk(tmp_path, settings, HarmedDesk, **channel.variables) as desk:
        desk.own = {name: _own(tmp_path, number) for number, name in enumerate(ROLES)}
        yield desk


def _own(folder: Path, number: int) -> dict[str, str]:
    """Give one worker a configuration that no other has, as on a host of its own: they share the database alone."""
    home = folder / f"host-{number}"
    home.mkdir()
    return {
        "KIMP_HOME": str(home),
        "KIMP_WORKER_THREADS": str(4 + number),
        "KIMP_WORKER_CONNECTIONS": str(3 + number),
        "KIMP_LEASE_SECONDS": str(2 + number % 2),
    }


def test_no_crash_sends_twice_strands_a_cycle_or_bends_the_ledger(
    harmed: HarmedDesk, channel: Channel
) -> None:
    person("alice", "administrator")
    storm = Storm(desk=harmed, channel=channel, script=SCRIPT)

    storm.rage()
    storm.calm()

    outbox = claims.no_alert_is_lost(channel.taken, raised=storm.seen["alerts raised by us"])
    found = [*claims.examine(harmed), outbox, claims.harm_was_done(storm.done, storm.seen)]
    assert {claim.name: claim.problems for claim in found if not claim.holds} == {}, storm.seen
    assert claims.venues_with_orders(harmed) == set(registry.desk_venues())
    assert storm.operators.puzzles == {}
    assert set(SCRIPT.acts) == set(storm.done)
    print(f"seed {SCRIPT.seed}: {dict(storm.done)}, {[claim.counted for claim in found]}")
