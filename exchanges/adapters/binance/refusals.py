"""Binance's codes that are definite refusals, and what they mean to us.

Sources: binance-spot-api-docs, "errors"; wallet codes from the wallet API's error list. Codes in
`UNKNOWN` say themselves that the outcome is not known, or are "try again" texts of the wallet.
"""

from __future__ import annotations

from exchanges.errors import RefusalReason

ORDER_NOT_FOUND = "-2013"
CANCEL_REFUSED = "-2011"
TOO_MANY_ORDERS = "-1015"
THROTTLED = frozenset({"-1003", TOO_MANY_ORDERS})
UNKNOWN = frozenset(
    {"-1000", "-1001", "-1006", "-1007", "-1008"}
    | {"-4027", "-4030", "-4032", "-4038", "-4041", "-4045"}
)

CODES: dict[str, RefusalReason] = {
    "-1002": RefusalReason.KEY,
    "-1013": RefusalReason.RULES,
    "-1014": RefusalReason.RULES,
    "-1016": RefusalReason.MARKET_CLOSED,
    "-1020": RefusalReason.RULES,
    "-1021": RefusalReason.CLOCK,  # outside of the receive window
    "-1022": RefusalReason.KEY,
    CANCEL_REFUSED: RefusalReason.OTHER,
    ORDER_NOT_FOUND: RefusalReason.OTHER,
    "-2014": RefusalReason.KEY,
    "-2015": RefusalReason.KEY,
    "-2026": RefusalReason.OTHER,  # archived: cancelled or expired without fills, over 90 days ago
    "-4007": RefusalReason.ADDRESS,
    "-4008": RefusalReason.ADDRESS,
    "-4012": RefusalReason.ADDRESS,
    "-4014": RefusalReason.LIMIT,
    "-4015": RefusalReason.LIMIT,
    "-4016": RefusalReason.LIMIT,
    "-4017": RefusalReason.LIMIT,
    "-4019": RefusalReason.WALLET_CLOSED,
    "-4021": RefusalReason.RULES,
    "-4022": RefusalReason.RULES,
    "-4023": RefusalReason.LIMIT,
    "-4024": RefusalReason.FUNDS,
    "-4025": RefusalReason.FUNDS,
    "-4026": RefusalReason.FUNDS,
    "-4028": RefusalReason.RULES,
    "-4033": RefusalReason.ADDRESS,
    "-4034": RefusalReason.ADDRESS,
    "-4035": RefusalReason.ADDRESS,
    "-4036": RefusalReason.ADDRESS,
    "-4047": RefusalReason.RULES,
    "-4060": RefusalReason.FUNDS,  # a deposit not yet unlocked
    "-4106": RefusalReason.ADDRESS,
}

PARAMETER_CODES = range(-1135, -1099)  # -1100 .. -1135: malformed, missing or too precise

ENGINE_REFUSED = "-2010"
# -2010 is the matching engine's "no"; only its text says why
ENGINE_TEXTS: tuple[tuple[str, RefusalReason], ...] = (
    ("insufficient balance", RefusalReason.FUNDS),
    ("duplicate order", RefusalReason.DUPLICATE),
    ("market is closed", RefusalReason.MARKET_CLOSED),
    ("immediately match", RefusalReason.RULES),
)


def reason_of(code: str, message: str) -> RefusalReason | None:
    """Give our reason for a code; None if it is not known to be a definite refusal."""
    if code == ENGINE_REFUSED:
        text = message.lower()
        found = (reason for part, reason in ENGINE_TEXTS if part in text)
        return next(found, RefusalReason.OTHER)
    if code.lstrip("-").isdigit() and int(code) in PARAMETER_CODES:
        return RefusalReason.RULES
    if code == "-1013" and "market is closed" in message.lower():
        return RefusalReason.MARKET_CLOSED
    return CODES.get(code)
