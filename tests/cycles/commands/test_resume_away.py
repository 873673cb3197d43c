"""To resume a desk that has not caught up is refused: its dry run says so, as any act's does that is not possible."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from cycles.services import homing
from tests import builders
from tests.cycles.commands.saying import Said, acting


@pytest.mark.parametrize("words", [(), ("--finalize-only",)])
def test_the_dry_run_of_a_resume_that_will_be_refused_says_so_and_invites_to_nothing(
    alice: User, words: tuple[str, ...]
) -> None:
    builders.desk()
    acting("halt")
    homing.leave()
    said = Said("resume", *words)
    assert (said.exit, "not possible: " in said.out, "catch_up" in said.err) == (3, True, True)
    assert "--yes" not in said.err
    facts = Said("resume", "--json", *words).json
    assert (facts["is_possible"], "catch_up" in facts["why_not"]) == (False, True)
    homing.settle()
    assert Said("resume", *words).exit == 0
    assert Said("resume", "--json", *words).json["is_possible"]
