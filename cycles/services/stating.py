"""What people type, read alike at every door: quantities, assets and instants that the books can hold.

All raise InvalidInputError.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

from django.utils.translation import gettext_noop

from cycles.errors import InvalidInputError
from cycles.services.resolving import Received

BEYOND = Decimal(10) ** 20  # a ledger column has 38 digits, 18 of them behind the point
PLACES = 18
_DIGITS = re.compile(r"[0-9]+(\.[0-9]+)?")
_BY_THOUSANDS = re.compile(r"[0-9]{1,3}(,[0-9]{3})*(\.[0-9]+)?")
_ASSET = re.compile(r"[A-Z0-9]{1,12}")
_BETWEEN = r"(?:\s*[,:]\s*|\s+)"
_PART = re.compile(rf"\s*([^\s,:]+){_BETWEEN}([^\s,:]+){_BETWEEN}(\S+)\s*")

NOT_A_PART = gettext_noop(
    "not a venue, an asset and a quantity, as in upbit KRW 7,000,000 or binance,USDT,4990.5"
)
NOT_IN_DIGITS = gettext_noop(
    "a quantity is written in digits, with commas between thousands only: 7000000, or 7,000,000.5"
)
NOT_ABOVE_ZERO = gettext_noop("what was received must be above zero")
TOO_FINE = gettext_noop("a quantity has at most 18 decimal places")
TOO_LARGE = gettext_noop("a quantity has at most 20 digits before the point")
NO_ZONE = gettext_noop("an instant names its zone, as 2026-11-26T03:00+09:00 does")
NO_ASSET = gettext_noop("an asset has 1 to 12 letters or digits")


def part_in(text: str) -> Received:
    """Read a part of a statement: venue, asset and quantity, with blanks, commas or colons between them."""
    found = _PART.fullmatch(text)
    if found is None:
        raise InvalidInputError(NOT_A_PART)
    venue, asset, number = found.groups()
    return received(venue, asset, quantity_in(number))


def received(venue: str, asset: str, quantity: Decimal) -> Received:
    """Give a part of a statement whose asset and quantity the ledger can hold."""
    return Received(
        venue=venue.lower(), asset=asset_code(asset), quantity=bookable_quantity(quantity)
    )


def asset_code(text: str) -> str:
    """Give an asset's code in capitals."""
    code = text.upper()
    if _ASSET.fullmatch(code) is None:
        raise InvalidInputError(NO_ASSET)
    return code


def quantity_in(text: str) -> Decimal:
    """Read a quantity; a comma that does not part thousands may have been meant as the point."""
    if _DIGITS.fullmatch(text) is None and _BY_THOUSANDS.fullmatch(text) is None:
        raise InvalidInputError(NOT_IN_DIGITS)
    return Decimal(text.replace(",", ""))


def bookable_quantity(quantity: Decimal) -> Decimal:
    """Give a quantity above zero that fits a column of the ledger, to the digit."""
    if not quantity.is_finite():
        raise InvalidInputError(NOT_IN_DIGITS)
    if quantity <= 0:
        raise InvalidInputError(NOT_ABOVE_ZERO)
    if quantity >= BEYOND:
        raise InvalidInputError(TOO_LARGE)
    if -int(quantity.as_tuple().exponent) > PLACES:
        raise InvalidInputError(TOO_FINE)
    return quantity


def instant_in(text: str) -> datetime:
    """Read an instant that names its zone of this century, which every zone and column has."""
    try:
        instant = datetime.fromisoformat(text)
        year = instant.astimezone(UTC).year
    except (ValueError, OverflowError):
        raise InvalidInputError(NO_ZONE) from None
    if instant.tzinfo is None or not 2000 <= year < 9999:
        raise InvalidInputError(NO_ZONE)
    return instant
