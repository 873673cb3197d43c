"""The finalizer: takes cycles with KRW in hand and drives the return passage."""

from __future__ import annotations

import threading

from cycles.domain.words import Role
from cycles.management.role import RoleCommand
from cycles.services.working import Worker


class Command(RoleCommand):
    help = "Drive the return passage of waiting cycles, oldest started first, until stopped."
    role = Role.FINALIZER

    def work(self, stop: threading.Event) -> None:
        """Run the worker."""
        Worker(role=self.role, stop=stop).run()
