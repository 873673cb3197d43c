"""The queue's jobs at the market's pace: a day at speed has its minutes, and its proofs of the ledger, too."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from django.db import connection

from cycles import tasks
from cycles.domain import jobs
from cycles.services.shared_outage import OUTAGE
from exchanges import registry

QUICKEST_SECONDS = 2.0
SLOW = frozenset({"verify_ledger"})  # it waits for a moment in which nothing is under way
NOT_HERE = frozenset({"prune", "deliver_alerts"})  # nothing of the market's pace in them


@dataclass(slots=True)
class Housekeeper:
    """Runs the scheduled jobs on threads, each as often as the market's clock says, and counts them."""

    speed: int
    ran: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    _ending: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin, with a thread for what takes its time."""
        periods = self._periods()
        slow = {name: periods.pop(name) for name in SLOW}
        for lane in (slow, periods):
            thread = threading.Thread(
                target=self._work, args=(lane,), name="housekeeper", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End with the jobs under way."""
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _work(self, lane: Mapping[str, float]) -> None:
        due = dict.fromkeys(lane, 0.0)
        try:
            while not self._ending.wait(0.2):
                for name, seconds in lane.items():
                    if time.monotonic() >= due[name] and not self._ending.is_set():
                        self._run(name)
                        due[name] = time.monotonic() + seconds
        finally:
            registry.release()
            connection.close()

    def _periods(self) -> dict[str, float]:
        return {
            one.name: max(one.minutes * 60 / self.speed, QUICKEST_SECONDS)
            for one in jobs.SCHEDULES
            if one.name not in NOT_HERE
        }

    def _run(self, name: str) -> None:
        job: Callable[[], object] = getattr(tasks, name)
        known = OUTAGE.failures
        try:
            job()
            OUTAGE.end(
                known
            )  # in the queue's cluster whoever fetches does that; here nobody fetches
        except Exception:  # noqa: BLE001  as the queue does: counted, and run again when due
            self.failed[name] += 1
        self.ran[name] += 1
