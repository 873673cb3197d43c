"""A process that has loaded a role's program and forks it to order: a thousand starts cost little.

Orders are lines of JSON on standard input, each answered by the number of the process that was born.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import signal
import subprocess
import sys
import time
import traceback
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command, load_command_class

from kimp.process_table import look_up
from tests.crashes.chaos.shifted import shift
from tests.kimp.processes import PROJECT

APPS = {"simulator": "exchanges"}  # the others' commands are the business's
DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG: a run that is killed leaves nobody behind


@dataclass(slots=True)
class Born:
    """A process that is the child of a nursery; as much of `Popen` as is needed."""

    pid: int
    started: int  # clock ticks since boot: numbers are given out again

    def poll(self) -> int | None:
        """Say whether it has ended (how, only its nursery could tell)."""
        alive = look_up(self.pid)
        return None if alive is not None and alive.started == self.started else 1

    def send_signal(self, sign: int) -> None:
        """Signal it, if it lives."""
        if self.poll() is None:
            os.kill(self.pid, sign)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        ends_at = time.monotonic() + (timeout or 60)
        while self.poll() is None:
            if time.monotonic() > ends_at:
                raise TimeoutError(f"process {self.pid} does not end")
            time.sleep(0.005)
        return 1


class Nursery:
    """The parent's end: starts the nursery of a role, and gives orders."""

    def __init__(self, words: list[str], environment: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as told:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.crashes.chaos.nursery", *words],
                cwd=PROJECT, env=dict(environment), stderr=told, start_new_session=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )  # fmt: skip

    def bear(self, clock: Path, log: Path) -> Born:
        """Start a process under a clock; its lines go to a file."""
        assert self._process.stdin
        assert self._process.stdout
        order = {"clock": str(clock), "log": str(log)}
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        pid = int(self._process.stdout.readline())
        born = look_up(pid)
        return Born(pid, born.started if born else -1)

    def close(self) -> None:
        """End it, and with it what it has borne."""
        self._process.kill()
        self._process.communicate()


def main() -> None:
    """Load the program, and fork it until standard input ends."""
    role, *options = sys.argv[1:]
    django.setup()
    load_command_class(APPS.get(role, "cycles"), role)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how they ended: no zombies
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _live(role, options, order)
        print(pid, flush=True)


def _live(role: str, options: list[str], order: Mapping[str, Any]) -> None:
    """Be a process of one's own: session, name of the run, chance, output, clock."""
    os.setsid()
    ctypes.CDLL(None).prctl(DIES_WITH_PARENT, signal.SIGKILL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with Path(order["log"]).open("ab") as log, Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    settings.KIMP_SESSION_ID = uuid.uuid4().hex
    random.seed()
    shift(Path(order["clock"]))
    code = 1
    try:
        call_command(role, *options)
        code = 0
    except Exception:  # noqa: BLE001  nobody else would say why it ended
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
