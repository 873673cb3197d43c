"""Rounding with a direction, and ratios in basis points."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

ZERO = Decimal(0)
ONE = Decimal(1)
BPS = Decimal(10_000)
LEDGER_STEP = Decimal("1e-18")
BPS_STEP = Decimal("0.0001")


def floored(value: Decimal, step: Decimal) -> Decimal:
    """Round down to a multiple of `step`: what we sell or send."""
    return (value / step).to_integral_value(rounding=ROUND_FLOOR) * step


def ceiled(value: Decimal, step: Decimal) -> Decimal:
    """Round up to a multiple of `step`: what something costs us."""
    return (value / step).to_integral_value(rounding=ROUND_CEILING) * step


def ratio_bps(numerator: Decimal, denominator: Decimal) -> Decimal:
    """Give numerator / denominator - 1 in basis points, half-even at four places."""
    return ((numerator / denominator - ONE) * BPS).quantize(BPS_STEP, rounding=ROUND_HALF_EVEN)


def raised_by_bps(value: Decimal, bps: Decimal) -> Decimal:
    """Give value x (1 + bps / 10,000); a negative bps lowers it."""
    return value * (ONE + bps / BPS)


def as_quantity(value: Decimal) -> Decimal:
    """Floor to the 18 places that the ledger keeps."""
    return value.quantize(LEDGER_STEP, rounding=ROUND_FLOOR)
