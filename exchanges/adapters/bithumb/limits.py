"""What Bithumb lets us ask, a second, by the address that calls; no header tells what is left.

Source: apidocs.bithumb.com, "Request limits".
"""

from __future__ import annotations

from exchanges.transport.limits import Scope, VenueLimits, Window

PUBLIC, PRIVATE = "public", "private"

LIMITS = VenueLimits(
    windows=(
        Window(group=PUBLIC, scope=Scope.IP, limit=150),
        Window(group=PRIVATE, scope=Scope.IP, limit=140, reserve=28),
        Window(group="batch", scope=Scope.IP, limit=20),
    ),
    costs={"book": ((PUBLIC, 1),), "ticker": ((PUBLIC, 1),)},
    otherwise=((PRIVATE, 1),),
)
