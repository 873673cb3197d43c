"""What is counted of a process whose clock is set ends with that clock: two of them never overlap."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import transaction
from django.db.transaction import TransactionManagementError

from tests.crashes.chaos.acts import ACTS
from tests.crashes.chaos.channel import Channel
from tests.crashes.chaos.deeds import REFUSAL, STOPPED_BY_WRONG_CLOCKS, WRONG_CLOCKS
from tests.crashes.chaos.desk import HarmedDesk
from tests.crashes.chaos.shifted import AHEAD
from tests.crashes.chaos.storm import Script, Storm

SLEEP = "import time; time.sleep(300)"


@pytest.fixture(params=["initiator-1", "feeder-1"])
def name(request: pytest.FixtureRequest) -> str:
    """Name the only process of the storm."""
    return str(request.param)


@pytest.fixture
def storm(db: None, tmp_path: Path, name: str) -> Iterator[Storm]:
    """Give a storm that can only set the clock of one process, which sleeps."""
    desk = HarmedDesk(home=tmp_path, ports=(1, 2, 3, 4), variables={})
    desk.log(name).touch()
    desk.children[name] = child = subprocess.Popen([sys.executable, "-c", SLEEP])
    script = Script(
        seed=1, cycles=1, kills=0, seconds=0, roles=(name,), acts=("clock",), naps=(0, 0)
    )
    yield Storm(desk=desk, channel=Channel(), script=script)
    child.kill()
    child.wait()


def test_what_is_drawn_next_hangs_on_no_database(storm: Storm) -> None:
    before = storm.source.getstate()
    with transaction.atomic():
        transaction.set_rollback(True)  # nothing can be asked
        with contextlib.suppress(TransactionManagementError):
            ACTS["clock"].do(storm)
    failed = storm.source.getstate()
    storm.source.setstate(before)
    ACTS["clock"].do(storm)
    assert failed == storm.source.getstate() != before


def _ahead(storm: Storm, name: str) -> float:
    return float(AHEAD.unpack(storm.desk.clock(name).read_bytes())[0])


def _refuse(storm: Storm, name: str) -> None:
    with storm.desk.log(name).open("ab") as log:
        log.write(REFUSAL + b"\n")


def test_a_clock_that_is_set_again_ends_what_is_counted_under_the_first(
    storm: Storm, name: str
) -> None:
    decides = name == "initiator-1"
    _refuse(storm, name)  # before
    ACTS["clock"].do(storm)
    _refuse(storm, name)
    ACTS["clock"].do(storm)
    assert storm.seen[STOPPED_BY_WRONG_CLOCKS] == decides
    assert _ahead(storm, name)
    storm.forget_clock(name)
    assert not _ahead(storm, name)
    _refuse(storm, name)  # under a right clock
    storm.forget_clock(name)
    assert storm.seen[STOPPED_BY_WRONG_CLOCKS] == decides
    assert storm.seen[WRONG_CLOCKS] == 2 * decides
