"""A venue call from its request to a value or an error: wait for a token, sign, send, judge, note, repeat.

What moves money is sent once; only when provably not one byte left is it tried again. Reads are
repeated a few times.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar

import structlog

from exchanges.errors import (
    KeptBackError,
    NotSentError,
    OutcomeUnknownError,
    RefusalReason,
    RefusedError,
    ThrottledError,
    VenueError,
)
from exchanges.lasting import lasting_seconds
from exchanges.metrics import note_clock_refusal, observe_call, observe_wait
from exchanges.transport import leaving
from exchanges.transport.budget import RateBudget, UsedUpError
from exchanges.transport.clock import VenueClock
from exchanges.transport.limits import Pace, priority_of, seconds_left
from exchanges.transport.verdicts import (
    LIMITER_STATUSES,
    Verdict,
    failure,
    is_walled,
    lost,
    retry_after,
    unreadable,
)
from exchanges.transport.wire import LostError, Reply, Request, Sender, SignedRequest

T = TypeVar("T")
ATTEMPTS = 3
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0  # a longer one is the caller's to plan: a worker holds a lease
LIMITER_PAUSE_SECONDS = {403: 60, 418: 60, 429: 1}  # where the venue names none; 403: a firewall

logger = structlog.get_logger(__name__)


class Dialect(Protocol):
    """What an adapter knows of its venue's wire."""

    venue: str

    def sign(self, request: Request) -> SignedRequest:
        """Make the bytes to send; called anew for every attempt, as stamps and nonces age."""

    def verdict(self, reply: Reply) -> Verdict:
        """Read an error body."""

    def pace(self, request: Request, reply: Reply) -> Pace:
        """Read the limiter's headers."""


class VenueTransport:
    """Makes calls in one venue's dialect. One instance belongs to one thread; budgets are shared.

    `measure` looks at the venue's clock and notes it in `venue_clock`; it is called when a stamp of
    ours was refused.
    """

    def __init__(  # noqa: PLR0913  one keyword per part that a call is made of
        self,
        dialect: Dialect,
        sender: Sender,
        *,
        clock: Callable[[], datetime],
        budget: RateBudget | None = None,
        venue_clock: VenueClock | None = None,
        measure: Callable[[], object] | None = None,
        deadline_seconds: float = 10,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._dialect = dialect
        self._sender = sender
        self._clock = clock
        self._budget = budget or RateBudget()
        self._venue_clock = venue_clock or VenueClock(dialect.venue, wall=clock)
        self._measure = measure
        self._deadline_seconds = deadline_seconds
        self._sleep = sleep
        self._jitter = jitter

    def call(self, request: Request, parse: Callable[[Reply], T]) -> T:
        """Make a call and give its parsed reply; raises a VenueError that says what to do next."""
        ends_at = lasting_seconds() + self._seconds_for(request)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._attempt(request, parse, ends_at)
            except VenueError as error:
                pause = self._pause_before_repeat(request, error, attempt)
                if pause is None or lasting_seconds() + pause >= ends_at:
                    raise
                self._sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def _seconds_for(self, request: Request) -> float:
        """Give how long a call may take. What moves money was intended in time for all of it."""
        left = math.inf if request.moves_money else seconds_left()
        if left <= 0:
            message = (
                f"{self._dialect.venue} {request.operation}: not sent (whoever asks is to end)"
            )
            raise NotSentError(message, venue=self._dialect.venue, operation=request.operation)
        return min(self._deadline_seconds, left)

    def close(self) -> None:
        """Give connections back."""
        self._sender.close()

    def _pause_before_repeat(
        self, request: Request, error: VenueError, attempt: int
    ) -> float | None:
        """Give seconds to pause before the same call again; None if it must not be repeated here."""
        pause = FIRST_PAUSE_SECONDS * (1 << (attempt - 1)) * (0.5 + self._jitter())
        if isinstance(error, RefusedError) and error.reason is RefusalReason.CLOCK:
            may_repeat = self._has_measured() and not request.moves_money
            return 0.0 if may_repeat and attempt < ATTEMPTS else None
        if attempt == ATTEMPTS or isinstance(error, RefusedError | KeptBackError):
            return None
        if isinstance(error, NotSentError):
            return None if self._objection(request) else pause
        if request.moves_money:
            return None
        if isinstance(error, ThrottledError):
            wait = self._budget.seconds_held(request.operation)
            return wait + pause if wait <= LONGEST_PAUSE_SECONDS else None
        return pause

    def _has_measured(self) -> bool:
        """Measure the venue's clock after it refused a stamp, unless that was done a moment ago."""
        note_clock_refusal(venue=self._dialect.venue)
        if not self._venue_clock.refused() or self._measure is None:
            return False
        try:
            self._measure()
        except VenueError:
            return False
        return True

    def _attempt(self, request: Request, parse: Callable[[Reply], T], ends_at: float) -> T:
        self._keep_pace(request, ends_at)
        started = time.monotonic()
        status: int | None = None
        error: VenueError | None = None
        try:
            reply = self._send(request, ends_at)
            status = reply.status
            self._note_pace(request, reply)
            self._venue_clock.look(reply)
            return self._judge(request, reply, parse)
        except VenueError as raised:
            error = raised
            raise
        finally:
            if request.is_signed and _took_our_stamp(status, error):
                self._venue_clock.accepted()
            self._note(request, status, error, time.monotonic() - started)

    def _keep_pace(self, request: Request, ends_at: float) -> None:
        """Wait for the call's tokens, as long as a worker may: a longer wait is the caller's to plan."""
        began = time.monotonic()
        priority = priority_of(request.operation, moves_money=request.moves_money)
        used_up: UsedUpError | None = None
        try:
            patience = max(min(LONGEST_PAUSE_SECONDS, ends_at - lasting_seconds()), 0.0)
            self._budget.take(request.operation, priority=priority, patience_seconds=patience)
        except UsedUpError as error:
            used_up = error
        observe_wait(
            venue=self._dialect.venue,
            group=used_up.group if used_up else self._budget.group_of(request.operation),
            priority=priority.word,
            seconds=time.monotonic() - began,
            went=used_up is None,
        )
        if used_up is not None:
            raise KeptBackError(
                f"{self._dialect.venue} {request.operation}: kept back, the venue's limit is used up",
                venue=self._dialect.venue,
                operation=request.operation,
                retry_after_seconds=math.ceil(used_up.seconds),
            )

    def _send(self, request: Request, ends_at: float) -> Reply:
        if objection := self._objection(request):
            message = f"{self._dialect.venue} {request.operation}: not sent ({objection})"
            raise NotSentError(message, venue=self._dialect.venue, operation=request.operation)
        left = ends_at - lasting_seconds()
        # A read that hangs leaves time for another try.
        most = self._deadline_seconds if request.moves_money else self._deadline_seconds / 2
        try:
            return self._sender.send(
                self._dialect.sign(request),
                deadline_seconds=max(min(left, most), 0.001),
                is_fresh=request.moves_money,
                objection=partial(self._objection, request),
            )
        except LostError as error:
            raise lost(self._dialect.venue, request, error) from None

    def _objection(self, request: Request) -> str:
        """Say why a request may not leave any more; nothing if it may."""
        if request.send_before is not None and self._clock() >= request.send_before:
            return "too late"
        return leaving.objection.get()() if request.moves_money else ""

    def _judge(self, request: Request, reply: Reply, parse: Callable[[Reply], T]) -> T:
        if not reply.is_success:
            raise failure(self._dialect.venue, request, reply, self._dialect.verdict(reply))
        if not reply.claims_json:
            raise unreadable(self._dialect.venue, request, "not JSON")
        try:
            return parse(reply)
        except (ValueError, ArithmeticError) as error:  # UnreadableError is a ValueError
            raise unreadable(self._dialect.venue, request, str(error)) from None

    def _note_pace(self, request: Request, reply: Reply) -> None:
        pace = self._dialect.pace(request, reply)
        turns_away = reply.status in LIMITER_STATUSES or is_walled(reply)
        if turns_away:
            told = retry_after(reply) or pace.hold_seconds or LIMITER_PAUSE_SECONDS[reply.status]
            pace = replace(pace, hold_seconds=max(pace.hold_seconds, told))
        self._budget.note(
            request.operation,
            pace,
            status=reply.status if turns_away else None,
            epoch_seconds=self._venue_clock.stamp().timestamp(),
        )

    def _note(
        self, request: Request, status: int | None, error: VenueError | None, seconds: float
    ) -> None:
        outcome = outcome_of(error)
        facts = {
            "venue": self._dialect.venue,
            "operation": request.operation,
            "method": request.method,
            "path": request.path,
            "status": status,
            "duration_ms": round(seconds * 1000),
            "outcome": outcome,
        }
        if error is not None:
            logger.warning("venue_call", error=str(error), **facts)
        elif request.moves_money:
            logger.info("venue_call", **facts)
        else:
            logger.debug("venue_call", **facts)
        observe_call(
            venue=self._dialect.venue,
            operation=request.operation,
            outcome=outcome,
            seconds=seconds,
        )


def _took_our_stamp(status: int | None, error: VenueError | None) -> bool:
    """Say whether a signed call got past the venue's check of its stamp."""
    if isinstance(error, RefusedError):
        return error.reason not in {RefusalReason.CLOCK, RefusalReason.KEY}
    return error is None and status is not None


def outcome_of(error: VenueError | None) -> str:
    """Give the word for an outcome: done, not_sent, throttled, refused or unknown."""
    names: tuple[tuple[type[VenueError], str], ...] = (
        (NotSentError, "not_sent"),
        (ThrottledError, "throttled"),
        (RefusedError, "refused"),
        (OutcomeUnknownError, "unknown"),
    )
    if error is None:
        return "done"
    return next((name for kind, name in names if isinstance(error, kind)), "unknown")
