"""The feeder: samples both premia of every allowed asset."""

from __future__ import annotations

import os
import threading
import time
from argparse import ArgumentParser

import structlog
from django.db import InterfaceError, OperationalError, connection

from cycles import conf
from cycles.domain.words import Role
from cycles.errors import CycleError
from cycles.management.role import RoleCommand
from cycles.services import watching
from cycles.services.correlating import bound
from cycles.services.presence import beat, leave

log = structlog.get_logger(__name__)


class Command(RoleCommand):
    help = "Sample both premia of every allowed asset, on both bases of the rate, until stopped."
    role = Role.FEEDER

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Let the pace be chosen."""
        super().add_arguments(parser)
        parser.add_argument(
            "--interval-ms", type=int, default=1000, help="milliseconds between samples (1000)"
        )

    def handle(self, *args: object, **options: object) -> None:
        """Remember the pace, then run."""
        self.interval_seconds = max(int(str(options["interval_ms"])), 100) / 1000
        super().handle(*args, **options)

    def work(self, stop: threading.Event) -> None:
        """Sample, beat, nap."""
        name = f"{self.role.value}:{conf.session_id()[:16]}:{os.getpid()}"
        rates = watching.Rates()
        with bound(session_id=conf.session_id()):
            while not stop.is_set():
                began = time.monotonic()
                self._tick(rates, name)
                stop.wait(max(0.0, self.interval_seconds - (time.monotonic() - began)))
            leave(name)

    def _tick(self, rates: watching.Rates, name: str) -> None:
        """Sample once; what fails is told and tried again at the next tick."""
        try:
            watching.tick(rates)
            beat(name, self.role)
        except CycleError as error:
            log.warning("feeder.denied", code=error.code, error=str(error))
        except (OperationalError, InterfaceError) as error:
            log.warning("database.unreachable", error=type(error).__name__)
            connection.close()
