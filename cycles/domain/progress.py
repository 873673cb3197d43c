"""What driving a cycle one unit further came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any

from cycles.domain.words import FailureClass
from exchanges.errors import RefusalReason, RefusedError, ThrottledError, VenueError

LONGEST_THROTTLE_SECONDS = 60  # then look again, whatever a ban says
CLOCK_SECONDS = 2  # it was measured anew; while that does not help, nothing is intended


class Turn(Enum):
    """What to do with the cycle next."""

    GO_ON = "go on"
    WAIT = "wait"
    FAIL = "fail"
    END = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One unit's result. `wait` is wall time; `context` goes into the retry history.

    `is_handed_back`: the cycle was, in the unit's own last commit; `is_written`: so was its failure.
    """

    turn: Turn
    wait: timedelta = timedelta(0)
    failure: FailureClass = FailureClass.TRANSIENT
    reason: str = ""
    context: dict[str, Any] = field(default_factory=dict)
    is_handed_back: bool = False
    is_written: bool = False


GO_ON = Progress(turn=Turn.GO_ON)
END = Progress(turn=Turn.END)


def waiting(delay: timedelta, reason: str = "", *, is_handed_back: bool = False) -> Progress:
    """Look again after `delay`."""
    return Progress(turn=Turn.WAIT, wait=delay, reason=reason, is_handed_back=is_handed_back)


def failed(failure: FailureClass, reason: str, **context: Any) -> Progress:
    """Let the retry ladder decide."""
    return Progress(turn=Turn.FAIL, failure=failure, reason=reason, context=context)


def unprocessed_for(error: VenueError) -> int | None:
    """Give the seconds to wait after a call that a venue certainly did not process; None: it may have.

    Its limiter turned it away, or refused our stamp: that costs time, never a retry.
    """
    if isinstance(error, ThrottledError):
        return min(max(error.retry_after_seconds or 1, 1), LONGEST_THROTTLE_SECONDS)
    if isinstance(error, RefusedError) and error.reason is RefusalReason.CLOCK:
        return CLOCK_SECONDS
    return None


def not_asked(venue: str, error: VenueError) -> Progress:
    """Say how to go on when a venue told nothing. A key that may not even read is no passing trouble."""
    seconds = unprocessed_for(error)
    if seconds is not None:
        return waiting(timedelta(seconds=seconds), f"{venue} did not take the call: {error}")
    told = f"{venue} could not be asked: {error}"
    if isinstance(error, RefusedError) and error.reason is RefusalReason.KEY:
        return failed(FailureClass.KEY_REJECTED, told, refusal=error.reason.value, venue=venue)
    return failed(FailureClass.TRANSIENT, told)
