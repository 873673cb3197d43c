"""Counting so that no stretch of a window's length ever holds more than its limit, however a venue counts.

Time is cut into slots, an eighth of the window each. Tokens are spent in the slot that they count in,
or a moment before it, and count for ten slots: a stretch of one window touches nine of them, the tenth
is for that moment and for calls that arrive late. So it does not matter where the venue's own windows
begin, or whether they slide.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from exchanges.transport.limits import Priority, Scope, Window

PARTS = 8  # slots of a window's length
COUNTED = PARTS + 2  # slots that count


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a process wants of one window: `least` or nothing, `needed` by calls that wait now.

    `wanted` may be more, for calls that are likely to follow. `seen` is what the venue said was used.
    `waited_seconds`: how long the call has waited that waits longest.
    With less than `haste_seconds` left of a slot, the next one is meant: tokens must outlive the way back.
    """

    window: Window
    priority: Priority
    least: int = 0
    needed: int = 0
    wanted: int = 0
    seen: int = 0
    haste_seconds: float = 0.0
    waited_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What it got: tokens good for `seconds`; or none, and the seconds after which to ask again.

    `limit` and `used` are the window's as the store knows it.
    """

    tokens: int = 0
    seconds: float = 0.0
    held_seconds: float = 0.0
    limit: int = 0
    used: int = 0


class StoreAwayError(Exception):
    """The store does not answer: go on with the process's own share."""


class BudgetStore(Protocol):
    """Where the tokens of a venue's windows are kept."""

    def take(self, venue: str, asks: Sequence[Ask]) -> Sequence[Grant]:
        """Take tokens, one grant for each ask; raises StoreAwayError."""

    def hold(self, venue: str, window: Window, *, seconds: float, cause: str) -> None:
        """Let nobody take from a window for a while."""

    def learn(self, venue: str, window: Window, limit: int) -> None:
        """Keep a limit that the venue told."""


@dataclass(slots=True)
class SlidingCount:
    """What was used of one window, by slot, the newest first. The caller brings the time, in seconds."""

    span_seconds: float
    slot: int = 0
    used: list[int] = field(default_factory=lambda: [0] * COUNTED)

    @property
    def slot_seconds(self) -> float:
        """Give the length of a slot."""
        return self.span_seconds / PARTS

    @property
    def total(self) -> int:
        """Give what counts now."""
        return sum(self.used)

    def reach(self, now: float) -> None:
        """Let the slots pass that have."""
        slot = int(now // self.slot_seconds)
        passed = min(max(slot - self.slot, 0), COUNTED)
        if passed:
            self.used = [0] * passed + self.used[: COUNTED - passed]
            self.slot = slot

    def seconds_left(self, now: float) -> float:
        """Give how long this slot lasts."""
        return max((self.slot + 1) * self.slot_seconds - now, 0.0)

    def seconds_until(self, room: int, ceiling: int, now: float) -> float:
        """Give when there will be room, if nobody else takes it: the end of some slot."""
        left = self.total
        for passed in range(COUNTED):
            left -= self.used[COUNTED - 1 - passed]
            if ceiling - left >= room:
                break
        return self.seconds_left(now) + passed * self.slot_seconds


class MemoryStore:
    """The tokens of one process, for want of a database: a share of what the venue allows.

    `lets_money_pass`: what moves money is counted and never kept waiting.
    """

    def __init__(
        self,
        *,
        parts_of_limit: int = 1,
        lets_money_pass: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parts_of_limit = parts_of_limit
        self._lets_money_pass = lets_money_pass
        self._monotonic = monotonic
        self._guard = threading.Lock()
        self._counts: dict[tuple[str, str, Scope], SlidingCount] = {}
        self._limits: dict[tuple[str, str, Scope], int] = {}

    def take(self, venue: str, asks: Sequence[Ask]) -> Sequence[Grant]:
        """Take tokens of this process's share."""
        now = self._monotonic()
        with self._guard:
            return [self._grant((venue, *ask.window.key), ask, now) for ask in asks]

    def hold(self, venue: str, window: Window, *, seconds: float, cause: str) -> None:
        """Keep nothing: whoever asks here knows of its holds itself."""

    def learn(self, venue: str, window: Window, limit: int) -> None:
        """Keep a limit that the venue told."""
        with self._guard:
            self._limits[venue, *window.key] = limit

    def _grant(self, key: tuple[str, str, Scope], ask: Ask, now: float) -> Grant:
        limit = self._limits.get(key, ask.window.limit)
        if not limit:
            return Grant()
        count = self._counts.setdefault(key, SlidingCount(ask.window.span_seconds))
        count.reach(now + min(ask.haste_seconds, count.slot_seconds))
        if self._parts_of_limit == 1:  # what all have used says nothing of a share
            count.used[0] += max(ask.seen - count.total, 0)
        ceiling = max(ask.window.ceiling(limit, ask.priority) // self._parts_of_limit, 1)
        if ask.priority is Priority.MONEY and self._lets_money_pass:
            tokens = ask.wanted
        else:
            tokens = _fitting(ask, ceiling, count.total)
        count.used[0] += tokens
        has_enough = tokens >= ask.least
        seconds = (
            count.seconds_left(now) if has_enough else count.seconds_until(ask.least, ceiling, now)
        )
        return Grant(tokens=tokens, seconds=seconds, limit=limit, used=count.total)


def _fitting(ask: Ask, ceiling: int, total: int) -> int:
    """Give how many tokens an ask gets; a call dearer than the ceiling goes when nothing else counts."""
    room = ceiling - total
    if not total and ask.least > room:
        return ask.least
    tokens = min(ask.wanted, room)
    return max(tokens, 0) if tokens >= ask.least else 0
