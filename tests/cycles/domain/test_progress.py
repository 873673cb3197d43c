"""How a cycle goes on when a venue told nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cycles.domain.progress import Turn, not_asked
from cycles.domain.words import FailureClass
from exchanges.errors import NotSentError, OutcomeUnknownError, ThrottledError, VenueError


@pytest.mark.parametrize(("told", "seconds"), [(None, 1), (0, 1), (7, 7), (86_400, 60)])
def test_a_venues_limiter_costs_time_and_no_retry(told: int | None, seconds: int) -> None:
    error = ThrottledError(
        "429", venue="binance", operation="withdrawals", retry_after_seconds=told
    )
    progress = not_asked("binance", error)
    assert (progress.turn, progress.wait) == (Turn.WAIT, timedelta(seconds=seconds))


@pytest.mark.parametrize("kind", [NotSentError, OutcomeUnknownError])
def test_a_venue_that_does_not_answer_is_a_failure(kind: type[VenueError]) -> None:
    progress = not_asked("upbit", kind("silent", venue="upbit", operation="order"))
    assert (progress.turn, progress.failure) == (Turn.FAIL, FailureClass.TRANSIENT)
    assert "upbit could not be asked" in progress.reason
