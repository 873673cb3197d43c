"""A line makes its connection again, subscribes again, and hurries no venue."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from exchanges.errors import NotSentError
from exchanges.feeds import line as line_module
from exchanges.feeds.korean import UpbitBooks
from exchanges.feeds.line import REFUSED, Door, Line
from tests.exchanges.feeds.speaking import OLDEST, WON


class OneLife(UpbitBooks):
    """Upbit, but that a connection may live a moment only."""

    limits = replace(UpbitBooks.limits, life_seconds=0.2)


@dataclass
class Heard:
    """A listener that keeps what it hears."""

    frames: list[bytes] = field(default_factory=list)
    ends: int = 0

    def heard(self, line: Line, frame: bytes) -> None:
        self.frames.append(frame)

    def ended(self, line: Line) -> None:
        self.ends += 1


@dataclass
class Venue:
    """A small server: what it was asked, and how it behaves."""

    url: str = ""
    asked: list[Any] = field(default_factory=list)
    turned_away: int = 0  # connections to refuse first
    closes: bool = False

    async def serve(self, socket: ServerConnection) -> None:
        async for message in socket:
            self.asked.append(json.loads(message))
            await socket.send(b"{}")
            if self.closes:
                await socket.close()

    def admit(self, socket: ServerConnection, request: Request) -> Response | None:
        if self.turned_away > 0:
            self.turned_away -= 1
            return socket.respond(HTTPStatus.TOO_MANY_REQUESTS, "")
        return None


@contextlib.asynccontextmanager
async def running(venue: Venue) -> AsyncIterator[Server]:
    async with serve(venue.serve, "127.0.0.1", 0, process_request=venue.admit) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        venue.url = f"ws://127.0.0.1:{port}/websocket/v1"
        yield server


def make(
    endpoint: Callable[[], str], listener: Heard, books: type[UpbitBooks] = UpbitBooks
) -> Line:
    return Line(
        books([WON], depth=5, oldest=OLDEST),
        [WON],
        endpoint=endpoint,
        door=Door(0.0),
        listener=listener,
        jitter=lambda: 0.01,
    )


def listening(
    venue: Venue, claim: Callable[[Heard], bool], *, books: type[UpbitBooks] = UpbitBooks
) -> Heard:
    """Run a line against a venue until a claim holds."""
    heard = Heard()

    async def run() -> None:
        async with running(venue):
            line = asyncio.create_task(make(lambda: venue.url, heard, books).run())
            async with asyncio.timeout(10):
                while not claim(heard):
                    await asyncio.sleep(0.01)
            line.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await line

    asyncio.run(run())
    return heard


def test_a_connection_that_the_venue_closes_is_made_again_and_asks_again() -> None:
    venue = Venue(closes=True)
    heard = listening(venue, lambda heard: heard.ends >= 3)
    assert len(venue.asked) >= 3
    assert all(message == venue.asked[0] for message in venue.asked)
    assert heard.frames[:3] == [b"{}"] * 3


def test_a_connection_ends_before_the_venue_would_end_it() -> None:
    venue = Venue()
    listening(venue, lambda heard: heard.ends >= 2, books=OneLife)
    assert len(venue.asked) >= 2


def test_an_address_that_is_not_known_yet_is_asked_for_again() -> None:
    venue, asked = Venue(), []
    heard = Heard()

    def endpoint() -> str:
        asked.append(time.monotonic())
        if len(asked) < 3:
            raise NotSentError("not yet", venue="upbit", operation="accounts")
        return venue.url

    async def run() -> None:
        async with running(venue):
            line = asyncio.create_task(make(endpoint, heard).run())
            async with asyncio.timeout(10):
                while not heard.frames:
                    await asyncio.sleep(0.01)
            line.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await line

    asyncio.run(run())
    assert len(asked) == 3
    assert heard.ends == 1  # what never opened never ended


def in_loop(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(work())


def test_a_venue_that_turns_us_away_is_left_alone_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(line_module, "REFUSED_PAUSE_SECONDS", 0.1)
    venue = Venue(turned_away=2)
    began = time.monotonic()
    listening(venue, lambda heard: bool(heard.frames))
    assert time.monotonic() - began >= 2 * 0.1 * 0.5


def test_pauses_double_with_each_failure_and_no_further_than_the_longest() -> None:
    async def work() -> None:
        line = make(lambda: "", Heard())
        line._jitter = lambda: 1.0
        pauses = []
        for failures in range(1, 12):
            line._failures = failures
            pauses.append(line._pause_seconds())
        assert pauses[:4] == [0.5, 1.0, 2.0, 4.0]
        assert pauses[-1] == line_module.LONGEST_PAUSE_SECONDS
        line._why = REFUSED
        assert line._pause_seconds() >= line_module.REFUSED_PAUSE_SECONDS

    in_loop(work)


def test_connections_of_a_venue_pass_its_door_one_by_one() -> None:
    async def work() -> None:
        door, began = Door(0.05), time.monotonic()
        passed: list[float] = []

        async def go() -> None:
            await door.pass_through()
            passed.append(time.monotonic() - began)

        await asyncio.gather(*(go() for _ in range(4)))
        assert passed == sorted(passed)
        assert passed[-1] >= 0.15

    in_loop(work)
