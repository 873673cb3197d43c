"""Amounts lie on the line of those of undisturbed cycles, or they fail; `test_points` has a take-over that halves them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.crashes.matrix.amounts import assert_same_end

BUY, SEND = ("binance", "XRPUSDT", "buy"), ("binance", "XRP", "WITHDRAW")


def shape(notional: int, bought: str, sent: str) -> dict[str, Any]:
    """Give what came of a cycle that ended."""
    amounts = {BUY: [Decimal(bought)], SEND: [Decimal(sent)]}
    return {
        "status": "COMPLETED", "accepted": {BUY: 1, SEND: 1}, "amounts": amounts,
        "notional": Decimal(notional),
    }  # fmt: skip


SMALL, LARGE = shape(100, "50", "49.8"), shape(300, "150", "149.8")


def test_amounts_that_grow_with_the_notional_are_as_they_should_be_but_for_what_is_rounded() -> (
    None
):
    assert_same_end(shape(200, "100.1", "99.800001"), SMALL, LARGE, at="a place")


@pytest.mark.parametrize("found", [shape(200, "50", "99.8"), shape(200, "100", "99.6")])
def test_an_order_of_half_its_size_and_a_fee_paid_twice_are_told(found: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match=r"not 1?\d{2}|not 99\.8"):
        assert_same_end(found, SMALL, LARGE, at="a place")


def test_of_the_same_notional_amounts_are_the_same_to_the_digit() -> None:
    assert_same_end(SMALL, SMALL, at="a place")
    with pytest.raises(AssertionError, match=r"49\.800001, not 49\.8"):
        assert_same_end(shape(100, "50", "49.800001"), SMALL, at="a place")
