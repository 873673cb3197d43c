"""Whatever workers, operators and stray hands do, in whatever order: no cycle leaves the edges of the table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings as hypothesis_settings
from hypothesis.stateful import get_state_machine_test

from cycles.domain.states import TRANSITIONS
from cycles.domain.words import CycleStatus as S, Verb
from cycles.services import intervening, moving, resolving
from tests import builders
from tests.concurrency.unguarded import take_out
from tests.cycles.models import driven, state_machine
from tests.cycles.models.state_machine import BY_ITSELF, IN_BULK, Cycles, ways
from tests.cycles.models.verbs import ACTS, NOT_A_CYCLES, VERBS
from tests.desk import operator

EXAMPLES_A_WAY, STEPS = 2, 6
EDGES = [(a, b) for a, leaves in TRANSITIONS.items() for b in sorted(leaves)]
# Each refuses somebody, so that none is left unasked; beside the database's own.
OURS = {
    "LeaseLostError", "IllegalTransitionError", "StaleVersionError", "NotAllowedNowError", "UnresolvedCallError",
}  # fmt: skip
# What the database refuses of a cycle's row, and no walk comes by: broken once each in test_transition_guards.py.
NOT_OF_A_MOVE = {
    "cycle_version_grows": "no hand writes a version but the next",
    "cycle_retry_count_grows": "no hand writes a count",
    "cycle_ends_once": "no hand writes the end",
}


def guards() -> set[str]:
    """Name what the triggers of a cycle's row refuse."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT p.prosrc FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid"
            " WHERE t.tgrelid = 'cycles_cycle'::regclass AND t.tgtype & 16 <> 0 AND NOT t.tgisinternal"
        )
        return {
            name for (text,) in cursor.fetchall()
            for name in re.findall(r"CONSTRAINT = '(cycle_\w+)'", text)
        }  # fmt: skip


def run(
    edges: Sequence[tuple[S, S]], gone: set[tuple[S, S]], *, first_seed: int = 0, **changes: Any
) -> None:
    """Let a cycle go along each edge in each way, and then whoever comes act; the same each time from the same seed.

    Each edge has a seed of its own, whichever are gone along with it.
    """
    builders.right_clocks()
    builders.desk()
    actor = operator()
    settings: dict[str, Any] = {
        "max_examples": EXAMPLES_A_WAY,
        "stateful_step_count": STEPS,
        "deadline": None,
        "database": None,
        "suppress_health_check": list(HealthCheck),
    }
    chosen = hypothesis_settings(**(settings | changes))
    for edge in edges:
        for way in ways(edge):
            machine: Any = partial(Cycles, actor, edge, gone, way)
            walk = get_state_machine_test(machine, settings=chosen)
            seed(first_seed + EDGES.index(edge))(walk)()


@pytest.mark.django_db
def test_whatever_happens_no_cycle_leaves_the_edges_of_the_table() -> None:
    gone: set[tuple[S, S]] = set()
    driven.met.clear()
    state_machine.done.clear()
    run(EDGES, gone)
    assert gone == {*EDGES}
    assert OURS | (guards() - NOT_OF_A_MOVE.keys()) == driven.met - {""}
    assert state_machine.done == {*ACTS, IN_BULK, BY_ITSELF}


@pytest.mark.django_db
def test_each_guard_that_no_walk_comes_by_is_one_of_the_database() -> None:
    assert NOT_OF_A_MOVE.keys() <= guards()


def test_each_verb_is_an_act_on_a_cycle_or_says_why_it_is_none() -> None:
    assert VERBS.keys() | NOT_A_CYCLES.keys() == {*Verb}
    assert VERBS.keys() & NOT_A_CYCLES.keys() == set()


@contextmanager
def no_trigger() -> Iterator[None]:
    """Let the database take any status, for a block."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE cycles_cycle DISABLE TRIGGER moves_legally")
        yield
        cursor.execute("ALTER TABLE cycles_cycle ENABLE TRIGGER moves_legally")


@contextmanager
def code_without(function: Callable[..., Any], guard: str) -> Iterator[None]:
    """Let our own code do without one of its guards, for a block."""
    with pytest.MonkeyPatch.context() as patch:
        take_out(patch, function, guard, "False")
        yield


HARMS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "any status goes": no_trigger,
    "no fence": partial(code_without, moving.lock_for_decision, "cycle.fence != lease.fence"),
    "no seen version": partial(
        code_without, moving.lock_for_operator, "cycle.version != seen_version"
    ),
    "an unwind over an open request": partial(
        code_without, intervening._demand_unwindable, "recovering.open_calls(cycle)"
    ),
    "absence that is stated at once": partial(
        code_without, resolving._close_calls, "why := disclaiming.objection(cycle)"
    ),
}


# Retries and dead letters first: there most is seen.
LATE_FIRST = sorted(
    EDGES, key=lambda edge: (edge[0] is not S.RETRY_PENDING, edge[0] is not S.DEAD_LETTER)
)


@pytest.mark.django_db
@pytest.mark.parametrize("harm", HARMS)
def test_the_negative_control_it_is_seen_when(harm: str) -> None:
    with HARMS[harm](), pytest.raises(AssertionError):
        run(LATE_FIRST, set(), phases=[Phase.generate], report_multiple_bugs=False)


@pytest.mark.django_db
def test_a_seed_walks_the_same_ways_again_and_another_walks_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What the longer form (`whole.py`) prints is enough to repeat what it found."""

    def ways(first_seed: int) -> list[str]:
        run(EDGES[:1], set(), first_seed=first_seed, verbosity=Verbosity.debug)
        told = capsys.readouterr().out.splitlines()
        return [line for line in told if line.startswith("state.")]

    once, again, others = ways(2**31), ways(2**31), ways(2**31 + 1)

    assert len(once) > STEPS
    assert once == again != others


@pytest.mark.django_db
def test_an_edge_alone_is_walked_as_among_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    """Each edge has a seed of its own: the longer form walks one edge at a time, all from one seed."""

    def ways(edges: Sequence[tuple[S, S]]) -> list[str]:
        run(edges, set(), first_seed=2**31, verbosity=Verbosity.debug)
        told = capsys.readouterr().out.splitlines()
        return [line for line in told if line.startswith("state.")]

    both, second = ways(EDGES[:2]), ways(EDGES[1:2])

    assert len(both) > len(second) > STEPS
    assert both[-len(second) :] == second
