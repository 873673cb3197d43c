"""Bithumb's error names that are definite refusals, and what they mean to us.

Source: apidocs.bithumb.com, "API error codes"; that table is short, so stems of Upbit's family count
too. The name of a duplicate client_order_id is not in it: any 400 or 409 that names it counts.
"""

from __future__ import annotations

from exchanges.errors import RefusalReason

NOT_FOUND = frozenset({"order_not_found"})
NOT_READY = "order_not_ready"  # the order was taken and cannot be asked about yet
UNKNOWN = frozenset({NOT_READY, "server_error"})

NAMES: dict[str, RefusalReason] = {
    "invalid_parameter": RefusalReason.RULES,
    "invalid_price": RefusalReason.RULES,
    "cross_trading": RefusalReason.RULES,  # it would have met an order of our own
    "validation_error": RefusalReason.RULES,
    "too_many_orders": RefusalReason.RULES,
    "currency does not have a valid value": RefusalReason.RULES,
    "market_offline": RefusalReason.MARKET_CLOSED,
    "order_not_found": RefusalReason.OTHER,
    "deposit_not_found": RefusalReason.OTHER,
    "withdraw_not_found": RefusalReason.OTHER,
    "coin_address_not_found": RefusalReason.OTHER,
    "travel_rule_consent_required": RefusalReason.TRAVEL_RULE,
    "invalid_query_payload": RefusalReason.KEY,
    "jwt_verification": RefusalReason.KEY,
    "expired_jwt": RefusalReason.CLOCK,  # its stamp is too far from the venue's clock
    "invalid_access_key": RefusalReason.KEY,
    "expired_access_key": RefusalReason.KEY,
    "notallowip": RefusalReason.KEY,
    "out_of_scope": RefusalReason.KEY,
    "blocked_member_id": RefusalReason.KEY,
    "bank_account_required": RefusalReason.KEY,
    "two_factor_auth_required": RefusalReason.KEY,
    "withdraw_insufficient_balance": RefusalReason.FUNDS,
}
STEMS: tuple[tuple[str, RefusalReason], ...] = (
    ("insufficient_funds", RefusalReason.FUNDS),
    ("invalid_price", RefusalReason.RULES),
    ("invalid_volume", RefusalReason.RULES),
    ("under_price_limit", RefusalReason.RULES),
    ("over_price_limit", RefusalReason.RULES),
    ("under_min_total", RefusalReason.RULES),
    ("over_max_total", RefusalReason.RULES),
    ("travel_rule", RefusalReason.TRAVEL_RULE),
    ("withdraw_travel", RefusalReason.TRAVEL_RULE),
    ("withdraw_address", RefusalReason.ADDRESS),
    ("withdraw_insufficient", RefusalReason.FUNDS),
    ("withdraw_under", RefusalReason.RULES),
    ("withdraw_decimal", RefusalReason.RULES),
    ("withdraw_wallet", RefusalReason.WALLET_CLOSED),
    ("withdraw_max", RefusalReason.LIMIT),
    ("withdraw_daily", RefusalReason.LIMIT),
    ("withdraw_over", RefusalReason.LIMIT),
)


def reason_of(name: str, status: int) -> RefusalReason | None:
    """Give our reason for an error name; None if it is not known to be a definite refusal."""
    plain = name.lower()
    if status in {400, 409} and "client_order_id" in plain:
        return RefusalReason.DUPLICATE
    known = NAMES.get(plain)
    if known is not None:
        return known
    return next((reason for stem, reason in STEMS if plain.startswith(stem)), None)
