"""ccxt pro's own handlers of order books, fed with frames from a file: no sockets, only its code."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from typing import Any

import ccxt.pro
from lines import serve

URLS = {
    "upbit": "wss://api.upbit.com/websocket/v1",
    "bithumb": "wss://ws-api.bithumb.com/websocket/v1",
    "binance": "wss://stream.binance.com:9443/ws/0",
}


def answer(command: dict[str, Any]) -> dict[str, Any]:
    """Feed every venue's frames; seconds of CPU, and the best prices at the end."""
    return asyncio.run(_feed(command["path"]))


async def _feed(path: str) -> dict[str, Any]:
    with open(path) as file:  # noqa: PTH123
        snapshots = json.loads(file.readline())["snapshots"]
        frames: dict[str, list[bytes]] = {venue: [] for venue in URLS}
        for line in file:
            venue, frame = json.loads(line)
            frames[venue].append(frame.encode())
    found: dict[str, Any] = {"seconds": {}, "best": {}, "frames": {}}
    for venue, url in URLS.items():
        exchange = getattr(ccxt.pro, venue)()
        _know(exchange, venue, frames[venue], snapshots)
        client = exchange.client(url)
        gc.collect()
        began = time.thread_time()
        for frame in frames[venue]:
            client.handle_text_or_binary_message(frame)
        found["seconds"][venue] = time.thread_time() - began
        found["frames"][venue] = len(frames[venue])
        found["best"][venue] = {
            symbol: [book["bids"][0][0], book["asks"][0][0]]
            for symbol, book in exchange.orderbooks.items()
        }
        await exchange.close()
    return found


def _know(exchange: Any, venue: str, frames: list[bytes], snapshots: dict[str, Any]) -> None:
    """Let it know the markets, and the books that it would have read by request."""
    symbols = {_symbol(venue, json.loads(frame)) for frame in frames}
    exchange.markets = {
        symbol: {"id": id_, "symbol": symbol, "spot": True, "type": "spot"}
        for id_, symbol in symbols
    }
    exchange.markets_by_id = {market["id"]: [market] for market in exchange.markets.values()}
    for id_, symbol in symbols if venue == "binance" else ():
        book = exchange.order_book({}, 1000)
        read = snapshots[id_]
        book.reset(exchange.parse_order_book(read, symbol, None, "bids", "asks"))
        book["nonce"] = read["lastUpdateId"]
        exchange.orderbooks[symbol] = book


def _symbol(venue: str, frame: dict[str, Any]) -> tuple[str, str]:
    if venue == "binance":
        return frame["s"], f"{frame['s'].removesuffix('USDT')}/USDT"
    return frame["code"], f"{frame['code'].removeprefix('KRW-')}/KRW"


if __name__ == "__main__":
    serve(answer)
