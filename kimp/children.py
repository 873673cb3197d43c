"""One child of the supervisor: how it is started, what it says, when it is started again."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import IO

from kimp.asking import Asked
from kimp.process_table import MARK, Process, kill_session, look_up

_LIVED_LONG_SECONDS = 60
_LONGEST_PAUSE_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """What to run. `is_wedged` gets its uptime in seconds and names a reason to start it again, in a thread of its own."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    is_wedged: Callable[[float], str | None] | None = None
    ends_last: bool = False  # the others rely on it


@dataclass(slots=True)
class Child:
    """A child that runs, or waits to be started again."""

    spec: ChildSpec
    process: subprocess.Popen[bytes] | None = None
    identity: Process | None = None
    started_at: float = 0.0  # monotonic seconds
    due_at: float = 0.0
    failures: int = 0
    unfinished: bytes = b""
    is_silent: bool = False  # it has closed its output
    asked: Asked | None = None  # whether it is wedged

    @property
    def pipe(self) -> IO[bytes] | None:
        """Its output, while it runs."""
        return self.process.stdout if self.process else None

    @property
    def uptime_seconds(self) -> float:
        """How long it has run."""
        return time.monotonic() - self.started_at

    def start(self) -> None:
        """Start it in a session of its own: Ctrl-C at the terminal reaches the supervisor only."""
        mark = secrets.token_hex(8)
        self.process = subprocess.Popen(  # noqa: S603  our own argument list, no shell
            self.spec.arguments,
            env={**self.spec.environment, MARK: mark},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        if self.process.stdout is not None:
            os.set_blocking(self.process.stdout.fileno(), False)
        found = look_up(self.process.pid)
        self.identity = replace(found, mark=mark) if found else None
        self.started_at = time.monotonic()

    def lines(self) -> list[str]:
        """Return the complete lines it has written since the last call."""
        pipe = self.pipe
        chunk = pipe.read() if pipe else None
        self.is_silent = chunk == b""  # None: nothing for now
        *whole, self.unfinished = (self.unfinished + (chunk or b"")).split(b"\n")
        return [line.decode("utf-8", "replace") for line in whole]

    def has_ended(self) -> bool:
        """Say whether it is over (reaping it)."""
        return self.process is not None and self.process.poll() is not None

    def ask_to_end(self) -> None:
        """Signal the leader only: a queue whose workers are signalled too hangs."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def bury(self) -> int:
        """Kill what is left of its session, close its pipe, plan the next start; return its code."""
        if self.identity is not None:
            kill_session(self.identity)
        code = self.process.wait() if self.process is not None else 0
        if self.pipe is not None:
            self.pipe.close()
        self.failures = 1 if self.uptime_seconds > _LIVED_LONG_SECONDS else self.failures + 1
        pause = min(_LONGEST_PAUSE_SECONDS, 2 ** (self.failures - 1))
        self.due_at = time.monotonic() + pause
        self.process, self.identity, self.unfinished, self.asked = None, None, b"", None
        return code
