"""The engine's protocol explored whole: no interleaving doubles, forgets or strands; each guard is needed."""

from __future__ import annotations

from functools import partial

import pytest

from tests.model.claims import CLAIMS, is_decided
from tests.model.explorer import Exploration, explore
from tests.model.protocol import moves
from tests.model.world import OPEN, Rules, State

# Each lacks one guard, and is held to what it breaks that no definition gives away. By definition no fence breaks
# "only the newest fence decides", and no journal "every order in the journal": both are held to the orders as well.
MUTANTS: dict[str, tuple[Rules, tuple[str, ...]]] = {
    "no fence": (Rules(guard="nothing"), ("only the newest fence decides", "no second order")),
    "the status compared instead of the fence": (Rules(guard="status"), ("no contradiction",)),
    "the lease's owner compared instead of its fence": (
        Rules(guard="owner", is_one_worker=True),
        ("no contradiction",),
    ),
    "no fence, and attempts that may be written twice": (
        Rules(guard="nothing", attempt_once=False),
        ("no second order",),
    ),
    "no journal": (Rules(journal=False), ("every order in the journal", "no second order")),
    "an open call is not looked up": (Rules(reconciles=False), ("no second order",)),
    "a newer lease's call is looked up": (Rules(looks_back=False), ("no contradiction",)),
    "a sweep that looks at no lease": (Rules(sweep_heeds_lease=False), ("no contradiction",)),
    "waiting is evidence": (Rules(window=False), ("no contradiction",)),
    "a late request is sent all the same": (Rules(deadline=False), ("no contradiction",)),
    "no fence, and a posting that may be repeated": (
        Rules(guard="nothing", settles_once=False),
        ("posted once",),
    ),
    "two rows of one cycle in one statement": (
        Rules(is_one_worker=True, apart=False, refuses_twins=False),
        ("no second order", "no contradiction", "posted once"),
    ),
    "two rows of one cycle in one statement, and outcomes without a fence": (
        Rules(is_one_worker=True, apart=False, refuses_twins=False, outcome_fence=False),
        ("no contradiction",),
    ),
    "what a statement tells given out by place": (
        Rules(is_one_worker=True, by_cycle=False),
        ("every order in the journal",),
    ),
    "an intent disowned without a fence": (Rules(disown_fence=False), ("no contradiction",)),
    "a hand-over that forgets the call under way": (
        Rules(stops=True, revokes=False),
        ("no contradiction",),
    ),
    "a hand-over that forgets it, by one worker": (
        Rules(stops=True, revokes=False, is_one_worker=True),
        ("no contradiction",),
    ),
    "an act without the version that was seen": (
        Rules(has_letters=True, sees_version=False),
        ("no act on what was not seen", "no contradiction"),
    ),
    "a redrive that does not look at the journal": (
        Rules(has_letters=True, redrive_keeps=False),
        ("no second order",),
    ),
    "absence stated while the venue may still accept": (
        Rules(has_letters=True, states_late=False),
        ("no contradiction",),
    ),
    "a desk let run by who did not see it halted anew": (
        Rules(has_halts=True, sees_version=False),
        ("no act on what was not seen",),
    ),
    "an intent that does not look at the desk": (
        Rules(has_halts=True, heeds_halt=False),
        ("no intent under a halt",),
    ),
}
HELD = [(mutant, claim) for mutant, (_, claims) in MUTANTS.items() for claim in claims]
# What may be told to stop may also go on: these hold every way of workers that are never told.
WHOLE = {
    "two workers": Rules(stops=True),
    "two threads of one worker": Rules(stops=True, is_one_worker=True),
    "operators at dead letters, beside two workers": Rules(stops=True, has_letters=True),
    "operators at dead letters, beside two threads of one worker": Rules(
        stops=True, is_one_worker=True, has_letters=True
    ),
    "operators at the desk, beside a worker": Rules(stops=True, has_halts=True, at_work=(0,)),
}
ENOUGH_ALONE = {
    "rows of one cycle kept apart": Rules(
        is_one_worker=True, refuses_twins=False, outcome_fence=False
    ),
    "twins refused by the database": Rules(is_one_worker=True, apart=False, outcome_fence=False),
}
FOUND_BY_CHAOS = [
    "thread 0 is too late to send 1",
    "thread 0 notes NOT_SENT",
    "thread 1 sends 1",
    "venue accepts 1, reply lost",
]


def explored(rules: Rules, *names: str) -> Exploration[State]:
    """Explore, holding the named claims (all without names)."""
    claims = {name: holds for name, holds in CLAIMS.items() if not names or name in names}
    return explore(State(), partial(moves, rules), claims)


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.xdist_group(f"model: {name}")) for name in WHOLE],
)
def whole(request: pytest.FixtureRequest) -> Exploration[State]:
    """Explore once: its tests run in one process."""
    return explored(WHOLE[request.param])


def stories(found: Exploration[State]) -> dict[str, list[str]]:
    return {name: found.story(state) for name, state in found.broken.items()}


def test_no_interleaving_breaks_a_claim(whole: Exploration[State]) -> None:
    assert stories(whole) == {}
    assert len(whole.came_from) > 3_000


def test_from_every_state_the_step_can_still_be_decided(whole: Exploration[State]) -> None:
    assert [whole.story(state) for state in whole.stuck(is_decided)[:1]] == []


def test_every_end_has_no_open_call(whole: Exploration[State]) -> None:
    done = [state for state in whole.came_from if state.is_done]

    assert done
    assert not any(call.outcome in OPEN for state in done for call in state.calls)


def test_threads_of_one_worker_meet_in_the_group_with_two_leases() -> None:
    """What the guards are for happens: the row of a lost lease and the newest's wait side by side."""
    never = {"both queued": lambda state: any(one.pc != "queued" for one in state.threads)}

    found = explore(State(), partial(moves, Rules(is_one_worker=True)), never)

    met = found.broken["both queued"]
    assert sorted(thread.is_newest for thread in met.threads) == [False, True]


def test_no_rules_are_counted_as_two_mutants() -> None:
    assert len({rules for rules, _ in MUTANTS.values()}) == len(MUTANTS)


@pytest.mark.parametrize(("mutant", "claim"), HELD)
def test_without_this_guard_the_claim_breaks(mutant: str, claim: str) -> None:
    found = explored(MUTANTS[mutant][0], claim)

    assert set(found.broken) == {claim}
    assert found.story(found.broken[claim])


@pytest.mark.parametrize("guard", ENOUGH_ALONE)
def test_either_guard_of_the_group_is_enough_alone(guard: str) -> None:
    assert stories(explored(ENOUGH_ALONE[guard])) == {}


def test_without_the_groups_guards_the_shortest_way_is_the_one_that_chaos_found() -> None:
    together = "two rows of one cycle in one statement"
    fenced, unfenced = (
        stories(explored(MUTANTS[mutant][0], "no contradiction"))["no contradiction"]
        for mutant in (together, f"{together}, and outcomes without a fence")
    )

    assert unfenced[-len(FOUND_BY_CHAOS) :] == FOUND_BY_CHAOS
    assert len(fenced) > len(unfenced)
