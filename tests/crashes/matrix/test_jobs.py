"""Each job of the queue dies at any of its places while it has work to do, and its next run makes it good."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cycles.models import Cycle
from tests.crashes.matrix import acts
from tests.crashes.matrix.amounts import assert_same_end
from tests.crashes.matrix.chore import Chore, OnCycle
from tests.crashes.matrix.chores import CHORES
from tests.crashes.matrix.counting import IN_MATRIX, note_kills
from tests.crashes.matrix.losing import READS_LOST, losing_reads
from tests.crashes.matrix.sites import reached
from tests.crashes.matrix.test_acts import ACTS
from tests.crashes.matrix.world import Ended, Point, World, halve
from tests.crashes.proof import FINAL
from tests.cycles.telegram_sink import Sink, serving

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

CALLING = [name for name, chore in CHORES.items() if chore.calls_venues]
CASES = [(name, "none") for name in acts.JOBS]
if IN_MATRIX:
    CASES += [(name, fault) for name in CALLING for fault in READS_LOST]


@pytest.fixture
def sink() -> Iterator[Sink]:
    """Give the channel that alerts go to."""
    with serving() as served:
        yield served


@pytest.mark.parametrize(("name", "fault"), CASES)
def test_a_job_that_dies_at_any_place_is_made_good_by_its_next_run(
    matrix: World, sink: Sink, name: str, fault: str
) -> None:
    chore = CHORES[name](matrix, sink)
    undisturbed = chore.begin()
    with losing_reads(matrix, fault) as struck:
        ended = _run(chore, name)
    assert bool(struck.total()) is (fault != "none")
    chore.demand_work(ended)
    wanted = chore.found(undisturbed)
    chore.clear(undisturbed)
    points = chore.killed_at(ended, everywhere=IN_MATRIX and fault == "none")
    if fault == "none":
        assert reached(point.name for point in points) >= chore.seams
    far = _far(chore, name)
    works = _kill_at_each(chore, name, points, wanted, fault)
    note_kills(_column(fault), (), tended=_end_alike(matrix, [undisturbed, *far, *works]))
    matrix.assert_whole()


def test_a_job_that_goes_on_with_half_of_what_was_there_is_told(matrix: World, sink: Sink) -> None:
    """Where one is killed only, too: it is the last, and is not held against itself."""
    name = "sweep_retries"
    chore = CHORES[name](matrix, sink)
    undisturbed = chore.begin()
    _run(chore, name)
    far = _far(chore, name)
    killed = chore.begin()
    halve(killed, "XRP")
    _run(chore, name)
    with pytest.raises(AssertionError, match=r"binance XRP WITHDRAW: 3\d\.\d+, not [67]\d"):
        _end_alike(matrix, [undisturbed, *far, killed])


def _far(chore: Chore, name: str) -> list[Any]:
    """Let a job that nobody kills go on with a far larger cycle; none where its work is something else."""
    if not isinstance(chore, OnCycle):
        return []
    with chore.matrix.opening_large():
        cycle = chore.begin()
    _run(chore, name)
    return [cycle]


def _run(chore: Chore, name: str, die_at: Point | None = None) -> Ended:
    return chore.matrix.act(f"{ACTS}.job", die_at=die_at, name=name, channel=chore.sink.url)


def _kill_at_each(
    chore: Chore, name: str, points: list[Point], wanted: Any, fault: str
) -> list[Any]:
    """Kill the job at each place, let the next run follow, and hold what came of it against an undisturbed run's."""
    works: list[Any] = []
    missed, is_undone, lost = [], False, 0
    for point in points:
        if not is_undone:
            works.append(chore.begin())
        with losing_reads(chore.matrix, fault) as struck:
            if not _run(chore, name, point).was_killed:
                missed.append(point)
        lost += struck.total()
        is_undone = chore.only_reads_on_the_wire and not point.name.endswith("after the commit")
        if not is_undone or point == points[-1]:
            chore.let_time_pass(works[-1])
            _run(chore, name)
            assert chore.found(works[-1], point) == wanted, point
            chore.clear(works[-1])
    assert bool(lost) is (fault != "none")
    # Where replies are lost, which of several reads loses its own hangs on the instant.
    assert len(missed) <= (0 if fault == "none" else len(points) / 10), missed
    killed = [point for point in points if point not in missed]
    note_kills(_column(fault), killed, missed=missed, subject=name)
    return works


def _column(fault: str) -> str:
    return "jobs" if fault == "none" else f"jobs {fault}"


def _end_alike(matrix: World, works: list[Any]) -> int:
    """Let others go on with the cycles: all end as the first two, whose jobs nobody killed. Gives how many people tended.

    The second is far larger: the amounts of all others lie on the line of these two.
    """
    cycles = [work for work in works if isinstance(work, Cycle)]
    tended = matrix.go_on(*cycles)
    shapes = [matrix.shape(cycle) for cycle in cycles]
    for found in shapes:
        assert found["status"] in FINAL, found
        assert found["done"] == shapes[0]["done"], found
    for found in shapes[2:]:
        assert_same_end(found, shapes[0], shapes[1], at="a place of its job")
    return len(tended)
