"""Every row of the fault table has its proofs, they exist, and they count what reached the venue."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from exchanges.simulator.core.fault_table import TABLE
from tests.meta.fault_proofs import DEADLINES, PROOFS

_PROJECT = Path(__file__).resolve().parents[2]
# What a test calls, or a fixture checks, to know how many requests arrived.
_COUNTERS = {
    "accepted", "arrived", "asked", "assert_one_story", "each_was_sent_once", "examine", "posts", "requests", "sent_ids",
    "withdrawals",
}  # fmt: skip


@cache
def _functions(module: str) -> dict[str, ast.FunctionDef]:
    tree = ast.parse((_PROJECT / module).read_text("utf-8"))
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def _names(module: str, function: str, seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """Give the names that a function uses, and those used by what it calls in its own module."""
    known = _functions(module)
    for node in ast.walk(known[function]):
        name = getattr(node, "attr", None) or getattr(node, "id", None)
        if name is None:
            continue
        yield name
        if name in known and name not in seen | {function}:
            yield from _names(module, name, seen | {function})


def _all(row: str) -> tuple[str, ...]:
    return PROOFS[row].adapters + PROOFS[row].services


EVERY = [(row, proof) for row in PROOFS for proof in _all(row)]


def test_every_row_of_the_table_has_proofs_and_nothing_else_has() -> None:
    assert list(PROOFS) == list(TABLE)
    assert [row for row in PROOFS if not _all(row)] == []


def test_every_row_is_proven_through_the_adapters_but_the_clients_own_death() -> None:
    assert [row for row in PROOFS if not PROOFS[row].adapters] == ["F38"]


def test_every_row_is_proven_through_the_services_or_says_why_not() -> None:
    wrong = [row for row, told in PROOFS.items() if bool(told.services) == bool(told.spared)]
    assert wrong == []


@pytest.mark.parametrize(("row", "proof"), EVERY)
def test_a_proof_exists_and_is_about_its_row(row: str, proof: str) -> None:
    module, _, function = proof.partition(":")
    assert function.startswith("test_")
    assert function in _functions(module)
    is_named = function.startswith(f"test_{row.lower()}_")
    text = (_PROJECT / module).read_text("utf-8")
    is_about = f'"{row}"' in text or row in {"F35", "F38"}  # which set no rule of that name
    assert is_named or is_about


@pytest.mark.parametrize(("row", "proof"), [one for one in EVERY if one[0] != "F35"])
def test_a_proof_counts_what_reached_the_venue(row: str, proof: str) -> None:
    module, _, function = proof.partition(":")
    used = set(_names(module, function))
    if module == DEADLINES:
        assert used & {"requests", "connections", "NotSentError"}
    else:
        assert used & _COUNTERS, f"{row}: {function} counts nothing"


def test_a_proof_that_counts_nothing_is_found() -> None:
    assert not set(_names(__file__, "_all")) & _COUNTERS
