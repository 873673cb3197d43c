"""What Binance lets us ask, as documented; exchangeInfo and rateLimit/order tell what is in force.

Source: binance-spot-api-docs, "rest-api", limits; the wallet API's pages for the weights of /sapi.
Raw requests (300,000 in 5 minutes) are bounded by the weight of each.
"""

from __future__ import annotations

import msgspec

from exchanges.transport.limits import Scope, VenueLimits, Window
from exchanges.transport.reading import decode

WEIGHT = "weight"
ORDERS_10S = "orders-10s"
ORDERS_1D = "orders-1d"
WALLET_IP = "sapi-ip"
WALLET_UID = "sapi-uid"
HISTORY = "sapi-history"  # the withdrawal history allows 10 calls a second

LIMITS = VenueLimits(
    windows=(
        Window(group=WEIGHT, scope=Scope.IP, limit=6000, span_seconds=60, reserve=600),
        Window(group=ORDERS_10S, scope=Scope.ACCOUNT, limit=50, span_seconds=10),
        Window(group=ORDERS_1D, scope=Scope.ACCOUNT, limit=160_000, span_seconds=86_400),
        Window(group=WALLET_IP, scope=Scope.IP, limit=12_000, span_seconds=60),
        Window(group=WALLET_UID, scope=Scope.ACCOUNT, limit=180_000, span_seconds=60),
        Window(group=HISTORY, scope=Scope.ACCOUNT, limit=10, reserve=2),
    ),
    costs={
        "book": ((WEIGHT, 5),),
        "server_time": ((WEIGHT, 1),),
        "market_rules": ((WEIGHT, 20),),
        "account": ((WEIGHT, 20),),
        "balances": ((WEIGHT, 20),),
        "order": ((WEIGHT, 4),),
        "orders": ((WEIGHT, 20),),
        "trades": ((WEIGHT, 20),),
        "order_limits": ((WEIGHT, 40),),
        # Nothing on success, 1 otherwise; the counts of orders come first for what is shown.
        "place_order": ((ORDERS_10S, 1), (ORDERS_1D, 1), (WEIGHT, 1)),
        "cancel_order": ((WEIGHT, 1),),
        "withdraw": ((WALLET_UID, 900),),
        "withdrawals": ((HISTORY, 1),),
        "deposits": ((WALLET_IP, 1),),
        "trade_fee": ((WALLET_IP, 1),),
        "network_rules": ((WALLET_IP, 10),),
        "listings": ((WALLET_IP, 10),),
        "deposit_address": ((WALLET_IP, 10),),
        "withdrawal_addresses": ((WALLET_IP, 10),),
        "key_report": ((WALLET_IP, 1),),
        # What the account's local entity asks; its weights are those of the plain endpoints beside them.
        "questionnaire": ((WALLET_IP, 1),),
        "vasps": ((WALLET_IP, 1),),
        "held_deposits": ((WALLET_IP, 1),),
        "verify_deposit": ((WALLET_UID, 600),),
    },
    otherwise=((WEIGHT, 20),),
)
USED = {  # header: the window it counts
    "x-mbx-used-weight-1m": WEIGHT,
    "x-mbx-order-count-10s": ORDERS_10S,
    "x-mbx-order-count-1d": ORDERS_1D,
    "x-sapi-used-ip-weight-1m": WALLET_IP,
    "x-sapi-used-uid-weight-1m": WALLET_UID,
}
TOLD = {  # (type, interval, number of it): the window it limits
    ("REQUEST_WEIGHT", "MINUTE", 1): WEIGHT,
    ("ORDERS", "SECOND", 10): ORDERS_10S,
    ("ORDERS", "DAY", 1): ORDERS_1D,
}


class _Limit(msgspec.Struct, rename="camel"):
    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int


class _ExchangeInfo(msgspec.Struct, rename="camel"):
    rate_limits: list[_Limit] = []


def told_by_exchange_info(body: bytes) -> dict[str, int]:
    """Read the limits that exchangeInfo names, by window; what we do not count is left out."""
    return _by_window(decode(body, _ExchangeInfo).rate_limits)


def told_of_orders(body: bytes) -> dict[str, int]:
    """Read the account's own order limits (GET /api/v3/rateLimit/order)."""
    return _by_window(decode(body, list[_Limit]))


def _by_window(rows: list[_Limit]) -> dict[str, int]:
    keys = {TOLD.get((row.rate_limit_type, row.interval, row.interval_num)): row for row in rows}
    return {group: row.limit for group, row in keys.items() if group is not None and row.limit > 0}
