"""Premia and ways against figures worked out by hand, in both directions and on both rates."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cycles.domain.premium import Route, edge_bps, premium_bps, way_back, way_out
from tests.cycles.domain.books import book


def xrp(**changes: object) -> Route:
    """Global ask 2.00 / bid 1.99 USDT, Korean bid 2900 / ask 2910 KRW; 0.1 % and 0.05 %."""
    facts: dict[str, object] = {
        "asset": "XRP",
        "global_book": book("XRP", "USDT", bids=(("1.99", "9999"),), asks=(("2.00", "9999"),)),
        "korea_book": book(
            "XRP", "KRW", bids=(("2900", "9999"),), asks=(("2910", "9999"),), venue="upbit"
        ),
        "global_taker_fee": Decimal("0.001"),
        "korea_taker_fee": Decimal("0.0005"),
        "global_withdraw_fee": Decimal("0.2"),
        "korea_withdraw_fee": Decimal("0.4"),
    }
    return Route(**(facts | changes))  # type: ignore[arg-type]  # a test's changes


def usdt() -> Route:
    """KRW-USDT: bid 1420, ask 1421; fee free out 1 USDT, home 0."""
    korea = book("USDT", "KRW", bids=(("1420", "9999"),), asks=(("1421", "9999"),), venue="upbit")
    return xrp(
        asset="USDT",
        global_book=None,
        korea_book=korea,
        global_taker_fee=Decimal(0),
        global_withdraw_fee=Decimal(1),
        korea_withdraw_fee=Decimal(0),
    )


def test_the_way_out_pays_every_cost() -> None:
    way = way_out(xrp(), Decimal(2000))
    assert way is not None
    # 1000 XRP, less 0.1 % = 999, less 0.2 = 998.8 arrive, x 2900 = 2,896,520, less 0.05 %
    assert way.krw == Decimal("2895071.74")
    assert way.krw_per_usdt == Decimal("1447.53587")
    assert way.gross_krw_per_usdt == Decimal(1450)


def test_the_way_back_pays_every_cost() -> None:
    way = way_back(xrp(), Decimal(2911455))
    assert way is not None
    # 2,911,455 / 1.0005 = 2,910,000 buys 1000 XRP, 999.6 arrive, x 1.99 = 1989.204, less 0.1 %
    assert way.usdt == Decimal("1987.214796")
    assert way.gross_krw_per_usdt == Decimal(2910000) / Decimal(1990)


def test_usdt_itself_needs_no_global_trade_out() -> None:
    way = way_out(usdt(), Decimal(2000))
    assert way is not None
    assert way.krw == Decimal(1999) * Decimal(1420) * Decimal("0.9995")
    assert way.gross_krw_per_usdt == Decimal(1420)


def test_usdt_itself_needs_no_global_trade_home() -> None:
    way = way_back(usdt(), Decimal(1421) * Decimal("1.0005") * 1000)
    assert way is not None
    assert way.usdt == Decimal(1000)
    assert way.gross_krw_per_usdt == Decimal(1421)


@pytest.mark.parametrize("quote", [way_out, way_back])
def test_a_book_too_thin_for_the_size_gives_no_way(quote: object) -> None:
    assert quote(xrp(), Decimal("1e12")) is None  # type: ignore[operator]  # either way


def test_an_empty_book_gives_no_way() -> None:
    empty = book("XRP", "KRW", venue="upbit")
    assert way_out(xrp(korea_book=empty), Decimal(2000)) is None
    assert way_back(xrp(korea_book=empty), Decimal(2_000_000)) is None


def test_a_size_that_the_withdrawal_fee_eats_gives_no_way() -> None:
    assert way_out(xrp(), Decimal("0.1")) is None
    assert way_back(xrp(), Decimal(1000)) is None


def test_depth_makes_the_way_out_worse() -> None:
    deep = way_out(xrp(), Decimal(2000))
    thin = book("XRP", "KRW", bids=(("2900", "500"), ("2890", "9999")), venue="upbit")
    shallow = way_out(xrp(korea_book=thin), Decimal(2000))
    assert deep is not None
    assert shallow is not None
    assert shallow.krw < deep.krw
    assert shallow.slippage_bps > 0


def test_the_two_bases_of_the_rate_may_differ_in_sign() -> None:
    way = way_out(xrp(), Decimal(2000))
    assert way is not None
    traded, official = Decimal(1460), Decimal(1400)
    assert premium_bps(way.gross_krw_per_usdt, traded) == Decimal("-68.4932")
    assert premium_bps(way.gross_krw_per_usdt, official) == Decimal("357.1429")


def test_an_edge_compares_krw_got_with_krw_paid_and_needs_no_rate() -> None:
    assert edge_bps(Decimal(1450), Decimal(1440)) == Decimal("69.4444")
    assert edge_bps(Decimal(1440), Decimal(1450)) == Decimal("-68.9655")
