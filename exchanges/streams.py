"""Streamed books of the venues this process works with, live or simulated, as the registry has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from exchanges import official, registry
from exchanges.feeds.account import Account, AccountStream
from exchanges.feeds.hub import Feeds, Source
from exchanges.feeds.states import State
from exchanges.hints import Hint
from exchanges.port import Venue
from exchanges.values import Book, Market


def start(
    listener: Callable[[State], None] = lambda state: None,
    settled: Callable[[], None] = lambda: None,
) -> Feeds:
    """Start the feeds of all venues and let `registry.book` look at them; `stop` ends both."""
    sources = [_source(code) for code in registry.VENUES]
    feeds = Feeds(sources, clock=registry.utc_now, listener=listener, settled=settled)
    feeds.start()
    registry.use_streams(feeds)
    return feeds


def stop(feeds: Feeds) -> None:
    """End the feeds; books are read again."""
    registry.use_streams(None)
    feeds.stop()


def listen(code: str, tell: Callable[[Hint], None]) -> AccountStream:
    """Listen to the private stream of a venue's account; what it hints at is told in its own thread.

    It speaks the venue's own names.
    """
    account = Account(
        venue=code,
        endpoint=lambda: (
            registry.account_stream_url(code),
            registry.adapter(code).stream_request(),
        ),
        hint=lambda frame: registry.adapter(code).hint(frame),
        release=registry.release,
    )
    stream = AccountStream(account, tell)
    stream.start()
    return stream


def public_sources(places: Mapping[str, str]) -> list[Source]:
    """Give the public feeds of venues: at an address each, or where they really are (""), without keys."""
    return [_PublicPlace(code, url).source() for code, url in places.items()]


class _PublicPlace:
    """Where one venue's public data is; the adapter belongs to the thread that first reads."""

    def __init__(self, code: str, url: str) -> None:
        self._code, self._rest = code, url or official.REST[code]
        self._stream = (url or official.STREAMS[code]).rstrip("/").replace("http", "ws", 1)
        self._venue: Venue | None = None

    def source(self) -> Source:
        return Source(
            venue=self._code,
            base_url=lambda: self._stream,
            read_book=self._read,
            release=self._release,
        )

    def _read(self, market: Market, depth: int) -> Book:
        if self._venue is None:
            self._venue = registry.public_venue(self._code, self._rest)
        return self._venue.book(market, depth=depth)

    def _release(self) -> None:
        if self._venue is not None:
            self._venue.close()


def _source(code: str) -> Source:
    return Source(
        venue=code,
        base_url=partial(registry.stream_url, code),
        read_book=partial(_read, code),
        release=registry.release,
    )


def _read(code: str, market: Market, depth: int) -> Book:
    return registry.adapter(code).book(market, depth=depth)
