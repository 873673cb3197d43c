"""The table of statuses: which edges exist, who drives each status, which ladder each failure takes.

The same table is written into the database (a trigger reads it), drawn in docs/cycle.md and tested.
"""

from __future__ import annotations

from cycles.domain.words import CycleStatus as S, FailureClass as F, Role

TRANSITIONS: dict[S, frozenset[S]] = {
    S.STARTED: frozenset(
        {S.INITIAL_TRADE_COMPLETED, S.RETRY_PENDING, S.DEAD_LETTER, S.FAILED},
    ),
    S.INITIAL_TRADE_COMPLETED: frozenset(
        {S.AWAITING_REBALANCE, S.RETRY_PENDING, S.DEAD_LETTER, S.FAILED},
    ),
    S.AWAITING_REBALANCE: frozenset(
        {S.REBALANCING_IN_PROGRESS, S.RETRY_PENDING, S.DEAD_LETTER, S.FAILED},
    ),
    # Back to AWAITING_REBALANCE looks odd: the way back was undone, bought nothing, or left KRW behind.
    S.REBALANCING_IN_PROGRESS: frozenset(
        {
            S.REBALANCE_TRADE_COMPLETED,
            S.AWAITING_REBALANCE,
            S.RETRY_PENDING,
            S.DEAD_LETTER,
            S.FAILED,
        },
    ),
    S.REBALANCE_TRADE_COMPLETED: frozenset(
        {S.COMPLETED, S.RETRY_PENDING, S.DEAD_LETTER, S.FAILED},
    ),
    S.RETRY_PENDING: frozenset(
        {
            S.STARTED,
            S.INITIAL_TRADE_COMPLETED,
            S.AWAITING_REBALANCE,
            S.REBALANCING_IN_PROGRESS,
            S.REBALANCE_TRADE_COMPLETED,
            S.DEAD_LETTER,
            S.FAILED,
        },
    ),
    S.DEAD_LETTER: frozenset({S.RETRY_PENDING, S.COMPLETED, S.FAILED}),
    S.COMPLETED: frozenset(),
    S.FAILED: frozenset(),
}

# With its way out, or with the KRW that it is to bring home; a trigger lets none begin elsewhere.
BEGINNINGS: frozenset[S] = frozenset({S.STARTED, S.INITIAL_TRADE_COMPLETED})

# Where a cycle with KRW in Korea has a way home to wait for, and no passage that an unwind could give up.
WAITS: frozenset[S] = frozenset({S.INITIAL_TRADE_COMPLETED, S.AWAITING_REBALANCE})

FINAL: frozenset[S] = frozenset(status for status, leaves in TRANSITIONS.items() if not leaves)

DRIVEN_BY: dict[S, Role] = {
    S.STARTED: Role.INITIATOR,
    S.INITIAL_TRADE_COMPLETED: Role.FINALIZER,
    S.AWAITING_REBALANCE: Role.FINALIZER,
    S.REBALANCING_IN_PROGRESS: Role.FINALIZER,
    S.REBALANCE_TRADE_COMPLETED: Role.FINALIZER,
}

RUNNING: frozenset[S] = frozenset(DRIVEN_BY)

# What no retry can mend: a person (or the planner, inside the loss limit) decides at once.
HOPELESS: frozenset[F] = frozenset(
    {F.UNKNOWN_WITHDRAWAL, F.BUG, F.CREDIT_MISMATCH, F.POLICY_DENIED}
)


def is_legal(origin: S, target: S) -> bool:
    """Say whether the table has the edge."""
    return target in TRANSITIONS[origin]
