"""Sweeps that take a batch at a time: whoever was looked at least recently comes first, also after a restart.

A run goes on behind the last that the one before looked at. One row's trouble is that row's alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog
from django.db import models
from django.db.models import Case, IntegerField, QuerySet, Value, When

from cycles.errors import DatabaseBusyError
from cycles.models import Alert, Cycle, ExchangeCall, SweepMark
from cycles.services import ending
from cycles.services.alerting import raise_alert
from cycles.services.outage import UNREACHABLE

log = structlog.get_logger(__name__)

Row = TypeVar("Row", bound=Cycle | ExchangeCall)
M = TypeVar("M", bound=models.Model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What came of a run: how many rows were looked at, and of how many something came."""

    looked_at: int = 0
    done: int = 0


def batch(sweep: str, rows: QuerySet[M], most: int) -> list[M]:
    """Give the rows whose turn it is: those behind the last that was looked at, then from the beginning on."""
    last = SweepMark.objects.filter(sweep=sweep).values_list("last", flat=True).first()
    if last is None:
        return list(rows.order_by("pk")[:most])
    is_behind = Case(
        When(pk__gt=last, then=Value(0)), default=Value(1), output_field=IntegerField()
    )
    return list(rows.order_by(is_behind, "pk")[:most])


def each_in_turn(
    sweep: str, rows: Sequence[Row], act: Callable[[Row], bool], *, up_to: Row | None = None
) -> Tally:
    """Act on each row while there is time, and remember how far that came, whatever ends it.

    What one raises stops no other: a row that others keep locked is left to its next turn, what nobody
    foresaw is told. A database that is away ends the run. `up_to` is the last of the batch that `rows` are
    left of: who was left out has had its turn as well.
    """
    is_time_left = ending.time_for_more()
    looked_at = done = 0
    reached = None
    try:
        for row in rows:
            looked_at, reached = looked_at + 1, row
            done += acted(sweep, row, act)
            if not is_time_left():
                break
        else:
            reached = up_to or reached
    finally:
        if reached is not None:
            _remember(sweep, reached)
    return Tally(looked_at=looked_at, done=done)


def acted(sweep: str, row: Row, act: Callable[[Row], bool]) -> bool:
    """Act on one row: the boundary of a sweep."""
    try:
        return act(row)
    except DatabaseBusyError as error:
        log.warning("sweep.busy", sweep=sweep, row=str(row), error=str(error))
    except UNREACHABLE:
        raise  # not the row's fault
    except Exception as error:
        log.exception("sweep.failed", sweep=sweep, row=str(row))
        _tell(sweep, row, error)
    return False


def _tell(sweep: str, row: Cycle | ExchangeCall, error: Exception) -> None:
    """Tell people once of each row that a sweep cannot deal with; the error's text stays in the log."""
    raise_alert(
        key=f"sweep:{sweep}:{row.pk}",
        severity=Alert.Severity.WARNING,
        title=f"{sweep} cannot deal with {row}",
        body=f"{type(error).__name__}; the log has it. It is tried again each time its turn comes.",
        cycle=row if isinstance(row, Cycle) else row.cycle,
    )


def _remember(sweep: str, row: Cycle | ExchangeCall) -> None:
    """Write how far a run came, in one statement."""
    mark = SweepMark(sweep=sweep, last=str(row.pk))
    SweepMark.objects.bulk_create(
        [mark], update_conflicts=True, unique_fields=["sweep"], update_fields=["last"]
    )
