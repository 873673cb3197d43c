"""The desk that is harmed: each process under a clock of its own, with queue, web and a channel for alerts."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from kimp.desk import _gunicorn
from kimp.process_table import kill_session, look_up
from kimp.sockets import free_port
from tests.crashes.chaos.nursery import Nursery
from tests.crashes.chaos.shifted import set_clock
from tests.crashes.running import POLICY, RunningDesk

UNSHIFTED = ("simulator", "web")
KOREA = (
    "upbit",
    "bithumb",
)  # Bithumb takes an order long after it was sent: what is lost there is the hardest
BOTH_KOREAN = {"KIMP_KOREA_VENUES": ",".join(KOREA)}


@dataclass
class HarmedDesk(RunningDesk):
    """A running desk whose clocks can be set, and whose dead are started again."""

    web_port: int = field(default_factory=free_port)
    worker_port: int = field(default_factory=free_port)
    ended_by_themselves: Counter[str] = field(default_factory=Counter)
    last_words: list[str] = field(default_factory=list)  # theirs

    def command(self, name: str) -> list[str]:
        """Run a role under its clock."""
        role = name.partition("-")[0]
        if role == "web":
            return list(_gunicorn(self.web_port))
        plain = super().command(name)
        if role in UNSHIFTED:
            return plain
        if not self.clock(name).exists():
            set_clock(self.clock(name), 0.0)
        return [
            sys.executable,
            "-m",
            "tests.crashes.chaos.shifted",
            str(self.clock(name)),
            *plain[1:],
        ]

    def words(self, role: str) -> list[str]:
        """Give the management command of a role, and its options."""
        return ["qcluster"] if role == "worker" else super().words(role)

    def environment(self, role: str) -> dict[str, str]:
        """Let the queue serve its metrics where nobody else does."""
        ports = {"worker": str(self.worker_port), "web": str(self.web_port)}
        told = {"KIMP_PORT": ports.get(role, "1"), "KIMP_LOG_LEVEL": "INFO"}
        return super().environment(role) | told

    def clock(self, name: str) -> Path:
        """Name the file that tells how wrong a process's clock is."""
        return self.home / f"{name}.clock"

    def kill(self, name: str) -> None:
        """End a child as the kernel would, and with it what it has forked."""
        leader = look_up(self.children[name].pid)
        super().kill(name)
        if leader is not None:
            kill_session(leader)

    def signal_all(self, name: str, sign: signal.Signals) -> None:
        """Signal a child and what it has forked."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.children[name].pid, sign)  # each child leads a session of its own

    def revive(self) -> None:
        """Start again what has ended by itself, as the supervisor does."""
        for name, child in list(self.children.items()):
            code = child.poll()
            if code is not None:
                self.ended_by_themselves[f"{name.partition('-')[0]} ({code})"] += 1
                self.last_words.append(f"{name}: {self.tail(name)}")
                self.start(name)


NURSED = ("feeder", "initiator", "finalizer", "simulator")
MANY = {"max_open_cycles": 200, "max_open_cycles_per_asset": 200}


@dataclass
class NursedDesk(HarmedDesk):
    """A harmed desk whose trading roles are forked from a loaded program: a start costs little."""

    policy: ClassVar[dict[str, Any]] = POLICY | MANY
    nurseries: dict[str, Nursery] = field(default_factory=dict)

    def start(self, *names: str) -> None:
        """Start children; their lines go to files under home."""
        for name in names:
            role = name.partition("-")[0]
            if role in NURSED:
                set_clock(self.clock(name), 0.0)
                self.children[name] = self._nursery(role).bear(self.clock(name), self.log(name))
            else:
                super().start(name)

    def end_all(self) -> None:
        """Kill what runs."""
        for nursery in self.nurseries.values():
            nursery.close()
        super().end_all()

    def _nursery(self, role: str) -> Nursery:
        if role not in self.nurseries:
            log = self.home / f"{role}.nursery.log"
            self.nurseries[role] = Nursery(self.words(role), self.environment(role), log)
        return self.nurseries[role]
