"""What passes for a book, and what each doubt is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st
from msgspec.structs import replace

from exchanges.book_guard import BookLimits, doubt_of
from exchanges.values import Book, Level, Market

NOW = datetime(2026, 11, 26, tzinfo=UTC)
LIMITS = BookLimits(max_age=timedelta(seconds=15), max_jump_bps=Decimal(10_000))


def levels(*prices: str, size: str = "10") -> tuple[Level, ...]:
    return tuple(Level(Decimal(price), Decimal(size)) for price in prices)


SOUND = Book(
    venue="upbit",
    market=Market("XRP", "KRW"),
    bids=levels("2999", "2998", "2990"),
    asks=levels("3000", "3001", "3010"),
    venue_at=NOW - timedelta(seconds=1),
    received_at=NOW,
)


def test_a_sound_book_is_not_doubted() -> None:
    assert doubt_of(SOUND, LIMITS, known=[Decimal(3100)]) == ""


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"bids": ()}, "no bids"),
        ({"asks": ()}, "no asks"),
        ({"asks": levels("3000", size="0")}, "nothing at it"),
        ({"bids": levels("0")}, "no price"),
        ({"bids": levels("3000")}, "crossed"),
        ({"bids": levels("3001"), "asks": levels("3000")}, "crossed"),
        ({"bids": levels("2998", "2999")}, "out of order"),
        ({"asks": levels("3001", "3000")}, "out of order"),
        ({"venue_at": NOW - timedelta(seconds=16)}, "16 s old"),
    ],
)
def test_a_book_that_no_market_has_is_doubted(change: dict[str, object], word: str) -> None:
    assert word in doubt_of(replace(SOUND, **change), LIMITS)


def test_a_book_without_a_stamp_is_not_doubted_for_its_age() -> None:
    assert doubt_of(replace(SOUND, venue_at=None), LIMITS) == ""


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"asks": levels("3000000")}, "best ask"),
        ({"bids": levels("3")}, "best bid"),
        ({"bids": levels("2990000"), "asks": levels("3000000")}, "best bid"),
        ({"bids": levels("3"), "asks": levels("3.1")}, "best bid"),
    ],
)
def test_a_price_a_thousand_times_off_is_doubted_on_either_side(
    change: dict[str, object], word: str
) -> None:
    odd = replace(SOUND, **change)
    assert word in doubt_of(odd, LIMITS, known=[Decimal(3000)])
    assert doubt_of(odd, LIMITS) == ""  # nothing is known that it could be held against


def test_one_known_price_that_agrees_is_enough() -> None:
    """A market that really falls is confirmed by the other venue, or by having been there lately."""
    known = [Decimal(9000), Decimal(2900)]
    assert doubt_of(SOUND, LIMITS, known=known) == ""
    assert doubt_of(SOUND, LIMITS, known=known[:1]) != ""


@given(
    price=st.decimals("0.0001", "1000000", places=4),
    known=st.decimals("0.0001", "1000000", places=4),
)
def test_the_limit_is_the_same_up_and_down(price: Decimal, known: Decimal) -> None:
    def told(at: Decimal, against: Decimal) -> bool:
        book = replace(
            SOUND, bids=(Level(at, Decimal(1)),), asks=(Level(at + Decimal("1e-9"), Decimal(1)),)
        )
        return "best bid" in doubt_of(book, LIMITS, known=[against])

    assert told(price, known) == told(known, price) == (max(price, known) > 2 * min(price, known))
