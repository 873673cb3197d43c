"""What Upbit lets us ask, a second: quotation by address, the rest by account.

Source: docs.upbit.com, "Rate Limits" (orders: 12 a second since 2026-08-21).
"""

from __future__ import annotations

from exchanges.transport.limits import Scope, VenueLimits, Window

DEFAULT = "default"

LIMITS = VenueLimits(
    windows=(
        *(
            Window(group=group, scope=Scope.IP, limit=10)
            for group in ("market", "candle", "trade", "ticker", "orderbook")
        ),
        Window(group=DEFAULT, scope=Scope.ACCOUNT, limit=30, reserve=6),
        Window(group="order", scope=Scope.ACCOUNT, limit=12),
        Window(group="order-test", scope=Scope.ACCOUNT, limit=8),
        Window(group="order-cancel-all", scope=Scope.ACCOUNT, limit=1, span_seconds=2),
    ),
    costs={
        "book": (("orderbook", 1),),
        "instruments": (("orderbook", 1),),
        "ticker": (("ticker", 1),),
        "place_order": (("order", 1),),
    },
    otherwise=((DEFAULT, 1),),
)
