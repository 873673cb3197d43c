"""The finalizer: takes cycles with KRW in hand and drives the return passage."""

from __future__ import annotations

import threading

from cycles.domain.words import Role
from cycles.management.role import DrivingCommand
from cycles.services.working import Worker


class Command(DrivingCommand):
    help = "Drive the return passage of waiting cycles, oldest started first, until stopped."
    role = Role.FINALIZER

    def work(self, stop: threading.Event) -> None:
        """Run the worker."""
        worker = Worker(role=self.role, stop=stop)
        with self.streaming(), self.watching(worker):
            worker.run()
