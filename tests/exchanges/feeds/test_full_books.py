"""Upbit's and Bithumb's frames: read exactly, judged before they are believed."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exchanges.feeds.korean import BithumbBooks, UpbitBooks
from exchanges.feeds.states import Lack, NoBook, Notice, NoticeKind, State
from exchanges.feeds.units import AT_ONCE
from exchanges.values import Book, Level, Market
from tests.exchanges.feeds.speaking import (
    NOW,
    NOW_MS,
    OLDEST,
    WON,
    levels,
    read_book,
    sides,
    whole_frame,
)

PAYLOADS = Path(__file__).parents[2] / "payloads" / "upbit_public_ws.json"
BIDS = [(f"{3500 - n}", f"{n + 1}.5") for n in range(8)]
ASKS = [(f"{3501 + n}", f"{n + 2}.25") for n in range(8)]


def upbit(depth: int = 30) -> UpbitBooks:
    return UpbitBooks([WON, Market("ETH", "KRW")], depth=depth, oldest=OLDEST)


def take(books: UpbitBooks | BithumbBooks, frame: bytes) -> State:
    heard = books.take(frame, NOW)
    assert not isinstance(heard, Notice), heard
    return heard


def lack(state: State) -> Lack:
    assert isinstance(state, NoBook), state
    return state.lack


def test_a_recorded_frame_is_read_to_the_last_digit() -> None:
    text = json.loads(PAYLOADS.read_text())["ws"]["OrderBook"]["frame"]
    books = UpbitBooks([Market("ETH", "KRW")], depth=30, oldest=timedelta(days=9999))
    bids, asks = sides(take(books, json.dumps(text).encode()))
    assert asks[0] == Level(Decimal(137002000), Decimal("0.10623869"))
    assert bids[0] == Level(Decimal(137001000), Decimal("0.03656812"))
    assert (len(bids), len(asks)) == (5, 5)


def test_levels_beyond_the_first_rows_are_read_when_asked_for() -> None:
    bids, asks = sides(take(upbit(), whole_frame(BIDS, ASKS)))
    assert (bids, asks) == (levels(BIDS), levels(ASKS))


def test_a_book_is_no_deeper_than_asked() -> None:
    bids, asks = sides(take(upbit(depth=6), whole_frame(BIDS, ASKS)))
    assert (len(bids), len(asks)) == (6, 6)


def test_numbers_may_be_quoted() -> None:
    quoted = [(f'"{price}"', f'"{size}"') for price, size in BIDS]
    bids, _ = sides(take(upbit(), whole_frame(quoted, ASKS)))
    assert bids == levels(BIDS)


def test_bithumb_stamps_in_microseconds_and_as_text() -> None:
    books = BithumbBooks([WON], depth=30, oldest=OLDEST)
    state = take(books, whole_frame(BIDS, ASKS, stamp=f"{NOW_MS}123", level=1))
    assert isinstance(state, Book)
    assert (state.venue, state.venue_at) == ("bithumb", NOW)


def test_a_thin_side_filled_up_with_zeros_ends_where_its_levels_end() -> None:
    thin = [*BIDS[:2], *[("0", "0")] * 6]
    bids, asks = sides(take(upbit(), whole_frame(thin, ASKS)))
    assert (bids, asks) == (levels(BIDS[:2]), levels(ASKS))


@pytest.mark.parametrize(
    ("bids", "asks", "expected"),
    [
        ([("3502", "1"), *BIDS[1:]], ASKS, Lack.CROSSED),
        ([("3501", "1"), *BIDS[1:]], ASKS, Lack.CROSSED),
        ([("0", "0")] * 8, ASKS, Lack.EMPTY),
        (BIDS, [("0", "0")] * 8, Lack.EMPTY),
        ([("3500", "0"), *BIDS[1:]], ASKS, Lack.UNUSABLE),
        (BIDS, [ASKS[0], ("3502", "0"), *ASKS[2:]], Lack.UNUSABLE),
        (BIDS, [("3501", "-1"), *ASKS[1:]], Lack.UNUSABLE),
        (BIDS, [("3501", '"NaN"'), *ASKS[1:]], Lack.UNUSABLE),
        (BIDS, [("3501", '"Infinity"'), *ASKS[1:]], Lack.UNUSABLE),
        ([('"NaN"', "1"), *BIDS[1:]], ASKS, Lack.UNUSABLE),
        (BIDS, [(f"{3501000 + n}", "1") for n in range(8)], Lack.WIDE),
        ([(f"{3.5 - n / 10:.1f}", "1") for n in range(8)], ASKS, Lack.WIDE),
        ([BIDS[1], BIDS[0], *BIDS[2:]], ASKS, Lack.UNORDERED),
        ([BIDS[0], BIDS[0], *BIDS[2:]], ASKS, Lack.UNORDERED),
    ],
)
def test_a_book_that_cannot_be_is_no_book(bids: Any, asks: Any, expected: Lack) -> None:
    books = upbit()
    take(books, whole_frame(BIDS, ASKS))
    assert lack(take(books, whole_frame(bids, asks, stamp=NOW_MS + 1))) is expected
    sides(take(books, whole_frame(BIDS, ASKS, stamp=NOW_MS + 2)))  # the next good one counts


@pytest.mark.parametrize("wrong", [("3507", "0"), ("3507", "-2"), ("3300", "1"), ("3507", '"NaN"')])
def test_a_side_ends_before_a_deep_level_that_cannot_be(wrong: tuple[str, str]) -> None:
    asks = [*ASKS[:6], wrong, ASKS[7]]
    bids, found = sides(take(upbit(), whole_frame(BIDS, asks)))
    assert found == (levels(ASKS[:6]) if wrong[1] != '"NaN"' else levels(ASKS[:AT_ONCE]))
    assert bids == levels(BIDS)


@pytest.mark.parametrize("text", [b'"x"', b'"\xff"'])
def test_sides_end_before_rows_that_cannot_be_read(text: bytes) -> None:
    frame = whole_frame(BIDS, [*ASKS[:6], ("3507", '"x"'), ASKS[7]]).replace(b'"x"', text)
    assert sides(take(upbit(), frame)) == (
        levels(BIDS[:AT_ONCE]),
        levels(ASKS[:AT_ONCE]),
    )


def test_one_level_a_thousand_times_too_dear_is_never_on_top() -> None:
    asks = [*ASKS[:7], ("3508000", "1")]
    _, found = sides(take(upbit(), whole_frame(BIDS, asks)))
    assert found[0] == levels(ASKS)[0]


def test_an_older_frame_changes_nothing() -> None:
    books = upbit()
    newest = take(books, whole_frame(BIDS, ASKS, stamp=NOW_MS + 5))
    assert take(books, whole_frame(BIDS[1:], ASKS[1:], stamp=NOW_MS + 4)) is newest
    assert books.counts()["late"] == 1


def test_a_repeated_frame_does_not_make_a_book_younger() -> None:
    books = upbit()
    first = take(books, whole_frame(BIDS, ASKS))
    again = books.take(whole_frame(BIDS, ASKS), NOW + timedelta(seconds=9))
    assert again is first


def test_what_a_new_subscription_is_told_first_makes_a_quiet_book_young() -> None:
    books = upbit()
    take(books, whole_frame(BIDS, ASKS))
    later = NOW + timedelta(hours=2)
    state = books.take(whole_frame(BIDS, ASKS, stream_type="SNAPSHOT"), later)
    assert isinstance(state, Book)
    assert state.received_at == later


def test_two_books_with_one_stamp_are_none_until_a_newer_one_comes() -> None:
    books = upbit()
    take(books, whole_frame(BIDS, ASKS))
    assert lack(take(books, whole_frame(BIDS[1:], ASKS[1:]))) is Lack.AMBIGUOUS
    assert lack(take(books, whole_frame(BIDS, ASKS))) is Lack.AMBIGUOUS
    books.adopt(read_book(BIDS, ASKS, market=WON, stamp=NOW_MS), asked=30)
    assert lack(books.keepers[WON].state) is Lack.AMBIGUOUS
    sides(take(books, whole_frame(BIDS, ASKS, stamp=NOW_MS + 1)))


@pytest.mark.parametrize("seconds", [-16, 16])
def test_a_stamp_far_from_our_clock_is_not_believed(seconds: int) -> None:
    books = upbit()
    take(books, whole_frame(BIDS, ASKS, stamp=NOW_MS - 60_000, stream_type="SNAPSHOT"))
    stamp = NOW_MS + seconds * 1000
    assert lack(take(books, whole_frame(BIDS, ASKS, stamp=stamp))) is Lack.STAMP
    sides(take(books, whole_frame(BIDS, ASKS, stamp=NOW_MS + 1)))


def test_frames_with_a_frozen_stamp_are_no_book_once_it_is_old() -> None:
    books = upbit()
    take(books, whole_frame(BIDS, ASKS))
    later = NOW + OLDEST + timedelta(seconds=1)
    state = books.take(whole_frame(BIDS[1:], ASKS[1:]), later)
    assert isinstance(state, NoBook)


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (b'{"status":"UP"}', NoticeKind.ALIVE),
        (b'{"error":{"name":"WRONG_FORMAT","message":"..."}}', NoticeKind.REFUSED),
        (b'{"type":"ticker","code":"KRW-XRP"}', NoticeKind.UNKNOWN),
        (whole_frame(BIDS, ASKS, code="KRW-DOGE"), NoticeKind.UNKNOWN),
        (b"PONG", NoticeKind.UNREADABLE),
        (b"", NoticeKind.UNREADABLE),
        (b"[]", NoticeKind.UNREADABLE),
        (b'{"type":"\xff"}', NoticeKind.UNREADABLE),
        (b'{"x":' + b"[" * 100_000, NoticeKind.UNREADABLE),
        (whole_frame(BIDS, ASKS)[:-20], NoticeKind.UNREADABLE),
        (whole_frame(BIDS, ASKS, stamp="soon"), NoticeKind.UNREADABLE),
        (whole_frame(BIDS, ASKS, stamp=None), NoticeKind.UNREADABLE),
        (whole_frame([('"x"', "1"), *BIDS[1:]], ASKS), NoticeKind.UNREADABLE),
    ],
)
def test_a_frame_without_a_book_is_told_as_what_it_is(frame: bytes, kind: NoticeKind) -> None:
    books = upbit()
    before = take(books, whole_frame(BIDS, ASKS))
    heard = books.take(frame, NOW)
    assert isinstance(heard, Notice)
    assert heard.kind is kind
    assert books.keepers[WON].state is before


def test_a_book_read_by_request_shows_what_the_stream_missed_and_says_so() -> None:
    books = upbit()
    take(books, whole_frame(BIDS, ASKS))
    newer = read_book(BIDS[1:], ASKS[1:], market=WON, stamp=NOW_MS + 10)
    assert not books.adopt(newer, asked=30)
    assert books.keepers[WON].state == newer
    older = whole_frame(BIDS, ASKS, stamp=NOW_MS + 9)
    assert take(books, older) == newer


def test_a_book_read_by_request_confirms_a_quiet_market() -> None:
    books = upbit()
    take(books, whole_frame(BIDS, ASKS))
    same = read_book(BIDS[:5], ASKS[:5], market=WON, stamp=NOW_MS, at=NOW + timedelta(seconds=9))
    assert books.adopt(same, asked=5)
    state = books.keepers[WON].state
    assert isinstance(state, Book)
    assert state.received_at == same.received_at


def test_one_message_subscribes_to_all_markets() -> None:
    (message,) = upbit().requests([WON, Market("ETH", "KRW")])
    ticket, wanted, form = json.loads(message)
    assert ticket["ticket"]
    assert wanted == {"type": "orderbook", "codes": ["KRW-XRP", "KRW-ETH"]}
    assert form == {"format": "DEFAULT"}
