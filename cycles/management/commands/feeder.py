"""The feeder: samples both premia of every allowed asset."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from argparse import ArgumentParser

import structlog

from cycles import conf
from cycles.domain.words import Role
from cycles.errors import CycleError
from cycles.management.role import RoleCommand
from cycles.services import watching
from cycles.services.correlating import bound
from cycles.services.outage import UNREACHABLE, Outage
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
        self.outage = Outage()
        self.interval_seconds = max(int(str(options["interval_ms"])), 100) / 1000
        super().handle(*args, **options)

    def work(self, stop: threading.Event) -> None:
        """Sample, beat, nap."""
        name = f"{self.role.value}:{conf.session_id()[:16]}:{os.getpid()}"
        rates = watching.Rates()
        with bound(session_id=conf.session_id()):
            while not stop.is_set():
                began = time.monotonic()
                pause = self._tick(rates, name)
                stop.wait(max(pause, self.interval_seconds - (time.monotonic() - began), 0.0))
            with contextlib.suppress(*UNREACHABLE):
                leave(name)

    def _tick(self, rates: watching.Rates, name: str) -> float:
        """Sample once; what fails is told and tried again. Gives the seconds to pause at least."""
        try:
            watching.tick(rates)
            beat(name, self.role)
            self.outage.end()
        except CycleError as error:
            log.warning("feeder.denied", code=error.code, error=str(error))
        except UNREACHABLE as error:
            self.outage.tell(error)
            return self.outage.longer_pause().total_seconds()
        return 0.0
