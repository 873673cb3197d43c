"""Walking a book gives what a size really trades at."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from cycles.domain.depth import walk_notional, walk_quantity
from exchanges.values import Level
from tests.cycles.domain.books import levels

ASKS = levels((("10", "1"), ("11", "2"), ("12", "3")))
BIDS = levels((("9", "1"), ("8", "2")))
AMOUNTS = st.decimals(min_value="0.0001", max_value=1000, places=4)


def test_a_quantity_walks_levels_best_first() -> None:
    walk = walk_quantity(ASKS, Decimal(2))
    assert walk is not None
    assert (walk.quantity, walk.notional, walk.worst_price) == (
        Decimal(2),
        Decimal(21),
        Decimal(11),
    )
    assert walk.is_full


def test_a_notional_walks_levels_and_splits_the_last() -> None:
    walk = walk_notional(ASKS, Decimal(21))
    assert walk is not None
    assert (walk.quantity, walk.notional) == (Decimal(2), Decimal(21))
    assert walk.average_price == Decimal("10.5")


def test_a_thin_book_gives_what_it_has_and_says_so() -> None:
    by_quantity, by_notional = walk_quantity(BIDS, Decimal(5)), walk_notional(BIDS, Decimal(100))
    assert by_quantity is not None
    assert by_notional is not None
    assert not by_quantity.is_full
    assert not by_notional.is_full
    assert by_quantity.quantity == by_notional.quantity == Decimal(3)


@pytest.mark.parametrize("walk", [walk_quantity, walk_notional])
def test_an_empty_side_has_no_price(walk: object) -> None:
    assert walk((), Decimal(1)) is None  # type: ignore[operator]  # either walker


def test_slippage_is_positive_on_either_side() -> None:
    buying, selling = walk_quantity(ASKS, Decimal(2)), walk_quantity(BIDS, Decimal(2))
    assert buying is not None
    assert selling is not None
    assert buying.slippage_bps == Decimal("500.0000")  # 10.5 against 10
    assert selling.slippage_bps == Decimal("555.5556")  # 8.5 against 9


def test_the_top_alone_does_not_slip() -> None:
    walk = walk_quantity(ASKS, Decimal(1))
    assert walk is not None
    assert walk.slippage_bps == 0


@given(quantity=AMOUNTS, rows=st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=8))
def test_a_walk_takes_no_more_than_asked_nor_than_there_is(
    quantity: Decimal, rows: list[tuple[Decimal, Decimal]]
) -> None:
    book = [Level(price, size) for price, size in sorted(rows)]
    walk = walk_quantity(book, quantity)
    assert walk is not None
    there = sum((level.quantity for level in book), Decimal(0))
    assert walk.quantity == min(quantity, there)
    assert walk.best_price * walk.quantity <= walk.notional <= walk.worst_price * walk.quantity
