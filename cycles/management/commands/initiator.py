"""The initiator: opens cycles under the policy and drives the outbound passage."""

from __future__ import annotations

import threading

from cycles.domain.words import Role
from cycles.management.role import DrivingCommand
from cycles.services import opening
from cycles.services.working import Worker


class Command(DrivingCommand):
    help = "Open cycles under the policy and drive the outbound passage until stopped."
    role = Role.INITIATOR

    def work(self, stop: threading.Event) -> None:
        """Run the worker; once a second look whether to open."""
        worker = Worker(role=self.role, stop=stop)

        def look() -> None:
            opening.open_if_decided(actor=worker.owner)

        worker.duty = look
        with self.streaming(), self.watching(worker):
            worker.run()
