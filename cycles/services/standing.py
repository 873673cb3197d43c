"""Where a cycle stands, read by one statement: its row, its policy, its next step, what it owns.

The SQL is cycles/sql/standing_v2.sql.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec
from django.db import connection, models

from cycles.domain.postings import Holding
from cycles.domain.words import AccountOwner
from cycles.errors import NotFoundError
from cycles.models import Cycle, PolicyVersion, Step

STATEMENT = "SELECT * FROM kimp_standing_v2(%s)"
M = TypeVar("M", bound=models.Model)


@dataclass(frozen=True, slots=True)
class Standing:
    """A cycle as one moment saw it. `step` is its passage's next; `is_loose`: a call of it is open or unsettled."""

    cycle: Cycle
    step: Step | None
    is_loose: bool


def read(cycle_id: UUID) -> Standing:
    """Read where a cycle stands, without locking it; its `held_when_read` is what it owned then."""
    with connection.cursor() as cursor:
        cursor.execute(STATEMENT, [cycle_id])
        row = cursor.fetchone()
    if row is None:
        raise NotFoundError(f"there is no cycle {cycle_id}")
    return _standing(row)


class Columns(Generic[M]):
    """A model's columns in its own order, as the statement gives them, and instances made of them."""

    def __init__(self, model: type[M]) -> None:
        fields = model._meta.concrete_fields  # noqa: SLF001  public, for all its name
        self.names = [field.column for field in fields]
        self._model = model
        self._attributes = [field.attname for field in fields]
        # JSON comes as text.
        self._converted: list[tuple[int, Callable[..., Any]]] = [
            (number, field.from_db_value)
            for number, field in enumerate(fields)
            if hasattr(field, "from_db_value")
        ]

    def instance(self, values: Sequence[Any]) -> M:
        """Make an instance as if it had been read by the ORM."""
        if self._converted:
            values = list(values)
            for number, convert in self._converted:
                values[number] = convert(values[number], None, connection)
        return self._model.from_db("default", self._attributes, values)


CYCLE, POLICY, STEP = Columns(Cycle), Columns(PolicyVersion), Columns(Step)
_CYCLE_ENDS = 2 + len(CYCLE.names)
_POLICY_ENDS = _CYCLE_ENDS + len(POLICY.names)


@lru_cache(maxsize=64)
def _policy(values: tuple[Any, ...]) -> PolicyVersion:
    """Make a policy's instance once for all its cycles: its row never changes."""
    return POLICY.instance(values)


def _standing(row: tuple[Any, ...]) -> Standing:
    is_loose, held = row[:2]
    cycle = CYCLE.instance(row[2:_CYCLE_ENDS])
    cycle.policy = _policy(row[_CYCLE_ENDS:_POLICY_ENDS])
    step = None if row[_POLICY_ENDS] is None else STEP.instance(row[_POLICY_ENDS:])
    cycle.held_when_read = tuple(
        Holding(venue=venue, asset=asset, owner=AccountOwner(owner), quantity=Decimal(balance))
        for venue, asset, owner, balance in msgspec.json.decode(held or "[]")
    )
    return Standing(cycle=cycle, step=step, is_loose=is_loose)
