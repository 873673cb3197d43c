"""A role's whole process that dies at a statement which carries rows of several of its cycles.

Runs inside the process that is to die. Who comes alone commits alone, at once: so the first statement of a kind is kept
back until the rows of two more threads wait, which then share the next one.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.core.management import call_command
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from cycles.services import committing, stepping
from cycles.services.committing import Group

COMPANY = 2
PATIENCE_SECONDS = 60.0  # then nobody came, and the process is told to stop
GROUPS: dict[str, tuple[str, int, Group[Any, Any]]] = {
    "intend": ("kimp_intend_", 1, stepping.intend_together),
    "settle": ("kimp_settle_", 0, stepping.settle_together),
}  # its function in the database, which of its parameters has the rows, and who waits


@dataclass
class Together:
    """Ends the process before or behind the first statement of a kind that has rows of several cycles."""

    kind: str
    is_before: bool
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _is_kept_back: bool = False  # one was, or is

    def watch(self) -> None:
        """Watch every thread's connection from now on."""

        def watch(connection: BaseDatabaseWrapper, **_: object) -> None:
            if self._executed not in connection.execute_wrappers:
                connection.execute_wrappers.append(self._executed)

        self._watch = watch  # a signal keeps no reference
        watch(connections["default"])
        connection_created.connect(watch)

    def _executed(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        function, place, group = GROUPS[self.kind]
        if function not in str(sql):
            return execute(sql, params, many, context)
        is_shared = len({row["cycle"] for row in json.loads(params[place])}) > 1
        if not is_shared:
            self._keep_back(group)
        if is_shared and self.is_before:
            _die()
        told = execute(sql, params, many, context)
        if is_shared:
            _die()
        return told

    def _keep_back(self, group: Group[Any, Any]) -> None:
        """Keep the first of them back until others wait behind it."""
        with self._guard:
            if self._is_kept_back:
                return
            self._is_kept_back = True
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while len(group.waiting) < COMPANY and time.monotonic() < ends_at:
            time.sleep(0.005)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)  # it arrives at once, or a moment later


def work(role: str, kind: str, *, is_before: bool) -> None:
    """Be a role's process until it dies at a shared statement; it ends well where none comes."""
    committing.PATIENCE_SECONDS = 2 * PATIENCE_SECONDS  # nobody leads in place of whom we keep back
    Together(kind, is_before).watch()
    stop = threading.Timer(2 * PATIENCE_SECONDS, os.kill, (os.getpid(), signal.SIGTERM))
    stop.daemon = True
    stop.start()
    call_command(role, "--no-metrics")
