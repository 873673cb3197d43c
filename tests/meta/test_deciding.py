"""What a worker decides it decides under the lock that asks for its lease, as the code of the services reads.

Each place is driven with a lost lease too ([test_deciders.py](../concurrency/test_deciders.py)); this finds a
decision that asks for none.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.concurrency.places import GUARD, SERVICES, called, functions
from tests.meta.writes import writes

Name = tuple[str, str]  # module, function
Scope = ast.FunctionDef | ast.Lambda
# What executes a statement of its own, and what that decides: True, its cycle being locked by whoever calls; or why nothing.
IN_SQL: dict[str, str | bool] = {
    "stepping.settle": True,
    "stepping._ask": "kimp_intend compares the lease of each row",
    "leasing._leased": "grants the lease",
    "leasing.renew": "compares the lease",
    "leasing._write_releases": "compares the lease",
    "leasing.next_due_in": "reads",
    "redriving._redrive": "an operator's: compares the version of each",
    "redriving._flush": "writes no row",
    "locking._advisory": "writes no row",
    "notices.tell": "writes no row",
    "notices._listen": "writes no row",
    "booking.booked_since_open": "reads",
    "desk.database_now": "reads",
    "homing.here": "reads",
    "homing.settle": "writes where the desk is at home",
    "homing.vouch": "writes that a server which broke off has forgotten nothing",
    "witnessing._has_look": "reads",
    "witnessing.keep": "writes that this host has looked",
    "shared_outage._takes_writes": "reads",
    "standing.read": "reads",
    "warming.warm": "names no cycle",
    "alerting.raise_alerts": "writes what people are told",
    "looking.begin": "writes who looks at a venue",
    "sighting._upsert": "writes what a venue has shown",
    "rolling_up._batch": "writes samples",
    "totalling._settled_to": "reads",
    "proving.proof": "reads",
    "proving.proof_of_all": "reads",
    "proving.standing": "reads",
    "proving._see_newest": "writes up to where entries were seen",
    "proving._sum_piece": "writes what entries come to",
}
# What writes of a cycle, and yet decides nothing of it.
EXCUSED: dict[Name, str] = {
    ("moving", "touch_if_dead"): "with a fact that is noted; no worker has a dead letter",
    ("waking", "wake"): "a cycle that nobody has is looked at sooner",
    ("waking", "wake_waiting"): "a cycle that nobody has is looked at sooner",
}
FENCES_ITSELF = "note"  # of calling: what it is given runs only if the lease still holds
# Who locks a cycle without a lease or a version that was seen, and by what right.
UNASKED: dict[str, str] = {
    "moving.lock_for_decision": "asks for the lease",
    "moving.lock_for_operator": "asks for the version",
    "calling._locked_if_known": "a fact is noted; what follows from it asks for the lease (`_note`)",
    "reconciling.record": "a fact is noted",
    "dead_letters._sent_on": "compares the version; no worker has a dead letter",
    "retraced.hold": "catching up, away from home: every lease was fenced off",
    "retracing.park": "catching up",
    "catching_up._park_undecided": "catching up",
    "retracing._match": "catching up",
    "retracing._adopted": "catching up",
}


def _scopes(
    node: ast.AST, around: tuple[Scope, ...] = ()
) -> Iterator[tuple[ast.Call, tuple[Scope, ...]]]:
    """Give every call within a node with the functions that it stands in, the innermost last."""
    if isinstance(node, ast.Call):
        yield node, around
    inner = (*around, node) if isinstance(node, ast.FunctionDef | ast.Lambda) else around
    for child in ast.iter_child_nodes(node):
        yield from _scopes(child, inner)


@cache
def _known() -> dict[str, dict[str, Name]]:
    """Give what each module of the services calls by which name."""
    known: dict[str, dict[str, Name]] = {}
    for file in SERVICES.glob("*.py"):
        names = known.setdefault(file.stem, {})
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                "cycles.services"
            ):
                _, _, module = (node.module or "").partition("cycles.services.")
                for one in node.names:
                    names[one.asname or one.name] = (module, one.name) if module else (one.name, "")
    for module, function in functions():
        known[module][function.name] = (module, function.name)
    return known


def _meant(module: str, call: ast.Call) -> Name:
    """Give the function of the services that a call means, as far as names tell."""
    names = _known()[module]
    if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
        return names.get(call.func.value.id, ("", ""))[0], call.func.attr
    return names.get(called(call), ("", ""))


def _has_lease(function: ast.FunctionDef) -> bool:
    """Say whether it is a worker's: it is given a lease."""
    every = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
    told = (ast.unparse(one.annotation) for one in every if one.annotation)
    return any(re.search(r"\bLease\b", one) for one in told)


def _locks(function: ast.FunctionDef) -> bool:
    return any(
        called(node) in {GUARD, "lock_for_operator", "lock_cycle"} for node in ast.walk(function)
    )


@cache
def _deciders() -> frozenset[Name]:
    """Give what decides for a caller that has the lock: those that write, and whatever calls them with no lock."""
    found = {
        (module, one.name) for module, one in functions()
        if IN_SQL.get(f"{module}.{one.name}") is True
    }  # fmt: skip
    helpers = [
        (module, one) for module, one in functions()
        if not (_has_lease(one) or _locks(one) or (module, one.name) in EXCUSED)
    ]  # fmt: skip
    while True:
        more = {
            (module, one.name) for module, one in helpers
            if any(_meant(module, call) in found for call, _ in _scopes(one)) or any(writes(one))
        }  # fmt: skip
        if more <= found:
            return frozenset(found)
        found |= more


def _is_fenced(call: ast.Call, around: tuple[Scope, ...]) -> bool:
    """Say whether the innermost function around a call has asked for the lease, or is run by who has."""
    scope = around[-1]
    own = [one for one, inner in _scopes(scope) if inner == (scope,)]
    if any(called(one) == GUARD and one.lineno <= (call.end_lineno or 0) for one in own):
        return True
    handed = [
        arg for one, _ in _scopes(around[0]) if called(one) == FENCES_ITSELF for arg in one.args
    ]
    name = getattr(scope, "name", None)
    return any(arg is scope or (name and getattr(arg, "id", None) == name) for arg in handed)


def unfenced(module: str, function: ast.FunctionDef) -> list[str]:
    """Name what a worker's function decides without having asked for its lease."""
    if not _has_lease(function):
        return []
    written = set(writes(function))
    return [
        f"{module}.{function.name}:{call.lineno} {called(call)}"
        for call, around in _scopes(function)
        if (call in written or _meant(module, call) in _deciders()) and not _is_fenced(call, around)
    ]


def test_a_worker_decides_only_once_it_has_asked_for_its_lease() -> None:
    assert [told for module, one in functions() for told in unfenced(module, one)] == []


@pytest.mark.parametrize(
    "decision",
    [
        "move(lock_cycle(lease.cycle_id), target)",
        "settling.settle_order(lock_cycle(lease.cycle_id), call, report)",
        "closing.close(cycle, target)",
        "retrying.fail_within(cycle, found, actor='a')",
        "in_transaction(lambda: finish_step(cycle, step))",
        "Step.objects.filter(cycle_id=lease.cycle_id).update(state='ABANDONED')",
        "Cycle.objects.filter(pk=lease.cycle_id).update(plan='UNWIND')",
        "in_transaction(lambda: cycle.steps.all().delete())",
        "[step.save() for step in Step.objects.filter(cycle_id=lease.cycle_id)]",
    ],
)
@pytest.mark.parametrize("given", ["lease: Lease", "lease: Lease | None", "leases: list[Lease]"])
def test_the_finder_finds_a_decision_that_asks_for_no_lease(
    monkeypatch: pytest.MonkeyPatch, decision: str, given: str
) -> None:
    names = {name: ("settling", name) for name in ("finish_step",)} | {"move": ("moving", "move")}
    names |= {name: (name, "") for name in ("settling", "closing", "retrying")}
    monkeypatch.setitem(_known(), "made_up", names)
    (function,) = ast.parse(
        f"def act({given}) -> None:\n    cycle = cycle_of(lease)\n    {decision}"
    ).body
    assert isinstance(function, ast.FunctionDef)
    assert len(unfenced("made_up", function)) == 1
    (guarded,) = ast.parse(
        f"def act({given}) -> None:\n    cycle = lock_for_decision(lease)\n    {decision.replace('lambda: ', '')}"
    ).body
    assert isinstance(guarded, ast.FunctionDef)
    assert unfenced("made_up", guarded) == []


def test_who_locks_a_cycle_and_asks_for_nothing_says_by_what_right() -> None:
    found = {
        f"{module}.{one.name}"
        for module, one in functions()
        if any(called(node) == "lock_cycle" for node in ast.walk(one))
    }
    assert found == set(UNASKED)


def test_who_executes_a_statement_says_what_that_decides() -> None:
    found = {
        f"{module}.{one.name}"
        for module, one in functions()
        if any(called(node).startswith("execute") for node in ast.walk(one))
    }
    assert found == set(IN_SQL)


def test_who_is_excused_writes() -> None:
    decide = {
        (module, one.name)
        for module, one in functions()
        if any(writes(one)) or any(_meant(module, call) in _deciders() for call, _ in _scopes(one))
    }
    assert set(EXCUSED) <= decide
