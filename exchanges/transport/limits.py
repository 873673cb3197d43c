"""What a venue lets us ask and how often: its windows, what each operation draws from them, who goes first."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

DOOR = "*"  # the window of a scope that counts nothing and is closed by a ban


class Scope(StrEnum):
    """Whom a venue counts: the address that calls, or the account."""

    IP = "ip"
    ACCOUNT = "account"


class Priority(IntEnum):
    """Who goes first when there is not enough for all."""

    MONEY = 0  # moves money
    LOOKUP = 1  # settles what became of something that moved money
    POLL = 2  # looks whether something has happened
    DATA = 3  # market data

    @property
    def word(self) -> str:
        """Give it as metrics name it."""
        return self.name.lower()


DATA_OPERATIONS = frozenset({"book", "ticker", "instruments", "server_time"})
LOOKUP_OPERATIONS = frozenset({"order", "trades"})

# Set while a caller settles an unknown outcome: every read of it goes before polling.
is_settling: ContextVar[bool] = ContextVar("is_settling", default=False)
# When the caller is cut off, by the monotonic clock.
ends_by: ContextVar[float | None] = ContextVar("ends_by", default=None)


def seconds_left() -> float:
    """Give how long the caller may wait for venues in all."""
    end = ends_by.get()
    return math.inf if end is None else end - time.monotonic()


def priority_of(operation: str, *, moves_money: bool) -> Priority:
    """Give the priority of a call."""
    if moves_money:
        return Priority.MONEY
    if operation in LOOKUP_OPERATIONS or is_settling.get():
        return Priority.LOOKUP
    return Priority.DATA if operation in DATA_OPERATIONS else Priority.POLL


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One count of a venue: `limit` units (calls, or weight) in any `span_seconds`.

    `limit` is what is documented; what the venue itself tells takes its place. Only calls that move
    money may draw on all of it: lookups leave half of `reserve`, the others all of it. A `limit` of 0
    counts nothing: such a window can only be held.
    """

    group: str
    scope: Scope
    limit: int
    span_seconds: int = 1
    reserve: int = 0

    @property
    def key(self) -> tuple[str, Scope]:
        """Name it among the venue's windows."""
        return self.group, self.scope

    def kept_from(self, priority: Priority) -> int:
        """Give how much of the window a priority leaves to those before it."""
        shares = {Priority.MONEY: 0, Priority.LOOKUP: self.reserve // 2}
        return shares.get(priority, self.reserve)

    def ceiling(self, limit: int, priority: Priority) -> int:
        """Give how much of `limit` a priority may use up: half of it at least."""
        return max(limit - min(self.kept_from(priority), limit // 2), 1)


def door(scope: Scope) -> Window:
    """Give the window that a ban of a scope closes."""
    return Window(group=DOOR, scope=scope, limit=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What a reply says of the venue's limiter: the call's group, and seconds to pause it.

    `used` and `left` are counts by group, as the venue has them.
    """

    group: str = ""
    hold_seconds: float = 0.0
    used: Mapping[str, int] = field(default_factory=dict)
    left: Mapping[str, int] = field(default_factory=dict)


Costs = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueLimits:
    """A venue's windows, and what an operation draws from which; one not named costs `otherwise`."""

    windows: tuple[Window, ...] = ()
    costs: Mapping[str, Costs] = field(default_factory=dict)
    otherwise: Costs = ()

    def costs_of(self, operation: str) -> Costs:
        """Give (group, units) of an operation."""
        return self.costs.get(operation, self.otherwise)

    @property
    def scopes(self) -> frozenset[Scope]:
        """Give whom the venue counts at all."""
        return frozenset(window.scope for window in self.windows)

    def named(self, group: str) -> Window | None:
        """Find a window by its group."""
        return next((window for window in self.windows if window.group == group), None)
