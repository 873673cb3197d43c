"""A fixed crew of threads: each keeps its adapters, and none can keep its process from ending."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from django.db import connection

from cycles.services.outage import spare_connection

Job = Callable[[], None]


class Crew:
    """Runs jobs on `size` daemon threads.

    A pool of the standard library is joined when the interpreter ends, so that one hung call would
    hold the process until the call's own deadline.
    """

    def __init__(self, size: int, name: str) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True)
            for number in range(1, size + 1)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> None:
        """Hand a job to the next free thread; it must not raise."""
        self._jobs.put(job)

    def end(self, *, patience_seconds: float) -> bool:
        """Let each thread finish its job; False when some still hang at the end of the patience."""
        for _ in self._threads:
            self._jobs.put(None)
        deadline = time.monotonic() + patience_seconds
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            spare_connection()
        connection.close()


class Aside:
    """Work beside the crew's, on a thread of its own; its process cannot do without it, so its end sets `stop`."""

    def __init__(self, work: Job, name: str, stop: threading.Event) -> None:
        self._job, self._stop = work, stop
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def end(self, *, patience_seconds: float) -> None:
        """Wait for its end, which `stop` brings about; what hangs is left to the process's. Raises what ended it."""
        self._thread.join(patience_seconds)
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        try:
            self._job()
        except Exception as error:  # noqa: BLE001  raised by `end`
            self._error = error
        finally:
            self._stop.set()
            connection.close()
