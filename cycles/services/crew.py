"""A fixed crew of threads: each keeps its adapters, and none can keep its process from ending."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

import structlog
from django.db import connection

from cycles.services.outage import spare_connection

log = structlog.get_logger(__name__)

Job = Callable[[], None]
_Box = SimpleQueue["Job | None"]  # what one thread is handed


class Crew:
    """Runs jobs on `size` daemon threads; of those that are free the one that was busy last, whose venues' lines are open.

    A pool of the standard library is joined when the interpreter ends, so that one hung call would
    hold the process until the call's own deadline.
    """

    def __init__(self, size: int, name: str) -> None:
        self._guard = threading.Lock()
        self._free: list[_Box] = []
        self._waiting: deque[Job | None] = deque()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True)
            for number in range(1, size + 1)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job | None) -> None:
        """Hand a job to a free thread, or to the next that is. None ends a thread."""
        with self._guard:
            if not self._free:
                self._waiting.append(job)
                return
            box = self._free.pop()
        box.put(job)

    def end(self, *, patience_seconds: float) -> bool:
        """Let each thread finish its job; False when some still hang at the end of the patience."""
        for _ in self._threads:
            self.submit(None)
        deadline = time.monotonic() + patience_seconds
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        box = _Box()
        while (job := self._next(box)) is not None:
            self._do(job)
        connection.close()

    def _do(self, job: Job) -> None:
        """Do a job: whatever it raises, the thread is there for the next, for nobody would replace it."""
        try:
            job()
            spare_connection()
        except Exception:
            log.exception("crew.job_raised")

    def _next(self, box: _Box) -> Job | None:
        """Take what waits, or wait for what is handed over."""
        with self._guard:
            if self._waiting:
                return self._waiting.popleft()
            self._free.append(box)
        return box.get()


class Aside:
    """Work beside the crew's, on a thread of its own; its process cannot do without it, so its end sets `stop`."""

    def __init__(self, work: Job, name: str, stop: threading.Event) -> None:
        self._job, self._stop = work, stop
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Wait for its end, which `stop` brings about; what hangs is left to the process's."""
        self._thread.join(seconds)

    def end(self, *, patience_seconds: float) -> None:
        """Wait for its end, and raise what ended it."""
        self.wait(patience_seconds)
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


class Crowd:
    """Counts the threads that are at the same thing at this moment."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._size = 0

    def __enter__(self) -> None:
        with self._guard:
            self._size += 1

    def __exit__(self, *_: object) -> None:
        with self._guard:
            self._size -= 1

    def __len__(self) -> int:
        """Count those that are, the one that asks among them."""
        return self._size
