"""Streamed books of the venues this process works with, live or simulated, as the registry has them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from exchanges import registry
from exchanges.feeds.hub import Feeds, Source
from exchanges.feeds.states import State
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


def _source(code: str) -> Source:
    return Source(
        venue=code,
        base_url=partial(registry.stream_url, code),
        read_book=partial(_read, code),
        release=registry.release,
    )


def _read(code: str, market: Market, depth: int) -> Book:
    return registry.venue(code).book(market, depth=depth)
