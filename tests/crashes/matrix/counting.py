"""What `make crash-matrix` counts: each kill, in the column of what was killed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

FILE = "CRASH_MATRIX_FILE"
IN_MATRIX = FILE in os.environ


def note_kills(column: str, points: Iterable[str], *, tended: int = 0) -> None:
    """Keep what was killed, for the table; a run of `make test` prints none."""
    if not IN_MATRIX:
        return
    line = {"fault": column, "points": list(points), "tended": tended}
    with Path(os.environ[FILE]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
