"""What the server spends on a step's two statements, by how many cycles share one: why commits are grouped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from cycles import conf
from cycles.domain.words import Channel, Role
from cycles.services import leasing, stepping
from cycles.services.intervening import Actor
from cycles.services.locking import MODE_LOCK
from tests import builders
from tests.benchmarks import durable, place, step_rows
from tests.benchmarks.findings import Figure, Findings

WARM = 2  # cycles that make the session's plans


@dataclass(frozen=True, slots=True)
class Told:
    """What a step sends, as texts of JSON arrays."""

    cycle: UUID
    intent: str
    settled: str


def run(*, cycles: int, sizes: Sequence[int]) -> Findings:
    """Take the first step of so many cycles for each size of a group."""
    with place.desk():
        actor = Actor(user=builders.person("bench", "administrator"), channel=Channel.COMMAND)
        durable.open_cycles(cycles * len(sizes) + WARM, actor)
        leases = leasing.claim(Role.INITIATOR, "bench", limit=cycles * len(sizes) + WARM)
        rows = [
            Told(lease.cycle_id, row["intent"], row["settled"])
            for lease, row in zip(leases, step_rows.buys_of(leases), strict=True)
        ]
        _settle(_intend(rows[:WARM]), rows[:WARM])
        figures: list[Figure] = []
        for number, size in enumerate(sizes):
            first = WARM + number * cycles
            figures += _figures(rows[first : first + cycles], size)
    return Findings(name="steps in groups", figures=tuple(figures), work={"cycles": cycles})


def _figures(rows: Sequence[Told], size: int) -> list[Figure]:
    """Write intents, then settlements, `size` in each statement; milliseconds of the server's CPU for one."""
    groups = [rows[at : at + size] for at in range(0, len(rows), size)]
    calls: dict[UUID, int] = {}

    def intend() -> None:
        for group in groups:
            calls.update(_intend(group))

    def settle() -> None:
        for group in groups:
            _settle(calls, group)

    return [
        Figure(what=f"{what}, {size} in a statement", value=_cpu_of(work) * 1000 / len(rows), unit="ms")
        for what, work in {"an intent": intend, "a settlement": settle}.items()
    ]  # fmt: skip


def _intend(group: Sequence[Told]) -> dict[UUID, int]:
    """Give each cycle's call."""
    told = _ask(stepping.INTEND, [MODE_LOCK, _joined(row.intent for row in group), len(group) == 1])
    assert len(told) == len(group)
    return {row[0]: row[3] for row in told}


def _settle(calls: dict[UUID, int], group: Sequence[Told]) -> None:
    texts = (row.settled.replace(str(step_rows.CALL), str(calls[row.cycle])) for row in group)
    told = _ask(stepping.SETTLE, [_joined(texts), conf.lease_seconds(), len(group) == 1])
    assert all(row[1] for row in told)


def _ask(statement: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def _joined(arrays: Iterable[str]) -> str:
    """Make one JSON array of several."""
    return "[" + ",".join(text.strip()[1:-1] for text in arrays) + "]"


def _cpu_of(work: Callable[[], None]) -> float:
    before = place.server_cpu_seconds()
    work()
    return place.server_cpu_seconds() - before
