"""The two retry ladders: delays by attempt, with full jitter from a source that is passed in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Protocol

from cycles.domain.states import HOPELESS
from cycles.domain.words import FailureClass


class Jitter(Protocol):
    """A source of randomness: `random.Random` is one."""

    def uniform(self, a: float, b: float, /) -> float:
        """Give a number between a and b."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """How long to wait before attempt n, and after how many to give up. Seconds, policy time."""

    base_seconds: int
    cap_seconds: int
    attempts: int

    def ceiling_seconds(self, attempt: int) -> int:
        """Give the longest delay before `attempt` (1 is the first retry)."""
        return min(self.cap_seconds, self.base_seconds << min(attempt - 1, 30))

    def delay(self, attempt: int, *, jitter: Jitter, time_scale: Decimal) -> timedelta:
        """Draw the delay before `attempt`: full jitter over the ceiling, wall time."""
        ceiling_ms = int(self.ceiling_seconds(attempt) * 1000 / time_scale)
        return timedelta(milliseconds=int(jitter.uniform(0, ceiling_ms)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryDecision:
    """Whether to try again, when, and out of how many."""

    retry: bool
    delay: timedelta
    max_retries: int


def retry_decision(
    failure: FailureClass,
    *,
    attempt: int,
    exposed: bool,
    calm: Ladder,
    urgent: Ladder,
    jitter: Jitter,
    time_scale: Decimal,
) -> RetryDecision:
    """Decide on attempt number `attempt` (1-based): the urgent ladder while coins are held."""
    ladder = urgent if exposed else calm
    if failure in HOPELESS or attempt > ladder.attempts:
        return RetryDecision(retry=False, delay=timedelta(), max_retries=ladder.attempts)
    delay = ladder.delay(attempt, jitter=jitter, time_scale=time_scale)
    return RetryDecision(retry=True, delay=delay, max_retries=ladder.attempts)
