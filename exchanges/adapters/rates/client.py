"""The port RateSource, spoken to public services that need no key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Protocol
from urllib.parse import urlencode

from exchanges.adapters.rates import cadence, payloads
from exchanges.errors import RefusalReason, RefusedError
from exchanges.transport.calls import VenueTransport
from exchanges.transport.http import HttpSender
from exchanges.transport.limits import Pace
from exchanges.transport.plain import split_url
from exchanges.transport.verdicts import Verdict
from exchanges.transport.wire import Reply, Request, SignedRequest
from exchanges.values import RateQuote

FRANKFURTER = "frankfurter"
OPEN_ER_API = "open-er-api"
EXIMBANK = "eximbank"
DEADLINE_SECONDS = 5  # a source that hangs must not keep the others waiting


class Parse(Protocol):
    """How a source's reply is read."""

    def __call__(self, body: bytes, *, source: str, now: datetime) -> RateQuote:
        """Read KRW per USD."""


class RateDialect:
    """Plain reads: nothing to sign, no codes, no limiter headers."""

    def __init__(self, source: str, target: str) -> None:
        self.venue = source
        self._target = target

    def aim(self, target: str) -> None:
        """Send the next request there."""
        self._target = target

    def sign(self, request: Request) -> SignedRequest:
        """Send path and query as they were set: the query may hold a key, so it is not logged."""
        return SignedRequest(method=request.method, target=self._target)

    def verdict(self, reply: Reply) -> Verdict:
        """Name the status only."""
        return Verdict(code=str(reply.status))

    def pace(self, request: Request, reply: Reply) -> Pace:
        """Name no limits."""
        return Pace()


class OfficialRate:
    """One source of the official rate, at one URL."""

    def __init__(self, code: str, url: str, parse: Parse, *, clock: Callable[[], datetime]) -> None:
        self.code = code
        base, target = split_url(url)
        self._path = target.partition("?")[0]
        self._parse = parse
        self._clock = clock
        self._transport = VenueTransport(
            RateDialect(code, target),
            HttpSender(base),
            clock=clock,
            deadline_seconds=DEADLINE_SECONDS,
        )

    def usd_krw(self) -> RateQuote:
        """Read KRW per USD with the source's own instant."""
        request = Request(operation="usd_krw", method="GET", path=self._path)
        return self._transport.call(
            request,
            lambda reply: self._parse(reply.body, source=self.code, now=self._clock()),
        )

    def close(self) -> None:
        """Give connections back."""
        self._transport.close()


class Eximbank:
    """Korea Eximbank's daily fixing, by a key of one's own; a day without one is a holiday."""

    code = EXIMBANK

    def __init__(self, url: str, key: str, *, clock: Callable[[], datetime]) -> None:
        base, self._path = split_url(url)
        self._key, self._clock = key, clock
        self._dialect = RateDialect(EXIMBANK, self._path)
        self._transport = VenueTransport(
            self._dialect, HttpSender(base), clock=clock, deadline_seconds=DEADLINE_SECONDS
        )

    def usd_krw(self) -> RateQuote:
        """Read the newest fixing: days are asked for from today back until one has it."""
        for day in cadence.eximbank_days(self._clock()):
            quote = self._of(day)
            if quote is not None:
                return quote
        raise RefusedError(
            "eximbank: no fixing for longer than any holiday lasts",
            venue=EXIMBANK,
            operation="usd_krw",
            reason=RefusalReason.OTHER,
            code="none",
        )

    def _of(self, day: date) -> RateQuote | None:
        asked = {"authkey": self._key, "searchdate": f"{day:%Y%m%d}", "data": "AP01"}
        self._dialect.aim(f"{self._path}?{urlencode(asked)}")
        return self._transport.call(
            Request(operation="usd_krw", method="GET", path=self._path),
            lambda reply: payloads.eximbank(
                reply.body, source=EXIMBANK, day=day, now=self._clock()
            ),
        )

    def close(self) -> None:
        """Give connections back."""
        self._transport.close()


def frankfurter(url: str, *, clock: Callable[[], datetime]) -> OfficialRate:
    """Make the ECB's rate as frankfurter serves it."""
    return OfficialRate(FRANKFURTER, url, payloads.frankfurter, clock=clock)


def open_er_api(url: str, *, clock: Callable[[], datetime]) -> OfficialRate:
    """Make open.er-api's daily rate."""
    return OfficialRate(OPEN_ER_API, url, payloads.open_er_api, clock=clock)
