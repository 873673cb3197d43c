"""Every group of lines sums to zero per asset, whatever happened."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given, strategies as st

from cycles.domain import postings
from cycles.domain.postings import Holding, Line
from cycles.domain.words import AccountOwner as O
from exchanges.values import FillReport, Market, Side

QUANTITIES = st.decimals(min_value="1e-18", max_value=10**9, places=18)
XRP = Market("XRP", "USDT")


def totals(lines: Iterable[Line]) -> dict[str, Decimal]:
    """Sum lines by asset."""
    sums: dict[str, Decimal] = {}
    for line in lines:
        sums[line.asset] = sums.get(line.asset, Decimal(0)) + line.quantity
    return sums


def of(lines: Iterable[Line], owner: O, asset: str, venue: str = "binance") -> Decimal:
    """Give what an owner's account moves by."""
    mine = (
        line.quantity
        for line in lines
        if (line.owner, line.asset, line.venue) == (owner, asset, venue)
    )
    return sum(mine, Decimal(0))


def fill(quantity: Decimal, price: Decimal, fee: Decimal, fee_asset: str) -> FillReport:
    """Give one execution."""
    return FillReport(
        venue_fill_id="1",
        price=price,
        quantity=quantity,
        notional=quantity * price,
        fee=fee,
        fee_asset=fee_asset,
        at=datetime(2024, 12, 3, tzinfo=UTC),
    )


@given(
    fills=st.lists(
        st.tuples(QUANTITIES, QUANTITIES, QUANTITIES, st.sampled_from(["XRP", "USDT", "BNB"])),
        min_size=1,
        max_size=6,
    ),
    side=st.sampled_from(list(Side)),
)
def test_fills_sum_to_zero(fills: list[tuple[Decimal, Decimal, Decimal, str]], side: Side) -> None:
    reports = [fill(*row) for row in fills]
    lines = postings.fill_lines("binance", XRP, side, reports)
    assert set(totals(lines).values()) <= {Decimal(0)}


@given(sent=QUANTITIES, fee=QUANTITIES, credited=QUANTITIES)
def test_transfers_sum_to_zero(sent: Decimal, fee: Decimal, credited: Decimal) -> None:
    out = postings.sent_lines("binance", "upbit", "XRP", quantity=sent, network_fee=fee)
    back = postings.returned_lines("binance", "upbit", "XRP", quantity=sent, network_fee=fee)
    home = postings.credited_lines("upbit", "XRP", sent=sent, credited=credited)
    for lines in (out, back, home):
        assert set(totals(lines).values()) <= {Decimal(0)}
    assert postings.summed([*out, *back]) == []


@given(held=st.lists(st.tuples(st.sampled_from(["USDT", "KRW", "XRP"]), QUANTITIES), max_size=6))
def test_handing_over_sums_to_zero_and_leaves_the_cycle_nothing(
    held: list[tuple[str, Decimal]],
) -> None:
    holdings = [Holding(venue="upbit", asset=a, owner=O.CYCLE, quantity=q) for a, q in held]
    for lines in (
        postings.released_lines(holdings, lambda _: True),
        postings.handed_over_lines(holdings, target=O.WRITTEN_OFF),
    ):
        assert set(totals(lines).values()) <= {Decimal(0)}
        for asset in ("USDT", "KRW", "XRP"):
            owned = sum((q for a, q in held if a == asset), Decimal(0))
            assert of(lines, O.CYCLE, asset, "upbit") == -owned


def test_a_buy_gives_quote_for_base_and_the_fee_leaves_the_cycle() -> None:
    lines = postings.fill_lines(
        "binance", XRP, Side.BUY, [fill(Decimal(100), Decimal(2), Decimal("0.1"), "XRP")]
    )
    assert of(lines, O.CYCLE, "USDT") == Decimal(-200)
    assert of(lines, O.CYCLE, "XRP") == Decimal("99.9")
    assert of(lines, O.TRADING_FEES, "XRP") == Decimal("0.1")


def test_a_sale_gives_base_for_quote() -> None:
    lines = postings.fill_lines(
        "binance", XRP, Side.SELL, [fill(Decimal(100), Decimal(2), Decimal("0.2"), "USDT")]
    )
    assert of(lines, O.CYCLE, "XRP") == Decimal(-100)
    assert of(lines, O.CYCLE, "USDT") == Decimal("199.8")


def test_a_fee_in_a_third_asset_leaves_the_cycle_in_that_asset() -> None:
    lines = postings.fill_lines(
        "binance", XRP, Side.BUY, [fill(Decimal(100), Decimal(2), Decimal("0.01"), "BNB")]
    )
    assert of(lines, O.CYCLE, "XRP") == Decimal(100)
    assert of(lines, O.CYCLE, "BNB") == Decimal("-0.01")


def test_what_was_sent_is_in_flight_at_its_target_and_the_fee_is_gone() -> None:
    lines = postings.sent_lines(
        "binance", "upbit", "XRP", quantity=Decimal(99), network_fee=Decimal("0.2")
    )
    assert of(lines, O.CYCLE, "XRP") == Decimal("-99.2")
    assert of(lines, O.IN_FLIGHT, "XRP", "upbit") == Decimal(99)
    assert of(lines, O.NETWORK_FEES, "XRP") == Decimal("0.2")


def test_a_credit_that_differs_leaves_the_difference_in_suspense() -> None:
    less = postings.credited_lines("upbit", "XRP", sent=Decimal(99), credited=Decimal(98))
    more = postings.credited_lines("upbit", "XRP", sent=Decimal(99), credited=Decimal(100))
    assert of(less, O.SUSPENSE, "XRP", "upbit") == Decimal(1)
    assert of(more, O.SUSPENSE, "XRP", "upbit") == Decimal(-1)
    assert of(less, O.CYCLE, "XRP", "upbit") == Decimal(98)


def test_at_the_end_small_coins_are_dust_and_all_else_is_the_desks() -> None:
    held = [
        Holding(venue="upbit", asset=asset, owner=O.CYCLE, quantity=Decimal(3))
        for asset in ("KRW", "USDT", "XRP", "BTC")
    ]
    lines = postings.released_lines(held, lambda one: one.asset != "BTC")
    assert of(lines, O.DESK, "KRW", "upbit") == of(lines, O.DESK, "USDT", "upbit") == Decimal(3)
    assert of(lines, O.DESK, "BTC", "upbit") == of(lines, O.DUST, "XRP", "upbit") == Decimal(3)
