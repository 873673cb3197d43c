"""Binance's authentication: key, HMAC over the raw bytes, timestamp inside the window."""

from __future__ import annotations

import hashlib
import hmac
from decimal import Decimal

from exchanges.simulator.core.binance.params import Params
from exchanges.simulator.core.binance.refusals import AHEAD, refuse
from exchanges.simulator.core.numbers import parse_decimal
from exchanges.simulator.core.values import BINANCE, Request
from exchanges.simulator.core.world import Key, World

DEFAULT_WINDOW_MS = Decimal(5000)
LONGEST_WINDOW_MS = Decimal(60000)
AHEAD_MS = 1000
_MICROSECONDS_FROM = 10**14


def known_key(world: World, request: Request) -> Key:
    """Return the key of the header, or refuse (-2014, -2015)."""
    access = request.headers.get("x-mbx-apikey")
    if not access:
        raise refuse(-2014)
    key = world.keys.get(access)
    if key is None or key.venue != BINANCE or key.has_ended(world.wall_ms):
        raise refuse(-2015)
    if key.addresses and request.remote not in key.addresses:
        raise refuse(-2015)
    return key


def authenticate(world: World, request: Request, params: Params) -> Key:
    """Check key, signature and timestamp of a signed request."""
    key = known_key(world, request)
    timestamp = params.need("timestamp")
    if params.signature is None:
        raise refuse(-1102, "signature")
    expected = hmac.new(key.secret.encode(), params.payload.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, params.signature.lower()):
        raise refuse(-1022)
    _check_window(world, timestamp, params)
    return key


def venue_now_ms(world: World) -> int:
    """Return the venue's clock as this request meets it."""
    skew = world.override.get("skew_ms", 0)
    return world.venue_ms(BINANCE) + (skew if isinstance(skew, int) else 0)


def _check_window(world: World, timestamp: str, params: Params) -> None:
    if not timestamp.isdecimal():
        raise refuse(-1100, "timestamp")
    sent_ms = int(timestamp) // 1000 if int(timestamp) >= _MICROSECONDS_FROM else int(timestamp)
    window = parse_decimal(params.get("recvWindow") or str(DEFAULT_WINDOW_MS))
    if window is None or window > LONGEST_WINDOW_MS:
        raise refuse(-1131)
    delay = world.override.get("delay_ms", 0)
    now_ms = venue_now_ms(world) + (delay if isinstance(delay, int) else 0)
    if sent_ms >= now_ms + AHEAD_MS:
        raise refuse(-1021, text=AHEAD)
    if now_ms - sent_ms > window:
        raise refuse(-1021)
