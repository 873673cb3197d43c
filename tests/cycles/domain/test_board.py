"""The board: after every book the quotes are those of the newest books, and of no older ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from cycles.domain.board import Board
from cycles.domain.money import ratio_bps
from cycles.domain.premium import Terms, way_back, way_out
from exchanges.values import Book
from tests.cycles.domain.books import THEN, Rows, book

SIZE = Decimal(1000)
USD = Decimal(1400)
OLDEST = timedelta(seconds=15)
XRP = Terms(
    asset="XRP",
    global_taker_fee=Decimal("0.001"),
    korea_taker_fee=Decimal("0.0005"),
    global_withdraw_fee=Decimal("0.2"),
    korea_withdraw_fee=Decimal("0.4"),
)
USDT = replace(XRP, asset="USDT", global_taker_fee=Decimal(0), global_withdraw_fee=Decimal(1))
WORLD = book("XRP", "USDT", bids=(("1.99", "9999"),), asks=(("2.00", "9999"),))


def korean(base: str, bids: Rows, asks: Rows) -> Book:
    return book(base, "KRW", bids=bids, asks=asks, venue="upbit")


KOREA = korean("XRP", (("2900", "9999"),), (("2910", "9999"),))
TRADED = korean("USDT", (("1420", "9999"),), (("1421", "9999"),))


def board(*books: Book, krw_per_usd: Decimal | None = USD) -> Board:
    made = Board(
        {"XRP": XRP, "USDT": USDT},
        world="binance",
        korea="upbit",
        size_usdt=SIZE,
        krw_per_usd=krw_per_usd,
        oldest=OLDEST,
    )
    for one in books:
        made.take(one)
    return made


def test_a_quote_is_both_ways_of_the_newest_books() -> None:
    quotes = {quote.asset: quote for quote in board(TRADED, WORLD, KOREA).quotes(THEN)}
    route = XRP.route(WORLD, KOREA)
    out, back = way_out(route, SIZE), way_back(route, SIZE * 1421)
    assert out is not None
    assert back is not None
    assert quotes["XRP"].out_rate == out.krw_per_usdt
    assert quotes["XRP"].back_rate == back.krw_per_usdt
    assert quotes["XRP"].outbound_official_bps == ratio_bps(out.gross_krw_per_usdt, USD)
    assert quotes["XRP"].krw_per_usdt == 1420
    assert set(quotes) == {"XRP", "USDT"}


def test_a_book_changes_the_quote_of_its_asset() -> None:
    made = board(TRADED, WORLD, KOREA)
    made.take(korean("XRP", (("3000", "9999"),), (("3010", "9999"),)))
    (xrp,) = (quote for quote in made.quotes(THEN) if quote.asset == "XRP")
    assert xrp.out_rate is not None
    assert xrp.out_rate > 1490


@pytest.mark.parametrize("missing", [TRADED, WORLD, KOREA])
def test_without_one_of_its_books_an_asset_has_no_quote(missing: Book) -> None:
    made = board(*(one for one in (TRADED, WORLD, KOREA) if one is not missing))
    assert "XRP" not in {quote.asset for quote in made.quotes(THEN)}


def test_a_book_that_is_gone_takes_the_quote_with_it() -> None:
    made = board(TRADED, WORLD, KOREA)
    made.drop("upbit", "XRP")
    assert {quote.asset for quote in made.quotes(THEN)} == {"USDT"}


def test_a_quote_is_as_old_as_its_oldest_book() -> None:
    made = board(TRADED, WORLD, msgspec.structs.replace(KOREA, received_at=THEN + OLDEST))
    assert len(made.quotes(THEN + OLDEST)) == 2
    assert made.quotes(THEN + OLDEST + timedelta(milliseconds=1)) == []


def test_without_an_official_rate_no_quote_is_fresh() -> None:
    quotes = board(TRADED, WORLD, KOREA, krw_per_usd=None).quotes(THEN)
    assert [quote.is_fresh for quote in quotes] == [False, False]
    assert {quote.outbound_official_bps for quote in quotes} == {None}


def test_a_book_that_cannot_take_the_size_gives_no_way() -> None:
    thin = korean("XRP", (("2900", "1"),), (("2910", "1"),))
    (xrp,) = (quote for quote in board(TRADED, WORLD, thin).quotes(THEN) if quote.asset == "XRP")
    assert (xrp.out_rate, xrp.back_rate, xrp.outbound_official_bps) == (None, None, None)


def test_books_of_other_venues_and_markets_are_left_out() -> None:
    made = board(TRADED, WORLD, KOREA)
    before = made.quotes(THEN)
    made.take(book("XRP", "KRW", bids=(("1", "1"),), asks=(("2", "1"),), venue="bithumb"))
    made.take(book("XRP", "BTC", bids=(("1", "1"),), asks=(("2", "1"),)))
    assert made.quotes(THEN) == before


def test_an_asset_without_terms_has_no_quote() -> None:
    made = board(TRADED, WORLD, KOREA, korean("DOGE", (("1", "1"),), (("2", "1"),)))
    assert "DOGE" not in {quote.asset for quote in made.quotes(THEN)}
