"""The table of statuses: every edge of the domain's document, no other, and the database agrees."""

from __future__ import annotations

from itertools import product

import pytest
from django.db import connection

from cycles.domain.states import DRIVEN_BY, FINAL, HOPELESS, RUNNING, TRANSITIONS, is_legal
from cycles.domain.words import CycleStatus, FailureClass, Role

# Written out again from the document, so that a changed table changes two places.
EDGES = {
    "STARTED": "INITIAL_TRADE_COMPLETED RETRY_PENDING DEAD_LETTER FAILED",
    "INITIAL_TRADE_COMPLETED": "AWAITING_REBALANCE RETRY_PENDING DEAD_LETTER FAILED",
    "AWAITING_REBALANCE": "REBALANCING_IN_PROGRESS RETRY_PENDING DEAD_LETTER FAILED",
    "REBALANCING_IN_PROGRESS": (
        "REBALANCE_TRADE_COMPLETED AWAITING_REBALANCE RETRY_PENDING DEAD_LETTER FAILED"
    ),
    "REBALANCE_TRADE_COMPLETED": "COMPLETED RETRY_PENDING DEAD_LETTER FAILED",
    "RETRY_PENDING": (
        "STARTED INITIAL_TRADE_COMPLETED AWAITING_REBALANCE REBALANCING_IN_PROGRESS "
        "REBALANCE_TRADE_COMPLETED DEAD_LETTER FAILED"
    ),
    "DEAD_LETTER": "RETRY_PENDING COMPLETED FAILED",
    "COMPLETED": "",
    "FAILED": "",
}


@pytest.mark.parametrize(("origin", "target"), list(product(CycleStatus, repeat=2)))
def test_an_edge_is_legal_exactly_where_the_document_has_it(
    origin: CycleStatus, target: CycleStatus
) -> None:
    assert is_legal(origin, target) is (target.value in EDGES[origin.value].split())


@pytest.mark.django_db
def test_the_databases_table_is_the_same() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT from_status, to_status FROM cycles_legal_transition")
        found = set(cursor.fetchall())
    assert found == {(a.value, b.value) for a, leaves in TRANSITIONS.items() for b in leaves}


def test_only_completed_and_failed_are_final() -> None:
    assert {CycleStatus.COMPLETED, CycleStatus.FAILED} == FINAL


def test_the_initiator_drives_what_started_and_the_finalizer_the_rest() -> None:
    assert DRIVEN_BY[CycleStatus.STARTED] is Role.INITIATOR
    assert {DRIVEN_BY[s] for s in RUNNING - {CycleStatus.STARTED}} == {Role.FINALIZER}
    assert len(RUNNING) == 5


def test_what_no_retry_can_mend_is_hopeless() -> None:
    assert {
        FailureClass.UNKNOWN_WITHDRAWAL,
        FailureClass.BUG,
        FailureClass.CREDIT_MISMATCH,
        FailureClass.POLICY_DENIED,
    } == HOPELESS


def test_every_status_that_is_no_end_reaches_an_end() -> None:
    reaches = set(FINAL)
    for _ in TRANSITIONS:
        reaches |= {status for status, leaves in TRANSITIONS.items() if leaves & reaches}
    assert reaches == set(CycleStatus)
