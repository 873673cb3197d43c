"""Counts and times what a thread does with the database and with the venues."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from exchanges.metrics import VENUE_CALL_SECONDS

EXPLICIT = "explicit COMMITs"  # as figures name them
NAMED_BY_CHANCE = {"SAVEPOINT", "RELEASE"}
WRITTEN_TO = {"INSERT": ("INTO",), "UPDATE": ("UPDATE",)}  # what they write is read FROM elsewhere
ExecuteWrapper = Callable[..., Any]


@dataclass(slots=True)
class Meter:
    """Statements and explicit COMMITs of one connection; seconds are wall time spent waiting for the server.

    A statement outside of a transaction is durable once it is done, without a COMMIT: it counts as a query alone.
    """

    queries: int = 0
    sql_seconds: float = 0.0
    explicit_commits: int = 0
    commit_seconds: float = 0.0
    by_statement: Counter[str] = field(default_factory=Counter)

    def reset(self) -> None:
        """Begin to count anew."""
        self.queries, self.sql_seconds = 0, 0.0
        self.explicit_commits, self.commit_seconds = 0, 0.0
        self.by_statement.clear()

    def __call__(
        self, execute: ExecuteWrapper, sql: str, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        """Time one statement: a wrapper in the sense of Django's `execute_wrapper`."""
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.sql_seconds += time.perf_counter() - began
            self.queries += 1
            self.by_statement[shape(sql)] += 1


def shape(sql: str) -> str:
    """Give a statement's verb and table: enough to tell statements of a kind apart."""
    words = sql.replace('"', "").split()
    verb = words[0].upper()
    if verb in NAMED_BY_CHANCE:
        return verb
    for mark in WRITTEN_TO.get(verb, ("FROM", "INTO", "UPDATE")):
        if mark in words[:-1]:
            return f"{verb} {words[words.index(mark) + 1]}"
    return f"{verb} {words[1].split('(')[0]}" if len(words) > 1 else verb


@contextlib.contextmanager
def metered() -> Iterator[Meter]:
    """Meter this thread's connection for a block."""
    meter = Meter()
    wrapper: Any = connection  # Django has no hook for commits, only for statements
    commit = wrapper._commit

    def timed_commit() -> None:
        began = time.perf_counter()
        commit()
        meter.commit_seconds += time.perf_counter() - began
        meter.explicit_commits += 1

    wrapper._commit = timed_commit
    try:
        with connection.execute_wrapper(meter):
            yield meter
    finally:
        del wrapper._commit


def venue_calls() -> Counter[str]:
    """Give this process's venue calls so far by venue and operation."""
    found: Counter[str] = Counter()
    for family in VENUE_CALL_SECONDS.collect():
        for sample in family.samples:
            if sample.name.endswith("_count"):
                found[f"{sample.labels['venue']} {sample.labels['operation']}"] += int(sample.value)
    return found


def venue_totals() -> tuple[int, float]:
    """Give this process's venue calls so far, and the seconds they took."""
    calls, seconds = 0.0, 0.0
    for family in VENUE_CALL_SECONDS.collect():
        for sample in family.samples:
            calls += sample.value if sample.name.endswith("_count") else 0
            seconds += sample.value if sample.name.endswith("_sum") else 0
    return int(calls), seconds
