"""A process that forks workers to order: each drives what it is told to, and may be told where to die.

Orders are lines of JSON on standard input; each is answered by one line: how the child ended, and which
places it reached. Forked from a process of one thread, a worker begins in milliseconds.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

Order = dict[str, Any]
Do = Callable[[Order, Callable[[str], object]], None]


def main() -> None:
    """Obey until standard input ends."""
    django.setup()
    child = importlib.import_module("tests.crashes.matrix.child")  # it needs the models
    importlib.import_module("tests.crashes.matrix.acts")  # here once, not in every child that acts
    gc.freeze()  # no child's collector need walk, and so copy, what is here already
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(_obey(order, child.do)), flush=True)


def _obey(order: Order, do: Do) -> dict[str, Any]:
    """Fork a child for an order, and wait for its end."""
    with tempfile.TemporaryDirectory(prefix="kimp-seams-") as folder:
        log = Path(folder, "reached")
        log.touch()
        pid = os.fork()
        if pid == 0:
            os._exit(_child(order, do, log))
        status, is_overdue = _wait(pid, order.get("within"))
        reached = log.read_text("utf-8").splitlines()
        return {"status": status, "reached": reached, "is_overdue": is_overdue}


def _wait(pid: int, within: float | None) -> tuple[int, bool]:
    """Wait for a child's end; say how it ended, and whether it had not within so many seconds, if they are given."""
    if within is None:
        return os.waitpid(pid, 0)[1], False
    ends_at = time.monotonic() + within
    while time.monotonic() < ends_at:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status, False
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1], True


def _child(order: Order, do: Do, log: Path) -> int:
    """Do one order in a process of its own."""
    try:
        with log.open("ab", buffering=0) as reached:
            do(order, lambda name: reached.write(f"{name}\n".encode()))
    except BaseException:  # noqa: BLE001  this process's boundary: the parent sees the status
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    main()
