"""Where the venues and the sources of the official rate really are."""

from __future__ import annotations

REST = {
    "upbit": "https://api.upbit.com",
    "bithumb": "https://api.bithumb.com",
    "binance": "https://api.binance.com",
}
STREAMS = {
    "upbit": "https://api.upbit.com",
    "bithumb": "https://ws-api.bithumb.com",
    "binance": "https://stream.binance.com:9443",
}
BINANCE_WS_API = "https://ws-api.binance.com"
FRANKFURTER = "https://api.frankfurter.dev/v1/latest?base=USD&symbols=KRW"
OPEN_ER_API = "https://open.er-api.com/v6/latest/USD"
