"""The threads of the feeds go on after what nobody foresaw, and nobody waits for ever for one of them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from exchanges import trouble
from exchanges.feeds import hub
from exchanges.feeds.hub import Feeds, Source
from exchanges.feeds.reader import ReadBook, Reader
from exchanges.values import Book, Market
from tests.exchanges.feeds.conftest import eventually

XRP = Market("XRP", "KRW")
ADDRESS = "ws://127.0.0.1:1"  # nobody listens there


@pytest.mark.parametrize("error", [StopIteration, KeyError])
def test_a_read_that_ends_in_anything_is_answered(error: type[Exception]) -> None:
    """A future takes no StopIteration."""

    def read(market: Market, depth: int) -> Book:
        raise error

    async def ask() -> None:
        reader = Reader("upbit", read, lambda: None)
        try:
            for _ in range(2):  # the thread is there for the next one, too
                await asyncio.wait_for(reader.read(XRP, 15), 10)
        finally:
            reader.close()

    with pytest.raises(Exception) as raised:  # noqa: PT011  which one is not the claim
        asyncio.run(ask())
    assert not isinstance(raised.value, TimeoutError)


def feeds(read: ReadBook) -> Feeds:
    source = Source(
        venue="upbit", base_url=lambda: ADDRESS, read_book=read, release=lambda: None
    )  # fmt: skip
    return Feeds([source], clock=lambda: datetime.now(UTC))


class BrokenClock:
    """Breaks whoever asks for the time, some times."""

    def __init__(self, times: int) -> None:
        self.left, self.asked = times, 0

    def __call__(self) -> datetime:
        self.asked += 1
        if self.left:
            self.left -= 1
            raise KeyError("nobody foresaw this")
        return datetime.now(UTC)


def test_a_feed_that_breaks_again_while_its_books_are_taken_away_begins_anew(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(trouble, "FIRST_PAUSE", timedelta(milliseconds=1))
    monkeypatch.setattr(trouble, "LONGEST_PAUSE", timedelta(milliseconds=1))
    monkeypatch.setattr(hub, "BROKEN_PAUSE_SECONDS", 0.01)
    clock = BrokenClock(9)
    source = Source(
        venue="upbit",
        base_url=lambda: ADDRESS,
        read_book=lambda market, depth: (_ for _ in ()).throw(KeyError("a bug")),
        release=lambda: None,
    )
    streaming = Feeds([source], clock=clock)
    streaming.start()
    try:
        streaming.watch({"upbit": [XRP]}, oldest=timedelta(seconds=5))
        eventually(lambda: clock.asked > 20)
    finally:
        streaming.stop()


def test_a_feed_that_breaks_again_and_again_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(trouble, "FIRST_PAUSE", timedelta(milliseconds=1))
    monkeypatch.setattr(trouble, "LONGEST_PAUSE", timedelta(milliseconds=1))
    monkeypatch.setattr(hub, "BROKEN_PAUSE_SECONDS", 0.01)
    reads: list[Market] = []

    def read(market: Market, depth: int) -> Book:
        reads.append(market)
        raise KeyError("nobody foresaw this")

    streaming = feeds(read)
    streaming.start()
    try:
        streaming.watch({"upbit": [XRP]}, oldest=timedelta(seconds=5))
        eventually(lambda: len(reads) > 4)
    finally:
        streaming.stop()
    assert caplog.text.count("stream.broken") == 1
