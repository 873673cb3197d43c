"""The drivers that fork the workers of all tests of a run: to start one costs more than what most tests let it do."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings

from tests.crashes.matrix.left import LEASE_SECONDS
from tests.kimp.processes import PROJECT, environ_of


@dataclass
class Driver:
    """A process that forks workers, one to an order; it keeps nothing of what they did."""

    process: subprocess.Popen[bytes]
    owes_an_answer: bool = False

    @property
    def is_fit(self) -> bool:
        """Say whether the next test may use it: a test that was cut off has left an answer unread."""
        return not self.owes_an_answer and self.process.poll() is None

    def obey(
        self, order: dict[str, Any], *, meanwhile: Callable[[], None] = lambda: None
    ) -> dict[str, Any]:
        """Have an order carried out; `meanwhile` is done each half second until it is."""
        assert self.process.stdin
        assert self.process.stdout
        self.owes_an_answer = True
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()
        while not select.select([self.process.stdout], [], [], 0.5)[0]:
            meanwhile()
        told: dict[str, Any] = json.loads(self.process.stdout.readline())
        self.owes_an_answer = False
        return told

    def end(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.communicate()


@dataclass
class Drivers:
    """Each driver by its venues."""

    home: Path
    started: dict[tuple[str, str, str], Driver] = field(default_factory=dict)

    def at(self, url: str, *, role: str = "initiator") -> Driver:
        """Give the driver at these venues, started by whoever asks first; what it forks has what that role has."""
        place = url, ",".join(settings.KIMP_KOREA_VENUES), role
        found = self.started.get(place)
        if found is not None and not found.is_fit:
            found.end()
            found = None
        self.started[place] = found or self._start(*place)
        return self.started[place]

    def end(self) -> None:
        """Kill them all."""
        for driver in self.started.values():
            driver.end()

    def _start(self, url: str, korea: str, role: str) -> Driver:
        variables = {
            **environ_of(role, 1, self.home),
            "KIMP_SIMULATOR_URL": url,
            "KIMP_KOREA_VENUES": korea,
            "KIMP_TIME_SCALE": "1000",
            "KIMP_LEASE_SECONDS": str(LEASE_SECONDS),
            "KIMP_VENUE_DEADLINE_SECONDS": "2",  # under F24 no reply ever comes
            "KIMP_LOG_LEVEL": "WARNING",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.crashes.matrix.driver"],
            cwd=PROJECT, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        return Driver(process)
