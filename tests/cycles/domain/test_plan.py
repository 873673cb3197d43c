"""Passages, client order ids, and the one order that a step sends next."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, strategies as st

from cycles.domain.plan import (
    RequestName,
    buy_order,
    client_order_id,
    is_worthless,
    outbound_steps,
    request_named,
    return_steps,
    sell_order,
    sendable_quantity,
)
from tests.cycles.domain.books import book, market_rules, network_rules

CYCLE = uuid.UUID("01939c3b-5f00-7abc-8def-0123456789ab")
PLACES = {"global_venue": "binance", "korea_venue": "upbit", "network": "XRP"}
UPBIT = {"quantity_step": "0.00000001", "price_step": "1"}
SIZES = st.decimals(min_value="0.00000001", max_value=10**7, places=8)


def test_the_outbound_passage_buys_sends_receives_and_sells() -> None:
    steps = outbound_steps("XRP", **PLACES)
    assert [(s.kind, s.venue, s.quote) for s in steps] == [
        ("BUY", "binance", "USDT"),
        ("WITHDRAW", "binance", ""),
        ("DEPOSIT", "upbit", ""),
        ("SELL", "upbit", "KRW"),
    ]
    assert steps[1].to_venue == "upbit"


def test_the_return_passage_goes_the_other_way() -> None:
    steps = return_steps("SOL", **PLACES)
    assert [(s.kind, s.venue, s.quote) for s in steps] == [
        ("BUY", "upbit", "KRW"),
        ("WITHDRAW", "upbit", ""),
        ("DEPOSIT", "binance", ""),
        ("SELL", "binance", "USDT"),
    ]


def test_usdt_goes_out_without_a_buy_and_home_without_a_sell() -> None:
    assert [s.kind for s in outbound_steps("USDT", **PLACES)] == ["WITHDRAW", "DEPOSIT", "SELL"]
    assert [s.kind for s in return_steps("USDT", **PLACES)] == ["BUY", "WITHDRAW", "DEPOSIT"]


@given(cycle=st.uuids(), position=st.integers(0, 99), attempt=st.integers(0, 32_767))
def test_a_client_order_id_has_32_plain_characters(
    cycle: uuid.UUID, position: int, attempt: int
) -> None:
    made = client_order_id(cycle, position=position, attempt=attempt)
    assert len(made) == 32
    assert made.isalnum()
    assert made.islower()
    assert made == client_order_id(cycle, position=position, attempt=attempt)


def test_client_order_ids_differ_by_cycle_step_attempt_and_prefix() -> None:
    ids = {
        client_order_id(cycle, position=position, attempt=attempt, prefix=prefix)
        for cycle in (CYCLE, uuid.UUID(int=CYCLE.int + 1))
        for position in (1, 11, 2)
        for attempt in (1, 2, 12, 112, 1000, 1112)
        for prefix in ("k", "c")
    }
    assert len(ids) == 2 * 3 * 6 * 2


@pytest.mark.parametrize(("position", "attempt"), [(100, 1), (1, 34_696), (-1, 1), (1, -1)])
def test_an_id_that_would_not_fit_is_refused(position: int, attempt: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        client_order_id(CYCLE, position=position, attempt=attempt)


def test_a_buy_floors_the_quantity_and_ceils_the_limit() -> None:
    asks = (("2.00", "100"), ("2.01", "9999"))
    order = buy_order(
        book("XRP", "USDT", asks=asks),
        market_rules(),
        spend=Decimal(1000),
        max_slippage_bps=Decimal(100),
        order_id="k1",
    )
    assert order is not None
    # 2.01 + 5 bps = 2.011005, up to 2.02: that is 1 % above the top, just inside the limit
    assert order.limit_price == Decimal("2.02")
    assert order.quantity == Decimal("495.0")  # 1000 / 2.02 = 495.049...


def test_a_buy_never_limits_above_the_slippage() -> None:
    asks = (("2.00", "1"), ("2.50", "9999"))
    order = buy_order(
        book("XRP", "USDT", asks=asks),
        market_rules(),
        spend=Decimal(1000),
        max_slippage_bps=Decimal(50),
        order_id="k1",
    )
    assert order is not None
    assert order.limit_price == Decimal("2.01")


def test_at_upbit_the_fee_comes_on_top_of_what_is_bought() -> None:
    rules = market_rules(
        quote="KRW", buy_fee_in_quote=True, taker_fee_rate=Decimal("0.0005"), minimum_notional=Decimal(5000),
        **UPBIT,
    )  # fmt: skip
    korea = book("XRP", "KRW", asks=(("2000", "99999"),), venue="upbit")
    order = buy_order(
        korea, rules, spend=Decimal(1_000_500), max_slippage_bps=Decimal(50), order_id="k1"
    )
    assert order is not None
    notional = order.quantity * order.limit_price
    assert notional * Decimal("1.0005") <= Decimal(1_000_500)
    assert notional > Decimal(998_000)


def test_a_sale_floors_the_quantity_and_the_limit() -> None:
    bids = (("2.00", "100"), ("1.99", "9999"))
    order = sell_order(
        book("XRP", "USDT", bids=bids),
        market_rules(),
        quantity=Decimal("500.19"),
        max_slippage_bps=Decimal(100),
        order_id="k1",
    )
    assert order is not None
    assert order.quantity == Decimal("500.1")
    assert order.limit_price == Decimal("1.98")  # 1.99 less 5 bps is 1.989005, floored


def test_a_sale_never_limits_below_the_slippage() -> None:
    bids = (("2.00", "1"), ("1.00", "9999"))
    order = sell_order(
        book("XRP", "USDT", bids=bids),
        market_rules(),
        quantity=Decimal(500),
        max_slippage_bps=Decimal(50),
        order_id="k1",
    )
    assert order is not None
    assert order.limit_price == Decimal("1.99")


@pytest.mark.parametrize("size", [Decimal("4.9"), Decimal("0.01"), Decimal(0)])
def test_an_order_below_the_minimum_is_not_made(size: Decimal) -> None:
    there = book("XRP", "USDT", bids=(("2", "99"),), asks=(("2", "99"),))
    rules = market_rules()
    bought = buy_order(there, rules, spend=size, max_slippage_bps=Decimal(50), order_id="k1")
    sold = sell_order(there, rules, quantity=size / 2, max_slippage_bps=Decimal(50), order_id="k1")
    assert bought is None
    assert sold is None


def test_an_empty_side_makes_no_order() -> None:
    empty = book("XRP", "USDT")
    assert (
        buy_order(
            empty, market_rules(), spend=Decimal(99), max_slippage_bps=Decimal(9), order_id="k"
        )
        is None
    )
    assert (
        sell_order(
            empty, market_rules(), quantity=Decimal(9), max_slippage_bps=Decimal(9), order_id="k"
        )
        is None
    )


@given(
    spend=st.decimals(min_value=1000, max_value=10**7, places=8),
    top=st.decimals(min_value="0.01", max_value=1000, places=2),
    slip=st.integers(0, 500),
    fee=st.sampled_from([Decimal(0), Decimal("0.0005"), Decimal("0.001"), Decimal("0.0025")]),
    on_top=st.booleans(),
)
def test_a_buy_never_costs_more_than_was_given(
    spend: Decimal, top: Decimal, slip: int, fee: Decimal, on_top: bool
) -> None:
    asks = ((str(top), "3"), (str(top * 2), "1e9"))
    order = buy_order(
        book("XRP", "USDT", asks=asks),
        market_rules(taker_fee_rate=fee, buy_fee_in_quote=on_top, minimum_notional=Decimal(0)),
        spend=spend,
        max_slippage_bps=Decimal(slip),
        order_id="k1",
    )
    assert order is not None
    cost = order.quantity * order.limit_price
    assert cost * (1 + fee if on_top else 1) <= spend
    assert (
        top <= order.limit_price <= top * (1 + Decimal(slip) / 10_000) or order.limit_price == top
    )
    assert order.quantity % Decimal("0.1") == 0
    assert order.limit_price % Decimal("0.01") == 0


@given(
    left=st.decimals(min_value=0, max_value=10, places=8),
    top=st.decimals(min_value="0.02", max_value=10**6, places=2),
    on_top=st.booleans(),
)
def test_of_what_is_worthless_no_book_makes_an_order(
    left: Decimal, top: Decimal, on_top: bool
) -> None:
    rules = market_rules(buy_fee_in_quote=on_top)
    rows = ((str(top), "1e9"),)
    there = book("XRP", "USDT", bids=rows, asks=rows)
    slips: dict[str, Any] = {"max_slippage_bps": Decimal(50), "order_id": "k1"}
    if is_worthless(rules, left, buys=True):
        assert buy_order(there, rules, spend=left, **slips) is None
    if is_worthless(rules, left, buys=False):
        assert sell_order(there, rules, quantity=left, **slips) is None


@pytest.mark.parametrize(("buys", "enough"), [(True, "5"), (False, "0.1")])
def test_what_a_book_could_make_an_order_of_is_not_worthless(buys: bool, enough: str) -> None:
    assert not is_worthless(market_rules(), Decimal(enough), buys=buys)
    assert is_worthless(market_rules(), Decimal(enough) - Decimal("0.00000001"), buys=buys)


@given(
    quantity=st.decimals(min_value="0.1", max_value=10**7, places=8),
    top=st.decimals(min_value="0.02", max_value=10**6, places=2),
    slip=st.integers(0, 500),
)
def test_a_sale_never_sells_more_than_is_held(quantity: Decimal, top: Decimal, slip: int) -> None:
    bids = ((str(top), "3"), (str(top / 2), "1e9"))
    order = sell_order(
        book("XRP", "USDT", bids=bids),
        market_rules(minimum_notional=Decimal(0)),
        quantity=quantity,
        max_slippage_bps=Decimal(slip),
        order_id="k1",
    )
    assert order is not None
    assert 0 <= quantity - order.quantity < Decimal("0.1")
    assert top * (1 - Decimal(slip) / 10_000) <= order.limit_price <= top
    assert order.limit_price % Decimal("0.01") == 0


@given(
    held=SIZES,
    fee=st.sampled_from(["0", "0.2", "0.0085"]),
    step=st.sampled_from(["1e-8", "1e-6", "0.1"]),
)
def test_a_withdrawal_and_its_fee_never_exceed_what_is_held(
    held: Decimal, fee: str, step: str
) -> None:
    quantity = sendable_quantity(held, network_rules(fee=fee, step=step))
    assert quantity == 0 or quantity + Decimal(fee) <= held
    assert quantity % Decimal(step) == 0


@pytest.mark.parametrize(("held", "sent"), [("2.2", "2"), ("2.199999", "0"), ("0.1", "0")])
def test_a_withdrawal_below_the_networks_minimum_is_not_sent(held: str, sent: str) -> None:
    assert sendable_quantity(Decimal(held), network_rules()) == Decimal(sent)


@given(st.uuids(), st.integers(0, 99), st.integers(0, 34_695))
@example(CYCLE, 1, 999)
@example(CYCLE, 1, 1000)
@example(CYCLE, 1, 34_695)
def test_an_id_of_ours_says_whose_request_it_is(
    cycle_id: uuid.UUID, position: int, attempt: int
) -> None:
    own_id = client_order_id(cycle_id, position=position, attempt=attempt)
    assert request_named(own_id) == RequestName(
        cycle_id=cycle_id, position=position, attempt=attempt
    )


def test_what_another_wrote_is_no_id_of_ours() -> None:
    own_id = client_order_id(CYCLE, position=1, attempt=2)
    of_a_cancel = client_order_id(CYCLE, position=1, attempt=2, prefix="c")
    last = own_id[26]  # only every fourth digit can end a UUID
    misspelt = own_id[:26] + {"y": "z"}.get(last, chr(ord(last) + 1)) + own_id[27:]
    for text in ("", "web_1", own_id.upper(), own_id + "0", own_id[:-1], of_a_cancel, misspelt):
        assert request_named(text) is None, text
