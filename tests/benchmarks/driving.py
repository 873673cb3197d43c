"""A worker's side of the durable benchmark: claims due cycles and drives them as the product does."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import Q

from cycles.domain.words import Role
from cycles.services import advancing, judging, leasing, seeding
from cycles.services.moving import Lease
from cycles.services.working import REMEMBER_SECONDS
from exchanges import recent, registry
from exchanges.values import Market
from tests.benchmarks.meter import Meter, metered, venue_totals


class Driver:
    """Drives cycles on a few threads, each with a meter of its own."""

    def __init__(self, threads: int) -> None:
        """Warm every thread up: its connection, its adapters, their keys."""
        # These stand for cycles that have just opened, however long it took to copy them.
        judging.JUST_DECIDED = timedelta(days=1)
        self.owner = f"bench:{os.getpid()}"
        self.threads = threads
        self.meters: list[Meter] = []
        self._mine = threading.local()
        self._line = threading.Barrier(threads)
        self._pool = ThreadPoolExecutor(threads)
        for done in [self._pool.submit(self._warm_up) for _ in range(threads)]:
            done.result()

    def _warm_up(self) -> None:
        self._mine.stack = ExitStack()
        self.meters.append(self._mine.stack.enter_context(metered()))
        registry.venue(registry.GLOBAL_VENUE).book(Market("XRP", "USDT"))
        self._line.wait()  # one warm-up per thread: none may take two

    def run(self) -> dict[str, Any]:
        """Drive all that is due; gives the cycles driven and where the time of all threads went."""
        for meter in self.meters:
            meter.reset()
        calls, venue_seconds = venue_totals()
        began, cpu_began = time.perf_counter(), time.process_time()
        cycles = self._drive_all()
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
        calls_after, venue_seconds_after = venue_totals()
        return {
            "cycles": cycles,
            "seconds": seconds,
            "thread_seconds": seconds * self.threads,
            "cpu_seconds": cpu_seconds,
            "venue_calls": calls_after - calls,
            "venue_seconds": venue_seconds_after - venue_seconds,
            "queries": sum(meter.queries for meter in self.meters),
            "statements": sum((meter.by_statement for meter in self.meters), Counter()),
            "sql_seconds": sum(meter.sql_seconds for meter in self.meters),
            "explicit_commits": sum(meter.explicit_commits for meter in self.meters),
            "commit_seconds": sum(meter.commit_seconds for meter in self.meters),
        }

    def _drive_all(self) -> int:
        """Claim as many as there are threads, drive them, again until nothing is due."""
        driven = 0
        while leases := self._pool.submit(self._claim).result():
            for done in [self._pool.submit(advancing.advance, lease) for lease in leases]:
                done.result()
            driven += len(leases)
        return driven

    def _claim(self) -> list[Lease]:
        fresh = Q(
            fence=0
        )  # not those of an earlier round whose withdrawal is to be looked at again
        return leasing.claim(Role.INITIATOR, self.owner, limit=self.threads, only=fresh)

    def close(self) -> None:
        """Give the threads' connections back."""
        for done in [self._pool.submit(self._close_mine) for _ in range(self.threads)]:
            done.result()
        self._pool.shutdown()

    def _close_mine(self) -> None:
        self._mine.stack.close()
        connection.close()
        self._line.wait()


def prepare(spec: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    """Set a driver up; running it is the measured part."""
    seeding.configure()
    recent.remember(REMEMBER_SECONDS)
    driver = Driver(int(spec["threads"]))

    def work() -> dict[str, Any]:
        found = driver.run()
        driver.close()
        return found

    return work
