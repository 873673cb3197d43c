"""How many cycles share a claim, and how many settlements share a statement, in a worker that is measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cycles.services import leasing, stepping


class Shares:
    """Counts statements of one kind, and the rows that they took; what takes none is no statement of it."""

    def __init__(self) -> None:
        self.statements = self.rows = 0

    def counted(self, work: Callable[..., Sequence[Any]]) -> Callable[..., Sequence[Any]]:
        """Count what each call of it gives: one call at a time is under way, as claims and groups are."""

        def counting(*args: Any, **named: Any) -> Sequence[Any]:
            told = work(*args, **named)
            self.statements += bool(told)
            self.rows += len(told)
            return told

        return counting


def count() -> tuple[Shares, Shares]:
    """Begin to count this process's claims, and its settlements."""
    claims, settlements = Shares(), Shares()
    together: Any = stepping.settle_together
    leasing.claim = claims.counted(leasing.claim)  # type: ignore[assignment]  # it gives the same
    together._write = settlements.counted(together._write)
    return claims, settlements


def mean(found: Sequence[Sequence[int]]) -> float:
    """Give the rows a statement of some processes, each told as its statements and its rows."""
    return sum(rows for _, rows in found) / max(sum(statements for statements, _ in found), 1)
