"""A desk that waits for nothing is asked about once a second, and what comes to be waited for at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from cycles.domain.words import Role, WatchKind
from cycles.management.commands.initiator import Command
from cycles.selectors.awaited import Awaited, awaited
from cycles.services import leasing, venue_watcher
from cycles.services.venue_watcher import IDLE_TURN, VenueWatcher
from cycles.services.working import Worker
from tests import builders
from tests.desk import eventually

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]

HELD_SECONDS = 4.0
FOR_EVER = timedelta(hours=1)


class Asked:
    """Counts how often it is asked what the desk waits for, by one statement each."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> dict[tuple[str, WatchKind], Awaited]:
        self.times += 1
        return awaited()

    def more(self, times: int) -> Callable[[], bool]:
        """Give what says whether it was asked so many times more than by now."""
        wanted = self.times + times
        return lambda: self.times >= wanted


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    made = Asked()
    monkeypatch.setattr(venue_watcher, "awaited", made)
    return made


@contextmanager
def running(
    work: Callable[[], None], stop: threading.Event, wake: Callable[[], None]
) -> Iterator[None]:
    """Let a thread work meanwhile."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        wake()
        thread.join(20)
    assert not thread.is_alive()


def test_the_watcher_of_a_desk_that_waits_for_no_venue_asks_once_a_second(asked: Asked) -> None:
    builders.cycle()
    watcher = VenueWatcher()
    with running(watcher.run, watcher.stop, watcher.hints.wake):
        eventually(lambda: asked.times >= 1)
        before, began = asked.times, time.monotonic()
        time.sleep(HELD_SECONDS)
        times, seconds = asked.times - before, time.monotonic() - began
    assert 0 < times <= seconds / IDLE_TURN.total_seconds() + 1


def test_a_cycle_that_its_worker_lets_go_wakes_the_watcher_which_asks_often_for_a_while(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """What it waits for now, others may have to look for: its order once it is a second old."""
    settings.KIMP_PRIVATE_STREAMS = False
    monkeypatch.setattr(venue_watcher, "IDLE_TURN", FOR_EVER)
    builders.cycle()
    worker = Worker(Role.INITIATOR)
    (lease,) = leasing.claim(Role.INITIATOR, worker.owner, limit=1)
    worker._held.take(lease)
    with Command().watching(worker):
        eventually(lambda: asked.times >= 1)
        often = asked.more(4)
        worker._forget(lease, None)
        eventually(often)
