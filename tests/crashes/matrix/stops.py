"""A role is told to stop at every place of its work: it ends well, and hands back what it had.

Not part of `make test`, which takes the places where money moves, as one cycle passes them (`test_stops.py`):
`make crash-matrix` runs this.
"""

from __future__ import annotations

import pytest

from tests.crashes.matrix.test_stops import stopped_at
from tests.crashes.matrix.world import World

pytestmark = [pytest.mark.processes, pytest.mark.timeout(1800)]

MOST_CYCLES = 15


def test_a_role_told_to_stop_at_every_place_ends_well_and_leaves_no_lease(matrix: World) -> None:
    known: set[str] = set()
    new: set[str] = set()
    for _ in range(MOST_CYCLES):
        new = stopped_at(matrix, known, may="")
        if not new:
            break
        known |= new
    else:
        pytest.fail(f"the last of {MOST_CYCLES} cycles still came by new places: {sorted(new)}")
    matrix.assert_whole()
    print(f"told to stop at {len(known)} places")
