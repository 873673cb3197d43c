"""Bithumb's own words for what the Korean venues refuse.

Source: apidocs.bithumb.com, "API error codes" (400 to 422). Names it does not list stay Upbit's.
"""

from __future__ import annotations

from exchanges.simulator.core.krw.refusals import NamedRefusalError

# Our name: (Bithumb's name, status)
_WORDS = {
    "validation_error": ("invalid_parameter", 400),
    "over_max_total_bid": ("invalid_parameter", 400),
    "over_max_total_ask": ("invalid_parameter", 400),
    "invalid_volume_bid": ("invalid_parameter", 400),
    "invalid_volume_ask": ("invalid_parameter", 400),
    "under_min_total_bid": ("under_price_limit_bid", 400),
    "under_min_total_ask": ("under_price_limit_ask", 400),
    "currency_does_not_exist": ("currency does not have a valid value", 400),
    "no_authorization_token": ("jwt_verification", 401),
    "nonce_used": ("jwt_verification", 401),
    "expired_jwt": ("expired_jwt", 401),
    "no_authorization_ip": ("NotAllowIP", 401),
    "out_of_scope": ("out_of_scope", 401),
}


def in_own_words(refusal: NamedRefusalError) -> NamedRefusalError:
    """Return the refusal as Bithumb says it."""
    name, status = _WORDS.get(refusal.name, (refusal.name, refusal.reply.status))
    return NamedRefusalError(name, refusal.message, status)
