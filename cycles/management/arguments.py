"""Types of the commands' arguments: what no column, clock or calendar holds is wrong usage."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import datetime
from decimal import Decimal, InvalidOperation

from cycles.errors import InvalidInputError
from cycles.services import stating

LARGEST = 2**31 - 1  # of an integer column
MOST_DAYS = 36_500


def whole(text: str) -> int:
    """Read a count or a version."""
    return _between(text, 0, LARGEST)


def days(text: str) -> int:
    """Read a number of days, a century at most."""
    return _between(text, 0, MOST_DAYS)


def _between(text: str, least: int, most: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise ArgumentTypeError(f"{text[:40]!r} is not a whole number from {least} to {most}")
    return number


def sum_of_money(text: str) -> Decimal:
    """Read a sum above zero."""
    try:
        return stating.bookable_quantity(Decimal(text))
    except (InvalidOperation, InvalidInputError):
        raise ArgumentTypeError(
            f"{text[:60]!r} is not a sum above zero that the ledger can hold"
        ) from None


def instant(text: str) -> datetime:
    """Read an instant that names its zone."""
    try:
        return stating.instant_in(text)
    except InvalidInputError as error:
        raise ArgumentTypeError(f"{text[:60]!r}: {error}") from None
