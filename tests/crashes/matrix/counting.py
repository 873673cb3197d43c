"""What `make crash-matrix` counts: where somebody can be killed, and where somebody was."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sized
from pathlib import Path
from typing import Protocol

FILE = "CRASH_MATRIX_FILE"
IN_MATRIX = FILE in os.environ
TRIES = 4  # of a place, each with a cycle of its own
RUNS = 3  # undisturbed ones: a place that only some of them come by is not come by each time
ONE_IN = 40  # places may be missed: a look that waits comes in the undisturbed runs, and in no try
OF_A_LOOK = 13  # places that a waiting cycle comes by when it looks at a venue once more


class Place(Protocol):
    """The `nth` time that somebody comes by a place of that name."""

    @property
    def name(self) -> str:
        """Give its name."""

    @property
    def nth(self) -> int:
        """Give which time it is."""


def most_missed(of: int) -> int:
    """Give how many of so many places may be tried in vain."""
    return max(1, of // ONE_IN)


def most_given_up(beside: int) -> int:
    """Give how many places may be left out beside so many, as not every undisturbed one comes by: of two looks, or a third."""
    return max(2 * OF_A_LOOK, beside // 3)


def assert_few(missed: Sized, of: Sized) -> None:
    """Fail if too many of the places that were chosen were not reached."""
    assert len(missed) <= most_missed(len(of)), missed


def note_way(
    way: str, places: Iterable[Place], *, by_some: Iterable[Place] = (), subject: str = ""
) -> None:
    """Keep where an undisturbed one comes by on a way, whose places are shared out: each must be killed at, or missed.

    `by_some`: where only some undisturbed ones come by; nobody is killed there.
    """
    _write({"way": way, "enumerated": _told(places, subject), "by_some": _told(by_some)})


def note_kills(
    column: str,
    killed: Iterable[Place],
    *,
    missed: Iterable[Place] = (),
    seldom: Iterable[Place] = (),
    tended: int = 0,
    way: str = "",
    subject: str = "",
) -> None:
    """Keep what was killed and what was not, for the table; `subject`: whose places they are, of several in a column.

    `seldom`: what was not reached, and undisturbed ones meanwhile did not come by each time either.
    """
    _write({
        "column": column, "way": way, "killed": _told(killed, subject), "missed": _told(missed, subject),
        "seldom": _told(seldom, subject), "tended": tended,
    })  # fmt: skip


def _told(places: Iterable[Place], subject: str = "") -> list[tuple[str, int]]:
    return [(f"{subject} {place.name}" if subject else place.name, place.nth) for place in places]


def _write(line: dict[str, object]) -> None:
    """Write it down; a run of `make test` prints no table."""
    if IN_MATRIX:
        with Path(os.environ[FILE]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
