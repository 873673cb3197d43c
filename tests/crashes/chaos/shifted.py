"""A process whose wall clock is set: `python -m tests.crashes.chaos.shifted CLOCK manage.py initiator`.

CLOCK is a file that holds how many seconds the process's clock is ahead; it may be changed at any time.
Only what tells the time of day is shifted, as when somebody sets the clock of a machine: the monotonic
clock goes on.
"""

from __future__ import annotations

import ctypes
import gc
import mmap
import runpy
import struct
import sys
import time
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

AHEAD = struct.Struct("d")


def set_clock(clock: Path, seconds: float) -> None:
    """Set the clock of whoever runs under that file, now."""
    with clock.open("r+b" if clock.exists() else "w+b") as file:
        file.write(AHEAD.pack(seconds))


def shift(clock: Path) -> None:
    """Let this process's wall clock be as far ahead as the file says, from now on."""
    with clock.open("rb") as file:
        shown = mmap.mmap(file.fileno(), AHEAD.size, access=mmap.ACCESS_READ)
    true_time, true_time_ns, true_now = time.time, time.time_ns, datetime.now

    def ahead() -> float:
        seconds: float = AHEAD.unpack_from(shown)[0]
        return seconds

    def now(cls: type[datetime], tz: tzinfo | None = None) -> datetime:
        return true_now(tz) + timedelta(seconds=ahead())

    time.time = lambda: true_time() + ahead()
    time.time_ns = lambda: true_time_ns() + int(ahead() * 1e9)
    methods: dict[str, Any] = gc.get_referents(datetime.__dict__)[0]  # of a type written in C
    methods["now"] = classmethod(now)
    methods["utcnow"] = classmethod(lambda cls: now(cls).replace(tzinfo=None))
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime))


def main() -> None:
    """Run a script under a clock."""
    clock, script, *words = sys.argv[1:]
    shift(Path(clock))
    sys.argv = [script, *words]
    sys.path.insert(0, str(Path(script).resolve().parent))
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
