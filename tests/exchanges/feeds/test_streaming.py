"""Feeds over real sockets: right books, whatever the streams do (F35), and requests where they are silent."""

from __future__ import annotations

from datetime import timedelta

import pytest

from exchanges import registry
from exchanges.feeds.states import Lack, NoBook
from exchanges.values import Book, Market
from tests.exchanges.feeds.conftest import OLDEST, WATCHED, Streaming, eventually

XRP = {
    "upbit": Market("XRP", "KRW"),
    "bithumb": Market("XRP", "KRW"),
    "binance": Market("XRP", "USDT"),
}
VENUES = ["upbit", "binance"]  # Bithumb streams as Upbit does


def test_every_watched_market_has_the_venues_own_book(streaming: Streaming) -> None:
    eventually(streaming.has_books)
    streaming.stand_still()
    eventually(streaming.are_right)


def test_books_follow_the_market(streaming: Streaming) -> None:
    eventually(streaming.has_books)
    first = {venue: streaming.state(venue, market) for venue, market in XRP.items()}
    for venue, market in XRP.items():
        eventually(lambda v=venue, m=market: streaming.state(v, m) != first[v])  # type: ignore[misc]  # bound now


@pytest.mark.parametrize("action", ["gap", "duplicate", "reorder"])
@pytest.mark.parametrize("venue", VENUES)
def test_lost_doubled_and_swapped_frames_leave_no_wrong_level(
    streaming: Streaming, venue: str, action: str
) -> None:
    eventually(streaming.has_books)
    streaming.fault(action, venue, when={"prob": 0.5} if action == "gap" else "always")
    seen = len(streaming.heard)
    eventually(lambda: len(streaming.heard) > seen + 30)
    streaming.heal()
    streaming.stand_still()
    eventually(lambda: streaming.are_right(venue))
    if (venue, action) == ("binance", "gap"):
        assert Lack.GAP in streaming.lacks("binance")


@pytest.mark.parametrize("venue", VENUES)
def test_a_connection_that_breaks_is_made_again_with_its_subscriptions(
    streaming: Streaming, venue: str
) -> None:
    eventually(streaming.has_books)
    streaming.fault("disconnect", venue, args={"seconds": 0}, when="once")
    eventually(lambda: Lack.DISCONNECTED in streaming.lacks(venue))
    streaming.heal()
    eventually(lambda: streaming.has_books(venue))
    streaming.stand_still()
    eventually(lambda: streaming.are_right(venue))


@pytest.mark.parametrize("venue", VENUES)
def test_a_stream_that_hangs_is_noticed_and_books_are_read_meanwhile(
    streaming: Streaming, venue: str
) -> None:
    eventually(streaming.has_books)
    streaming.fault("stall", venue)
    eventually(lambda: Lack.DISCONNECTED in streaming.lacks(venue))  # it was given up
    now = registry.utc_now()
    market = XRP[venue]
    eventually(lambda: streaming.feeds.book(venue, market, since=now))
    streaming.heal()
    streaming.stand_still()
    eventually(lambda: streaming.are_right(venue))


def test_a_venue_that_announces_its_end_is_connected_to_anew(streaming: Streaming) -> None:
    eventually(streaming.has_books)
    streaming.fault("shutdown", "binance", args={"seconds": 600})
    eventually(lambda: Lack.DISCONNECTED in streaming.lacks("binance"))
    eventually(lambda: streaming.has_books("binance"))


@pytest.mark.parametrize("venue", VENUES)
def test_an_error_frame_ends_the_connection_and_books_are_read(
    streaming: Streaming, venue: str
) -> None:
    eventually(streaming.has_books)
    streaming.fault("error_frame", venue)
    eventually(lambda: Lack.DISCONNECTED in streaming.lacks(venue))
    now = registry.utc_now()
    eventually(lambda: streaming.feeds.book(venue, XRP[venue], since=now))


def test_where_neither_stream_nor_request_answers_there_is_no_book(streaming: Streaming) -> None:
    eventually(streaming.has_books)
    streaming.fault("stall", "upbit")
    streaming.control("/control/faults", {"fault": "F3", "venue": "upbit", "method": "GET"})
    eventually(lambda: isinstance(streaming.state("upbit", XRP["upbit"]), NoBook))
    assert streaming.has_books("binance")
    streaming.heal()
    eventually(streaming.has_books)


def test_a_book_older_than_allowed_is_no_book(streaming: Streaming) -> None:
    eventually(streaming.has_books)
    state = streaming.state("upbit", XRP["upbit"])
    assert isinstance(state, Book)
    after = state.received_at + timedelta(days=1)
    assert streaming.feeds.book("upbit", XRP["upbit"], since=after) is None


def test_what_is_watched_can_change(streaming: Streaming) -> None:
    eventually(streaming.has_books)
    sol = Market("SOL", "KRW")
    streaming.feeds.watch({"upbit": [sol], "binance": WATCHED["binance"]}, oldest=OLDEST)
    eventually(lambda: isinstance(streaming.state("upbit", sol), Book))
    assert isinstance(streaming.state("upbit", XRP["upbit"]), NoBook)
    assert streaming.has_books("binance")


@pytest.mark.django_db
def test_the_registry_gives_the_streamed_book_while_it_is_young(streaming: Streaming) -> None:
    eventually(streaming.has_books)
    asked = streaming.control("/control/requests", method="GET")
    book = registry.book("binance", XRP["binance"], newest=timedelta(seconds=10))
    assert isinstance(book, Book)
    again = streaming.control("/control/requests", method="GET")
    assert _reads(again) == _reads(asked)
    registry.book("binance", XRP["binance"], newest=timedelta(0))
    assert _reads(streaming.control("/control/requests", method="GET")) == _reads(asked) + 1


def _reads(rows: list[dict[str, str]]) -> int:
    return sum(row["path"].endswith("/depth") for row in rows)
