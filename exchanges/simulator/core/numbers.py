"""Decimal arithmetic of the simulated venues: one context, named roundings, two spellings."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, FloatOperation

ZERO = Decimal(0)
ONE = Decimal(1)
EIGHT_PLACES = Decimal("0.00000001")

ARITHMETIC = Context(prec=60)
ARITHMETIC.traps[FloatOperation] = True


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """Round down to a multiple of the step."""
    return (value / step).to_integral_value(ROUND_FLOOR) * step


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """Round up to a multiple of the step."""
    return (value / step).to_integral_value(ROUND_CEILING) * step


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Say whether the value lies on the step's grid."""
    return value % step == 0


def decimals_of(value: Decimal) -> int:
    """Count the decimals that are written, trailing zeros excluded."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def plain(value: Decimal) -> str:
    """Write without exponent and without trailing zeros, as Upbit does."""
    return format(value.normalize(), "f") if value else "0"


def fixed8(value: Decimal) -> str:
    """Write with eight decimals, floored, as Binance does."""
    return format(value.quantize(EIGHT_PLACES, ROUND_FLOOR), "f")


def parse_decimal(text: str) -> Decimal | None:
    """Read a plain finite decimal; None for anything else, exponents included."""
    body = text[1:] if text[:1] == "-" else text
    whole, _, fraction = body.partition(".")
    if not whole.isdecimal() or not body.isascii() or (fraction and not fraction.isdecimal()):
        return None
    return Decimal(text) if len(body) <= 40 else None
