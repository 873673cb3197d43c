"""The state machine's longer form: many more walks, each longer, from seeds nobody chose. `make crash-matrix` runs it.

The seed stands in what a failing test printed: with it in MACHINE_SEED the same test walks the same ways again.
"""

from __future__ import annotations

import os
import secrets

import pytest

from cycles.domain.words import CycleStatus as S
from tests.cycles.models.test_state_machine import EDGES, run

SEED = "MACHINE_SEED"
EXAMPLES_AN_EDGE = int(os.environ.get("MACHINE_EXAMPLES", "30"))
STEPS = 30


@pytest.mark.django_db
@pytest.mark.timeout(1800)  # a failure is made small first
@pytest.mark.parametrize("edge", EDGES, ids=[f"{a} to {b}" for a, b in EDGES])
def test_whatever_happens_for_long_no_cycle_leaves_the_edges_of_the_table(
    edge: tuple[S, S],
) -> None:
    first_seed = int(os.environ.get(SEED) or secrets.randbits(32))
    print(f"{SEED}={first_seed}")  # pytest shows it where the test fails
    gone: set[tuple[S, S]] = set()

    run(
        [edge],
        gone,
        first_seed=first_seed,
        max_examples=EXAMPLES_AN_EDGE,
        stateful_step_count=STEPS,
    )

    assert edge in gone
