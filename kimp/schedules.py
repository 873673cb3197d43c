"""Makes the queue's schedule match the code: rows of ours are created, mended and removed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone
from django_q.models import Schedule

from cycles.domain.jobs import SCHEDULES, Scheduled

PREFIX = "kimp:"  # rows with other names belong to somebody else


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What sync did, or would do: names of tasks."""

    created: tuple[str, ...]
    changed: tuple[str, ...]
    deleted: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Say whether rows and code agree."""
        return not (self.created or self.changed or self.deleted)


def sync(wanted: Iterable[Scheduled] = SCHEDULES, *, dry_run: bool = False) -> Difference:
    """Compare schedule rows with the code and, unless dry, mend them in one transaction."""
    plan = {PREFIX + one.name: one for one in wanted}
    with transaction.atomic():
        kept, doomed = _sorted_out(plan)
        created = [name for name in plan if name not in kept]
        changed = [name for name, row in kept.items() if _mended(row, plan[name])]
        if not dry_run:
            Schedule.objects.filter(pk__in=[row.pk for row in doomed]).delete()
            for name in changed:
                kept[name].save()
            for name in created:
                row = Schedule(name=name)
                _mended(row, plan[name])
                row.save()
    return Difference(
        created=_names(created),
        changed=_names(changed),
        deleted=_names(str(row.name) for row in doomed),
    )


def gone(wanted: Iterable[Scheduled] = SCHEDULES) -> list[tuple[str, str]]:
    """List our rows, name and function, whose dotted name is no task of this code: nothing can run them."""
    rows = Schedule.objects.filter(name__startswith=PREFIX).order_by("name")
    rows = rows.exclude(func__in=[one.function for one in wanted])
    return [(str(name), str(function)) for name, function in rows.values_list("name", "func")]


def _sorted_out(plan: dict[str, Scheduled]) -> tuple[dict[str, Schedule], list[Schedule]]:
    """Split our rows into those to keep and those to delete: unknown ones and second copies."""
    kept: dict[str, Schedule] = {}
    doomed: list[Schedule] = []
    for row in Schedule.objects.filter(name__startswith=PREFIX).order_by("pk"):
        if row.name in plan and row.name not in kept:
            kept[row.name] = row
        else:
            doomed.append(row)
    return kept, doomed


def _mended(row: Schedule, wanted: Scheduled) -> bool:
    """Set what the code says on a row; True if anything had to change."""
    facts: dict[str, object] = {
        "func": wanted.function,
        "schedule_type": Schedule.MINUTES,
        "minutes": wanted.minutes,
        "repeats": -1,
        "args": None,
        "kwargs": None,
        "hook": None,
        "cluster": None,
    }
    if all(getattr(row, name) == value for name, value in facts.items()):
        return False
    for name, value in facts.items():
        setattr(row, name, value)
    row.next_run = timezone.now()
    return True


def _names(rows: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(name.removeprefix(PREFIX) for name in rows))
