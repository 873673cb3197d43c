"""Stores of tokens: the database's and a process's own, on a clock that the test moves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest
from django.db import connection

from exchanges.models import RateWindow
from exchanges.transport.limits import Priority, Scope, Window
from exchanges.transport.windows import Ask, Grant, MemoryStore

START = datetime(2026, 11, 26, 3, tzinfo=UTC)
ORDERS = Window(group="order", scope=Scope.ACCOUNT, limit=12)


def wants(
    units: int = 1,
    *,
    window: Window = ORDERS,
    priority: Priority = Priority.POLL,
    least: int = 1,
    seen: int = 0,
    spare: int = 0,
    haste: float = 0.0,
    waited: float = 0.0,
) -> Ask:
    return Ask(
        window=window,
        priority=priority,
        least=least,
        needed=units,
        wanted=units + spare,
        seen=seen,
        haste_seconds=haste,
        waited_seconds=waited,
    )


class Clerk(Protocol):
    """A store on a clock of the test's own."""

    now: float

    def take(self, *asks: Ask, who: str = "one") -> Sequence[Grant]:
        """Take tokens as a process of that name."""


class MemoryClerk:
    def __init__(self) -> None:
        self.now = 1000.0
        self.store = MemoryStore(monotonic=lambda: self.now)

    def take(self, *asks: Ask, who: str = "one") -> Sequence[Grant]:
        return self.store.take("upbit", asks)


@dataclass
class DatabaseClerk:
    """Calls the function as the store does, but for its clock; in the test's own transaction."""

    now: float = 1000.0

    def take(self, *asks: Ask, who: str = "one") -> Sequence[Grant]:
        rows = [
            {
                "place": place, "venue": "upbit", "name": ask.window.group,
                "scope": ask.window.scope.value, "span_ms": ask.window.span_seconds * 1000,
                "most": ask.window.limit, "kept": ask.window.kept_from(ask.priority),
                "rank": int(ask.priority), "least": ask.least, "needed": ask.needed,
                "wanted": ask.wanted, "seen": ask.seen,
                "haste_ms": round(ask.haste_seconds * 1000),
                "waited_ms": round(ask.waited_seconds * 1000),
            }
            for place, ask in enumerate(asks)
        ]  # fmt: skip
        at = START + timedelta(seconds=self.now)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT * FROM exchanges_take_tokens(%s, %s, %s)", [who, json.dumps(rows), at]
            )
            found = {row[0]: row for row in cursor.fetchall()}
        return [
            Grant(
                tokens=found[place][1],
                seconds=found[place][2] / 1000,
                held_seconds=found[place][3] / 1000,
                limit=found[place][4],
                used=found[place][5],
            )
            for place in range(len(asks))
        ]


@pytest.fixture(params=["memory", pytest.param("database", marks=pytest.mark.django_db)])
def clerk(request: pytest.FixtureRequest) -> Clerk:
    """Give each store in turn: both count alike."""
    if request.param == "memory":
        return MemoryClerk()
    forget_other_tests()
    return DatabaseClerk()


@pytest.fixture
def desk(db: None) -> DatabaseClerk:
    """Give the database's store, for what only several processes show."""
    forget_other_tests()
    return DatabaseClerk()


def forget_other_tests() -> None:
    """Delete what calls of other tests left: their connections of their own commit what they take."""
    RateWindow.objects.all().delete()
