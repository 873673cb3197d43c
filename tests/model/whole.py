"""What takes the longest to explore: the desk halted beside two workers, which may stop. `make crash-matrix` runs it."""

from __future__ import annotations

import pytest

from tests.model.claims import is_decided
from tests.model.test_protocol import explored, stories
from tests.model.world import Rules

HALTS = {
    "two workers": Rules(stops=True, has_halts=True),
    "two threads of one worker": Rules(stops=True, has_halts=True, is_one_worker=True),
}


@pytest.mark.parametrize("who", HALTS)
def test_no_interleaving_breaks_a_claim_while_the_desk_is_halted_and_let_run(who: str) -> None:
    found = explored(HALTS[who])

    assert stories(found) == {}
    assert len(found.came_from) > 100_000
    assert [found.story(state) for state in found.stuck(is_decided)[:1]] == []
