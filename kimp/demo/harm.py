"""Kills processes of the desk at random instants, as the kernel's out-of-memory killer would."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from kimp.children import Child
from kimp.supervisor import Supervisor

VICTIMS = ("initiator", "finalizer", "feeder", "worker")


@dataclass(slots=True)
class Harm:
    """So many kills, spread over the cycles that are opened; seeded."""

    group: Supervisor
    wanted: int
    source: random.Random
    done: list[str] = field(default_factory=list)

    def strike(self, share: float) -> None:
        """Kill as many as are due when this share of the day is over."""
        while len(self.done) < min(self.wanted, int(self.wanted * share) + 1):
            victim = self._choose()
            if victim is None or victim.process is None:
                return
            victim.failures = 0  # it was not its fault: started again at once
            victim.process.kill()
            self.done.append(victim.spec.name)
            return  # one at a time

    def _choose(self) -> Child | None:
        alive = [
            child
            for child in self.group.children
            if child.spec.name in VICTIMS and child.process is not None and not child.has_ended()
        ]
        return self.source.choice(alive) if alive else None
