"""Where a cycle stands, read by one statement: its row, its policy, its next step, what it owns.

The SQL is cycles/sql/standing_v3.sql. The statements that claim and settle a cycle tell it as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec
from django.db import connection, models
from django.db.backends.utils import CursorWrapper

from cycles.domain.postings import Holding
from cycles.domain.words import AccountOwner
from cycles.errors import NotFoundError
from cycles.models import Cycle, PolicyVersion, Step

STATEMENT = "SELECT * FROM kimp_standing_v3(%s)"
# What has waited longer for its thread is read anew; leases guard what is done on it.
FRESH = timedelta(seconds=0.25)
M = TypeVar("M", bound=models.Model)


@dataclass(frozen=True, slots=True)
class Standing:
    """A cycle as one moment saw it. `step` is its passage's next; `is_loose`: a call of it is open or unsettled."""

    cycle: Cycle
    step: Step | None
    is_loose: bool


def _on_this_clock() -> timedelta:
    """Give the time of this process's own clock, which nobody sets."""
    return timedelta(seconds=time.monotonic())


def read(cycle_id: UUID) -> Standing:
    """Read where a cycle stands, without locking it; its `held_when_read` is what it owned then."""
    with connection.cursor() as cursor:
        cursor.execute(STATEMENT, [cycle_id])
        row = cursor.fetchone()
        layout = layout_of(cursor)
    if row is None:
        raise NotFoundError("there is no cycle %(id)s", id=cycle_id)
    return _standing(row, layout)


class Columns(Generic[M]):
    """Where a model's columns are among those that the statement gives, and instances made of them.

    A column that it does not give is read when somebody asks for it: a model may be newer than the statement.
    """

    def __init__(self, model: type[M], letter: str, names: Sequence[str]) -> None:
        told = {name: place for place, name in enumerate(names)}
        fields = [
            field
            for field in model._meta.concrete_fields  # noqa: SLF001  public, for all its name
            if f"{letter}_{field.column}" in told
        ]
        self.places = [told[f"{letter}_{field.column}"] for field in fields]
        self._model = model
        self._attributes = [field.attname for field in fields]
        # JSON comes as text.
        self._converted: list[tuple[int, Callable[..., Any]]] = [
            (number, field.from_db_value)
            for number, field in enumerate(fields)
            if hasattr(field, "from_db_value")
        ]

    def values(self, row: Sequence[Any]) -> tuple[Any, ...]:
        """Give what a row tells of the model."""
        return tuple(row[place] for place in self.places)

    def instance(self, values: Sequence[Any]) -> M:
        """Make an instance as if it had been read by the ORM."""
        if self._converted:
            values = list(values)
            for number, convert in self._converted:
                values[number] = convert(values[number], None, connection)
        return self._model.from_db("default", self._attributes, values)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each model's columns stand among those of a statement."""

    cycle: Columns[Cycle]
    step: Columns[Step]
    step_id: int
    policy: tuple[int, int]  # its id, and since when it is


_layouts: list[Layout] = []


def layout_of(cursor: CursorWrapper, *, after: int = 0) -> Layout:
    """Find the columns of each model, which stand after so many others in what a statement has given.

    Once in a process: a version of the function gives the same for ever, and describing columns costs much.
    """
    if not _layouts:
        names = [column[0] for column in (cursor.description or ())[after:]]
        _layouts[:] = [
            Layout(
                cycle=Columns(Cycle, "c", names),
                step=Columns(Step, "s", names),
                step_id=names.index("s_id"),
                policy=(names.index("c_policy_id"), names.index("p_created_at")),
            )
        ]
    return _layouts[0]


@lru_cache(maxsize=64)
def _policy(policy_id: int, created_at: datetime) -> PolicyVersion:
    """Read a policy once for all its cycles: its row never changes."""
    return PolicyVersion.objects.get(pk=policy_id, created_at=created_at)


def know(policy: PolicyVersion) -> None:
    """Let the first cycle of a policy find it read."""
    _policy(policy.pk, policy.created_at)


def _standing(row: Sequence[Any], layout: Layout) -> Standing:
    is_loose, held = row[:2]
    cycle = layout.cycle.instance(layout.cycle.values(row))
    cycle.policy = _policy(*(row[place] for place in layout.policy))
    has_step = row[layout.step_id] is not None
    step = layout.step.instance(layout.step.values(row)) if has_step else None
    cycle.held_when_read = tuple(
        Holding(venue=venue, asset=asset, owner=AccountOwner(owner), quantity=Decimal(balance))
        for venue, asset, owner, balance in msgspec.json.decode(held or "[]")
    )
    return Standing(cycle=cycle, step=step, is_loose=is_loose)


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What a statement told of a cycle by the way, not made into models yet."""

    row: Sequence[Any]
    layout: Layout
    asked_at: timedelta  # on this process's clock

    def is_fresh(self) -> bool:
        """Say whether it may still stand for a read."""
        return _on_this_clock() - self.asked_at <= FRESH


class Glimpses:
    """What one statement tells by the way, in its columns `after` its own ones; made before it is sent."""

    def __init__(self, *, after: int) -> None:
        self._after, self._asked_at = after, _on_this_clock()
        self._layout: Layout | None = None

    def told_by(self, cursor: CursorWrapper) -> Glimpses:
        """Learn where the columns are, once the statement has been sent."""
        self._layout = layout_of(cursor, after=self._after)
        return self

    def of(self, row: Sequence[Any]) -> Glimpse | None:
        """Give what a row tells; None where nothing was asked."""
        seen = row[self._after :]
        if self._layout is None or seen[0] is None:
            return None
        return Glimpse(seen, self._layout, self._asked_at)


@dataclass(slots=True)
class LastSeen:
    """Where a cycle stood when it was claimed or a call of it settled, for whoever goes on with it at once."""

    glimpse: Glimpse | None = None

    def take(self) -> Standing | None:
        """Give it once, and only while it is fresh."""
        last, self.glimpse = self.glimpse, None
        return _standing(last.row, last.layout) if last is not None and last.is_fresh() else None
