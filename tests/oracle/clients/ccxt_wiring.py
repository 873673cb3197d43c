"""How ccxt is pointed at the simulator: its hosts are replaced, nothing else is changed."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit


def wired(module: Any, venue: str, base_url: str, access: str, secret: str) -> Any:
    """Make a ccxt exchange of `ccxt` or `ccxt.pro` that speaks to one simulated venue."""
    exchange = getattr(module, venue)({"apiKey": access, "secret": secret})
    _WIRING[venue](exchange, base_url, base_url.replace("http", "ws", 1))
    return exchange


def _upbit(exchange: Any, http: str, ws: str) -> None:
    exchange.urls["api"] = {"public": http, "private": http, "ws": f"{ws}/websocket/v1"}


def _bithumb(exchange: Any, http: str, ws: str) -> None:
    streams = exchange.urls["api"].get("ws", {})
    exchange.urls["api"] = {"public": http, "private": http}
    exchange.urls["api"]["ws"] = {name: ws + urlsplit(url).path for name, url in streams.items()}


def _binance(exchange: Any, http: str, ws: str) -> None:
    api = exchange.urls["api"]
    for name in ("public", "private", "v1", "sapi", "sapiV2", "sapiV3", "sapiV4"):
        api[name] = http + urlsplit(api[name]).path
    if "ws" in api:
        api["ws"]["spot"] = f"{ws}/ws"
        api["ws"]["ws-api"]["spot"] = f"{ws}/ws-api/v3"
    # Without it load_markets asks the hosts of the futures too, which nobody imitates.
    exchange.options["fetchMarkets"]["types"] = ["spot"]


_WIRING = {"upbit": _upbit, "bithumb": _bithumb, "binance": _binance}
