"""The engine's protocol explored whole: no interleaving doubles, forgets or strands; each guard is needed."""

from __future__ import annotations

from functools import partial

import pytest

from tests.model.explorer import Exploration, explore
from tests.model.protocol import OPEN, Rules, State, moves

NEVER_DECIDED = {"ABSENT", "NOT_SENT"}


def is_accepted_once(state: State) -> bool:
    return len(state.accepted) <= 1


def has_no_contradiction(state: State) -> bool:
    """What the journal holds for never accepted was never accepted, nor can it be any more."""
    never = {call.attempt for call in state.calls if call.outcome in NEVER_DECIDED}
    return not never.intersection(state.accepted)


def is_all_explained(state: State) -> bool:
    """Every acceptance has its row: nothing at the venue that the journal does not know."""
    return {call.attempt for call in state.calls}.issuperset(state.accepted)


def is_settled_once(state: State) -> bool:
    return sum(call.settled for call in state.calls) <= 1


def is_settled_by_fact(state: State) -> bool:
    settled = {call.attempt for call in state.calls if call.settled}
    return settled.issubset(state.accepted)


def is_decided_by_the_newest(state: State) -> bool:
    return not state.was_stale


CLAIMS = {
    "no second order": is_accepted_once,
    "no contradiction": has_no_contradiction,
    "every order in the journal": is_all_explained,
    "posted once": is_settled_once,
    "posted by a fact": is_settled_by_fact,
    "only the newest fence decides": is_decided_by_the_newest,
}
MUTANTS = {
    "no fence": (Rules(guard="nothing"), "only the newest fence decides"),
    "the status compared instead of the fence": (
        Rules(guard="status"),
        "only the newest fence decides",
    ),
    "no fence, and attempts that may be written twice": (
        Rules(guard="nothing", attempt_once=False),
        "no second order",
    ),
    "no journal": (Rules(journal=False), "every order in the journal"),
    "an open call is not looked up": (Rules(reconciles=False), "no second order"),
    "waiting is evidence": (Rules(window=False), "no contradiction"),
    "a late request is sent all the same": (Rules(send_before=False), "no contradiction"),
    "no fence, and a posting that may be repeated": (
        Rules(guard="nothing", settles_once=False),
        "posted once",
    ),
}


def explored(rules: Rules, *names: str) -> Exploration[State]:
    """Explore, holding the named claims (all without names)."""
    claims = {name: holds for name, holds in CLAIMS.items() if not names or name in names}
    return explore(State(), partial(moves, rules), claims)


def is_decided(state: State) -> bool:
    """The step is done, or every attempt proved to have come to nothing."""
    return state.is_done or (
        all(call.outcome in NEVER_DECIDED for call in state.calls) and len(state.calls) > 1
    )


@pytest.fixture(scope="module")
def whole() -> Exploration[State]:
    return explored(Rules())


def test_no_interleaving_breaks_a_claim(whole: Exploration[State]) -> None:
    assert {name: whole.story(state) for name, state in whole.broken.items()} == {}
    assert len(whole.came_from) > 10_000


def test_from_every_state_the_step_can_still_be_decided(whole: Exploration[State]) -> None:
    assert [whole.story(state) for state in whole.stuck(is_decided)[:1]] == []


def test_every_end_has_no_open_call(whole: Exploration[State]) -> None:
    done = [state for state in whole.came_from if state.is_done]

    assert done
    assert not any(call.outcome in OPEN for state in done for call in state.calls)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_without_this_guard_the_claim_breaks(mutant: str) -> None:
    rules, claim = MUTANTS[mutant]

    found = explored(rules, claim)

    assert set(found.broken) == {claim}
    assert found.story(found.broken[claim])
