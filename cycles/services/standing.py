"""Where a cycle stands, read by one statement: its row, its policy, its next step, what it owns.

The SQL is cycles/sql/standing.sql.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection, models

from cycles.domain.postings import Holding
from cycles.domain.words import AccountOwner
from cycles.errors import NotFoundError
from cycles.models import Cycle, PolicyVersion, Step


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


def _standing(row: Sequence[Any]) -> Standing:
    is_loose, held, *columns = row
    cycle, columns = _instance(Cycle, columns)
    cycle.policy, columns = _instance(PolicyVersion, columns)
    step = None if columns[0] is None else _instance(Step, columns)[0]
    cycle.held_when_read = tuple(
        Holding(venue=venue, asset=asset, owner=AccountOwner(owner), quantity=Decimal(balance))
        for venue, asset, owner, balance in msgspec.json.decode(held or "[]")
    )
    return Standing(cycle=cycle, step=step, is_loose=is_loose)


def _instance(model: Any, columns: list[Any]) -> tuple[Any, list[Any]]:
    """Make a model's instance of the first columns; gives the others too."""
    fields = _fields(model)
    values = [_value(field, value) for field, value in zip(fields, columns, strict=False)]
    return model.from_db("default", [field.attname for field in fields], values), columns[
        len(fields) :
    ]


def _value(field: Any, value: Any) -> Any:
    """Give a column's value as its field reads it (JSON comes as text)."""
    convert = getattr(field, "from_db_value", None)
    return convert(value, None, connection) if convert else value


def _fields(model: type[models.Model]) -> Sequence[Any]:
    return model._meta.concrete_fields  # noqa: SLF001  public, for all its name


def _columns(model: type[models.Model], of: str) -> str:
    return ", ".join(f"(s.{of}).{field.column}" for field in _fields(model))


# Each column by its name: a table may have more of them than this release knows.
STATEMENT = f"""
SELECT s.is_loose, s.held,
       {_columns(Cycle, "cycle")}, {_columns(PolicyVersion, "policy")}, {_columns(Step, "step")}
  FROM kimp_standing_v1(%s) s
"""  # noqa: S608  names of columns only
