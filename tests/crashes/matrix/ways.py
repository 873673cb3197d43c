"""What is found out once in a run of tests, in whichever of its processes, and then is the same for all of them.

Looks that wait are not as many each time: of a list of its own each share of the places would take other ones than its turn.
"""

from __future__ import annotations

import fcntl
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ways:
    """A folder of all processes of this run, with a file for each way."""

    folder: Path

    def once(self, name: str, find: Callable[[], T]) -> T:
        """Give what the first that asks by this name finds; whoever asks meanwhile waits. Nothing is kept where it fails."""
        kept = self.folder / f"way {name}"
        with kept.with_name(f"{kept.name} lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not kept.exists():
                found = pickle.dumps(find())
                fresh = kept.with_name(f"{kept.name} fresh")
                fresh.write_bytes(found)
                fresh.rename(kept)
            given: T = pickle.loads(kept.read_bytes())
        return given
