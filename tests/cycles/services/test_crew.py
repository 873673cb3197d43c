"""The threads of a worker: the one that was busy last goes first, what finds none free waits its turn."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial

import pytest

from cycles.services.crew import Crew, Job
from tests.desk import eventually

SIZE = 8


def waiting(event: threading.Event) -> Job:
    """Give a job that lasts until an event."""

    def job() -> None:
        event.wait(30)

    return job


@pytest.fixture
def crew() -> Iterator[Crew]:
    made = Crew(SIZE, "crew")
    yield made
    made.end(patience_seconds=10)


def test_jobs_one_after_another_are_done_by_the_thread_that_was_busy_last(crew: Crew) -> None:
    """It keeps its lines to the venues open: in turn, those of all would lie idle until the venues hang up."""
    busy: list[int] = []
    done = threading.Semaphore(0)

    def job() -> None:
        busy.append(threading.get_ident())
        done.release()

    for _ in range(5 * SIZE):
        eventually(lambda: len(crew._free) == SIZE)  # who is late to be free again is passed over
        crew.submit(job)
        assert done.acquire(timeout=10)
    assert len(set(busy)) == 1


def test_as_many_jobs_as_threads_are_done_at_once(crew: Crew) -> None:
    together = threading.Barrier(SIZE + 1)

    def job() -> None:
        together.wait(10)

    for _ in range(SIZE):
        crew.submit(job)
    together.wait(10)


def test_what_finds_no_thread_free_is_done_in_its_turn() -> None:
    crew, go_on = Crew(1, "crew"), threading.Event()
    done: list[int] = []
    crew.submit(waiting(go_on))
    for number in range(20):
        crew.submit(partial(done.append, number))
    assert done == []
    go_on.set()
    assert crew.end(patience_seconds=10)
    assert done == list(range(20))


def test_a_job_that_hangs_keeps_no_crew_from_ending() -> None:
    crew, hangs = Crew(2, "crew"), threading.Event()
    crew.submit(waiting(hangs))
    assert not crew.end(patience_seconds=0.1)
    hangs.set()
    assert crew.end(patience_seconds=10)


def test_a_job_that_raises_costs_no_thread() -> None:
    """Not its end: nobody would replace it, and what is handed to the crew would wait for ever."""
    crew, is_done = Crew(1, "crew"), threading.Event()

    def raising() -> None:
        raise KeyError("nobody foresaw this")

    crew.submit(raising)
    crew.submit(is_done.set)
    assert is_done.wait(5)
    assert crew.end(patience_seconds=5)
