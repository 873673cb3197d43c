"""Upbit's error names that are definite refusals, and what they mean to us.

Source: docs.upbit.com, "REST API Errors" (names differ in age and spelling, hence the stems); the name
of a duplicate identifier is not in the official table, so any 400 that names the identifier counts.
Status codes are not used to tell: Upbit's 401 and 403 are inconsistent.
"""

from __future__ import annotations

from exchanges.errors import RefusalReason

WITHDRAW_LOCKED = "open_api_withdraw_locked"  # the block that the holder lifts in the mobile app
NOT_FOUND = frozenset({"order_not_found", "withdraw_not_found", "deposit_not_found"})

NAMES: dict[str, RefusalReason] = {
    "create_ask_error": RefusalReason.RULES,
    "create_bid_error": RefusalReason.RULES,
    "validation_error": RefusalReason.RULES,
    "invalid_parameter": RefusalReason.RULES,
    "invalid_time_in_force": RefusalReason.RULES,
    "notfoundmarket": RefusalReason.RULES,
    "market_does_not_exist": RefusalReason.RULES,
    "currency_does_not_exist": RefusalReason.RULES,
    "market_offline": RefusalReason.MARKET_CLOSED,
    "order_disabled_member": RefusalReason.KEY,
    "order_not_found": RefusalReason.OTHER,
    "withdraw_not_found": RefusalReason.OTHER,
    "deposit_not_found": RefusalReason.OTHER,
    "coin_address_not_found": RefusalReason.OTHER,
    "thirdparty_agreement_required": RefusalReason.TRAVEL_RULE,
    "travel_rule_required": RefusalReason.TRAVEL_RULE,
    "invalid_query_payload": RefusalReason.KEY,
    "jwt_verification": RefusalReason.KEY,
    "expired_access_key": RefusalReason.KEY,
    "invalid_access_key": RefusalReason.KEY,
    "nonce_used": RefusalReason.KEY,
    "no_authorization_ip": RefusalReason.KEY,
    "no_authorization_i_p": RefusalReason.KEY,
    "no_authorization_token": RefusalReason.KEY,
    "out_of_scope": RefusalReason.KEY,
    WITHDRAW_LOCKED: RefusalReason.KEY,
    "withdraw_insufficient_balance": RefusalReason.FUNDS,
    "withdraw_invalid_amount": RefusalReason.RULES,
    "withdraw_under_min_amount": RefusalReason.RULES,
    "withdraw_wallet_not_working": RefusalReason.WALLET_CLOSED,
}

STEMS: tuple[tuple[str, RefusalReason], ...] = (
    ("insufficient_funds", RefusalReason.FUNDS),
    ("under_min_total", RefusalReason.RULES),
    ("over_max_total", RefusalReason.RULES),
    ("under_price_limit", RefusalReason.RULES),
    ("over_price_limit", RefusalReason.RULES),
    ("invalid_price", RefusalReason.RULES),
    ("invalid_volume", RefusalReason.RULES),
    ("withdraw_address", RefusalReason.ADDRESS),
    ("withdraw_insufficient", RefusalReason.FUNDS),
    ("withdraw_under", RefusalReason.RULES),
    ("withdraw_decimal", RefusalReason.RULES),
    ("withdraw_safety", RefusalReason.KEY),
    ("withdraw_wallet", RefusalReason.WALLET_CLOSED),
    ("withdraw_maximum", RefusalReason.LIMIT),
    ("withdraw_max", RefusalReason.LIMIT),
    ("withdraw_daily", RefusalReason.LIMIT),
    ("withdraw_over", RefusalReason.LIMIT),
    ("withdraw_travel", RefusalReason.TRAVEL_RULE),
    ("travel_rule", RefusalReason.TRAVEL_RULE),  # also: verified less than ten minutes ago
    ("withdraw_", RefusalReason.OTHER),  # documented as withdrawal policy: not processed
)


def reason_of(name: str, *, status: int) -> RefusalReason | None:
    """Give our reason for an error name; None if it is not known to be a definite refusal."""
    known = NAMES.get(name.lower())
    if known is not None:
        return known
    if status == 400 and "identifier" in name.lower():
        return RefusalReason.DUPLICATE
    return next((reason for stem, reason in STEMS if name.lower().startswith(stem)), None)
