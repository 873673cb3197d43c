"""The simulated venues in a process of their own, so that they share no interpreter with what is measured."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.children import Child, running

SEED = "7"
STRETCH = "crash-2024-12-03"


@dataclass(frozen=True, slots=True, kw_only=True)
class Venues:
    """Where the simulator of a benchmark listens."""

    control_url: str
    urls: dict[str, str]
    process: Child

    def ask(self, path: str) -> Any:
        """Read from the control port."""
        with urllib.request.urlopen(self.control_url + path, timeout=10) as reply:
            return json.loads(reply.read())

    def tell(self, path: str, payload: dict[str, Any], *, method: str = "POST") -> Any:
        """Send to the control port."""
        request = urllib.request.Request(
            self.control_url + path,
            data=json.dumps(payload).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.loads(reply.read() or b"null")

    def accounts(self) -> dict[str, Any]:
        """Give the simulated accounts' keys, by venue."""
        accounts: dict[str, Any] = self.ask("/control/accounts")["accounts"]
        return accounts


@contextlib.contextmanager
def simulated(*, speed: int = 1) -> Iterator[Venues]:
    """Run `manage.py simulator` without rate limits, on free ports, for a block."""
    ports = [
        part
        for name in ("upbit", "binance", "bithumb", "control")
        for part in (f"--{name}-port", "0")
    ]
    arguments = ["manage.py", "simulator", "--seed", SEED, "--stretch", STRETCH, *ports]
    with running([*arguments, "--scenario", "unlimited", "--speed", str(speed)], {}) as child:
        said = child.hear()
        urls = {venue: said[venue] for venue in ("upbit", "binance")}
        yield Venues(control_url=said["control"], urls=urls, process=child)
