"""What people decide on something that they saw: who comes second is told that it has changed, whatever it is.

The places are found in the code: one that comes new fails here until a race of it is named.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from cycles.domain.words import Mode
from cycles.errors import StaleVersionError
from cycles.models import Cycle, Desk
from cycles.services import addressing, desk, identifying, intervening, moving
from cycles.services.locking import lock_cycle, locked, own_mode
from exchanges.models import AssetIdentity, RegisteredAddress
from tests import builders
from tests.concurrency.meeting import queued, root
from tests.concurrency.places import called, functions
from tests.concurrency.unguarded import database_without, take_out

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]

# What compares with what its own transaction has read, under the lock.
LOCKED_ALREADY = ["moving._write", "settling._book"]
COIN = identifying.Coin(asset="XRP", network="XRP", contract="", decimals=6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A race of two, of whom the second saw what the first changes; what it leaves, and what without the guard."""

    function: Callable[..., Any]
    guard: str
    race: Callable[[], list[Any]]
    left: Callable[[], object]
    with_guard: object
    without: object
    second_guard: Callable[[], AbstractContextManager[object]] = nullcontext  # taken out as well


def a_resumption_behind_a_halt() -> list[Any]:
    """Resume what stopped for lunch, while the system halts for coins that are missing."""
    seen = builders.desk(Mode.HALT).version
    resume = partial(desk.set_mode, Mode.RUN, actor=root(), reason="back", seen_version=seen)
    return queued(own_mode, partial(desk.halt_by_system, "coins are missing"), resume)


def two_policies() -> list[Any]:
    """Make a trade smaller, and larger than it was seen to be."""
    builders.desk()
    seen = builders.policy().number

    def change(notional: int) -> object:
        changes = {"notional_usdt": Decimal(notional)}
        return desk.set_policy(changes, actor=root(), reason="r", seen_number=seen)

    return queued(own_mode, partial(change, 700), partial(change, 6000))


def a_proof_behind_a_block() -> list[Any]:
    """Prove a name that was unproven, while somebody blocks it."""
    facts: dict[str, Any] = {"asset": "", "network": "", "decimals": None, "decided_by": ""}
    row = builders.proven("upbit", "XRP", "XRP", state="UNPROVEN", **facts)
    act: dict[str, Any] = {"actor": root(), "reason": "r", "seen_version": row.version}
    return queued(
        locked(AssetIdentity.objects.filter(pk=row.pk)).get,
        partial(identifying.block, row, **act),
        partial(identifying.prove, row, coin=COIN, **act),
    )


def two_confirmations() -> list[Any]:
    """Confirm an address that nobody had confirmed."""
    row = builders.proposed_address()

    def confirm(name: str) -> object:
        typed = addressing.Typed(ends_with=row.address[-6:], memo=row.memo)
        act: dict[str, Any] = {"actor": root(name), "reason": "r", "typed": typed}
        return addressing.confirm(row.code, seen_version=row.version, **act)

    mine = locked(RegisteredAddress.objects.filter(pk=row.pk))
    return queued(mine.get, partial(confirm, "alice"), partial(confirm, "bob"))


def two_who_take_on() -> list[Any]:
    """Take on a dead letter that was nobody's."""
    row = builders.dead_letter()

    def take_on(name: str) -> object:
        act: dict[str, Any] = {"actor": root(name), "reason": "r"}
        return intervening.acknowledge(row.pk, seen_version=row.version, **act)

    return queued(partial(lock_cycle, row.pk), partial(take_on, "alice"), partial(take_on, "bob"))


CASES = {
    "addressing._lock": Case(
        function=addressing._lock,
        guard="row.version != seen_version",
        race=two_confirmations,
        left=lambda: RegisteredAddress.objects.get().state,
        with_guard="PROPOSED",
        without="CONFIRMED",
        second_guard=lambda: database_without(
            "kimp_confirmation_is_sound", "i.seen_version = NEW.seen_version AND "
        ),
    ),
    "desk._demand_seen": Case(
        function=desk._demand_seen,
        guard="seen_version != desk.version",
        race=a_resumption_behind_a_halt,
        left=lambda: Desk.objects.get().mode,
        with_guard="HALT",
        without="RUN",
    ),
    "desk.set_policy": Case(
        function=desk.set_policy,
        guard="old.number != seen_number",
        race=two_policies,
        left=lambda: desk.current_policy().notional_usdt,
        with_guard=700,
        without=6000,
    ),
    "identifying._lock": Case(
        function=identifying._lock,
        guard="row.version != seen_version",
        race=a_proof_behind_a_block,
        left=lambda: AssetIdentity.objects.get().state,
        with_guard="BLOCKED",
        without="PROVEN",
    ),
    "moving.lock_for_operator": Case(
        function=moving.lock_for_operator,
        guard="cycle.version != seen_version",
        race=two_who_take_on,
        left=lambda: Cycle.objects.values_list("assignee__username", flat=True).get(),
        with_guard="alice",
        without="bob",
    ),
}


def test_every_place_that_asks_for_what_was_seen_has_its_case() -> None:
    asking = {
        f"{module}.{function.name}"
        for module, function in functions()
        for node in ast.walk(function)
        if isinstance(node, ast.Raise) and called(node.exc or node) == StaleVersionError.__name__
    }
    assert sorted(asking) == sorted([*CASES, *LOCKED_ALREADY])


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_of_two_who_saw_the_same_the_second_is_told_that_it_has_changed(case: Case) -> None:
    _, second = case.race()
    assert isinstance(second, StaleVersionError)
    assert case.left() == case.with_guard


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_the_negative_control_without_its_version_the_second_has_its_way(
    monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    take_out(monkeypatch, case.function, case.guard, "False")
    with case.second_guard():
        case.race()
    assert case.left() == case.without
