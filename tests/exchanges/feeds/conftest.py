"""Feeds of this process over real sockets, against a simulator that can be told to misbehave."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from exchanges import registry, streams
from exchanges.feeds import venue_feed
from exchanges.feeds.hub import Feeds
from exchanges.feeds.states import Lack, NoBook, State
from exchanges.simulator.server import RunningSimulator, start_in_thread
from exchanges.values import Book, Market

WATCHED = {
    "upbit": [Market("XRP", "KRW"), Market("BTC", "KRW"), Market("USDT", "KRW")],
    "bithumb": [Market("XRP", "KRW"), Market("BTC", "KRW")],
    "binance": [Market("XRP", "USDT"), Market("BTC", "USDT")],
}
OLDEST = timedelta(seconds=1)  # a quiet book is confirmed after half of it
DEADLINE_SECONDS = 20.0


def eventually(claim: Callable[[], object]) -> None:
    """Poll until a claim holds; fail when it does not in time."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not claim():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@dataclass
class Streaming:
    """A running simulator and the feeds that listen to it."""

    running: RunningSimulator
    feeds: Feeds
    heard: list[State] = field(default_factory=list)

    def control(
        self, path: str, payload: dict[str, Any] | None = None, method: str = "POST"
    ) -> Any:
        """Speak to the simulator's control port."""
        body = None if payload is None else json.dumps(payload).encode()
        request = urllib.request.Request(
            self.running.control_url + path, data=body, method=method,
            headers={"Content-Type": "application/json"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.loads(reply.read() or b"null")

    def fault(self, action: str, venue: str, **rule: Any) -> None:
        """Let streams misbehave."""
        self.control("/control/faults", {"fault": "F35", "action": action, "venue": venue} | rule)

    def heal(self) -> None:
        """Lift all faults."""
        self.control("/control/faults", method="DELETE")

    def state(self, venue: str, market: Market) -> State:
        """Give the newest state of a market."""
        return self.feeds.state(venue, market)

    def has_books(self, *venues: str) -> bool:
        """Say whether every watched market (of these venues) has a book."""
        return all(
            isinstance(self.state(venue, market), Book)
            for venue in venues or WATCHED
            for market in WATCHED[venue]
        )

    def lacks(self, venue: str) -> set[Lack]:
        """Give the reasons for having no book that were told of a venue."""
        return {s.lack for s in self.heard if isinstance(s, NoBook) and s.venue == venue}

    def is_right(self, venue: str, market: Market) -> bool:
        """Say whether a streamed book is the venue's own; the world must stand still."""
        state = self.state(venue, market)
        truth = registry.adapter(venue).book(market, depth=30)
        return isinstance(state, Book) and _both(state) == _both(truth)

    def are_right(self, *venues: str) -> bool:
        """Say so of all watched markets."""
        return all(
            self.is_right(venue, market) for venue in venues or WATCHED for market in WATCHED[venue]
        )

    def stand_still(self) -> None:
        """Let the simulated world stand still."""
        self.control("/control/clock", {"freeze": True})


def _both(book: Book) -> tuple[Any, Any]:
    return tuple(book.bids), tuple(book.asks)


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    """Run the venues; books change four times a second."""
    with start_in_thread(seed=3, speed=60, scenario="unlimited") as running:
        yield running


@pytest.fixture
def streaming(
    simulator: RunningSimulator, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Streaming]:
    """Stream the watched books of a world of this test's own, by a feed of little patience."""
    monkeypatch.setattr(venue_feed, "GRACE_SECONDS", 0.4)
    monkeypatch.setattr(venue_feed, "ENDING_SECONDS", 0.2)
    settings.KIMP_SIMULATOR_URL = simulator.control_url
    registry.configure(database_is_live=False)
    heard: list[State] = []
    feeds = streams.start(heard.append)
    streaming = Streaming(simulator, feeds, heard)
    streaming.control("/control/reset", {"seed": 3, "speed": "60", "scenario": "unlimited"})
    streaming.heal()
    feeds.watch(WATCHED, oldest=OLDEST)
    yield streaming
    streams.stop(feeds)
    registry.forget()
