"""The two ladders: ceilings, caps, attempts, full jitter, the demonstration's time scale."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from cycles.domain.backoff import Ladder, RetryDecision, retry_decision
from cycles.domain.states import HOPELESS
from cycles.domain.words import FailureClass

CALM = Ladder(base_seconds=300, cap_seconds=6 * 3600, attempts=3)
URGENT = Ladder(base_seconds=2, cap_seconds=60, attempts=10)


class Highest:
    """Draws the upper bound."""

    def uniform(self, a: float, b: float, /) -> float:
        """Give b."""
        return b


def decide(failure: FailureClass, *, attempt: int, exposed: bool = False) -> RetryDecision:
    """Ask with the longest delay."""
    return retry_decision(
        failure,
        attempt=attempt,
        exposed=exposed,
        calm=CALM,
        urgent=URGENT,
        jitter=Highest(),
        time_scale=Decimal(1),
    )


@pytest.mark.parametrize(
    ("attempt", "minutes"),
    [(1, 5), (2, 10), (3, 20), (4, 40), (7, 320), (8, 360), (20, 360), (99, 360)],
)
def test_the_calm_ladder_doubles_from_five_minutes_to_six_hours(attempt: int, minutes: int) -> None:
    assert CALM.ceiling_seconds(attempt) == minutes * 60


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 2), (2, 4), (3, 8), (4, 16), (5, 32), (6, 60), (10, 60)]
)
def test_the_urgent_ladder_doubles_from_two_seconds_to_one_minute(
    attempt: int, seconds: int
) -> None:
    assert URGENT.ceiling_seconds(attempt) == seconds


def test_coins_in_hand_take_the_urgent_ladder() -> None:
    calm = decide(FailureClass.TRANSIENT, attempt=1)
    urgent = decide(FailureClass.TRANSIENT, attempt=1, exposed=True)
    assert (calm.delay, calm.max_retries) == (timedelta(minutes=5), 3)
    assert (urgent.delay, urgent.max_retries) == (timedelta(seconds=2), 10)


@pytest.mark.parametrize(("exposed", "last"), [(False, 3), (True, 10)])
def test_a_ladder_ends_after_its_attempts(exposed: bool, last: int) -> None:
    assert decide(FailureClass.TRANSIENT, attempt=last, exposed=exposed).retry
    assert not decide(FailureClass.TRANSIENT, attempt=last + 1, exposed=exposed).retry


@pytest.mark.parametrize("failure", list(FailureClass))
def test_only_the_hopeless_are_not_tried_again(failure: FailureClass) -> None:
    assert decide(failure, attempt=1).retry is (failure not in HOPELESS)


@given(attempt=st.integers(1, 12), seed=st.integers())
def test_jitter_is_full_and_stays_below_the_ceiling(attempt: int, seed: int) -> None:
    delay = CALM.delay(attempt, jitter=random.Random(seed), time_scale=Decimal(1))
    assert timedelta(0) <= delay <= timedelta(seconds=CALM.ceiling_seconds(attempt))


def test_jitter_reaches_both_halves_of_the_range() -> None:
    source = random.Random(1)
    drawn = [
        CALM.delay(1, jitter=source, time_scale=Decimal(1)).total_seconds() for _ in range(100)
    ]
    assert min(drawn) < 150 < max(drawn)


def test_the_time_scale_divides_the_delay() -> None:
    delay = CALM.delay(1, jitter=Highest(), time_scale=Decimal(1000))
    assert delay == timedelta(milliseconds=300)
