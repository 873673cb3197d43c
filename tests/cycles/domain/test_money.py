"""Rounding names its direction; ratios are exact to a ten-thousandth of a basis point."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from cycles.domain.money import as_quantity, ceiled, floored, raised_by_bps, ratio_bps

VALUES = st.decimals(min_value=0, max_value=10**12, places=18)
STEPS = st.sampled_from(
    [
        Decimal(1),
        Decimal("0.5"),
        Decimal("0.01"),
        Decimal("0.00001"),
        Decimal("1e-8"),
        Decimal("1e-18"),
    ]
)


@pytest.mark.parametrize(
    ("value", "step", "down", "up"),
    [
        (Decimal("1.29"), Decimal("0.1"), Decimal("1.2"), Decimal("1.3")),
        (Decimal("1.2"), Decimal("0.1"), Decimal("1.2"), Decimal("1.2")),
        (Decimal(7), Decimal(5), Decimal(5), Decimal(10)),
        (Decimal("0.000000019"), Decimal("1e-8"), Decimal("1e-8"), Decimal("2e-8")),
    ],
)
def test_what_we_give_floors_and_what_we_pay_ceils(
    value: Decimal, step: Decimal, down: Decimal, up: Decimal
) -> None:
    assert floored(value, step) == down
    assert ceiled(value, step) == up


@given(value=VALUES, step=STEPS)
def test_rounding_stays_within_a_step_and_on_the_step(value: Decimal, step: Decimal) -> None:
    down, up = floored(value, step), ceiled(value, step)
    assert down <= value <= up
    assert up - down in {0, step}
    assert down % step == 0


def test_a_ratio_in_bps_is_positive_when_the_numerator_is_larger() -> None:
    assert ratio_bps(Decimal(101), Decimal(100)) == Decimal("100.0000")
    assert ratio_bps(Decimal(99), Decimal(100)) == Decimal("-100.0000")


def test_a_ratio_rounds_half_to_even_at_the_fourth_place() -> None:
    assert ratio_bps(Decimal("1.000000005"), Decimal(1)) == Decimal("0.0000")  # 0.00005 bps
    assert ratio_bps(Decimal("1.000000015"), Decimal(1)) == Decimal("0.0002")  # 0.00015 bps


def test_raising_by_bps_multiplies_and_a_negative_number_lowers() -> None:
    assert raised_by_bps(Decimal(2000), Decimal(50)) == Decimal(2010)
    assert raised_by_bps(Decimal(2000), Decimal(-50)) == Decimal(1990)


def test_a_ledger_quantity_floors_to_eighteen_places() -> None:
    assert as_quantity(Decimal("0.1234567890123456789")) == Decimal("0.123456789012345678")
    assert as_quantity(Decimal("-0.1234567890123456781")) == Decimal("-0.123456789012345679")
