"""Orders a second through the simulator over HTTP, from two client processes; kept connections.

Run as a module it is one of the clients: plain sockets with orders signed ahead, or our adapters.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from exchanges.adapters.binance.client import BinanceVenue
from exchanges.adapters.upbit.client import UpbitVenue
from exchanges.transport.wire import Keys
from exchanges.values import Market, OrderRequest, Side
from tests.benchmarks.children import answer, running, together
from tests.benchmarks.findings import Figure, Findings, median
from tests.benchmarks.orders import SignedOrder, binance_order, prepare_venues, upbit_order
from tests.benchmarks.venues import Venues, simulated

MODULE = "tests.benchmarks.simulator_http"
CLIENTS = 2
AIM_PER_SECOND = 800
BARE = "aiohttp, constant reply"
RESULT_BYTES = 65536


def run(*, orders: int, rounds: int) -> Findings:
    """Measure both venues by plain sockets and by our adapters; the reference is a bare aiohttp."""
    rates: dict[tuple[str, str], list[float]] = {}
    costs: dict[str, list[float]] = {"binance": [], "upbit": []}
    with simulated() as venues, running(["-m", MODULE, "--bare"], {}) as bare:
        prepare_venues(venues.tell)
        bare_url = bare.hear()["url"]
        for number in range(rounds):
            for venue, how in _ways():
                url = bare_url if how == "bare" else venues.urls[venue]
                specs = _specs(venues, venue, how, url, orders // CLIENTS, number)
                cpu_before = venues.process.cpu_seconds
                rates.setdefault((venue, how), []).append(_rate(specs, orders))
                cpu = venues.process.cpu_seconds
                if how == "plain sockets" and cpu is not None and cpu_before is not None:
                    costs[venue].append((cpu - cpu_before) * 1000 / orders)
        work = _work(venues, orders, rounds)
    reference = median(rates["binance", "bare"])
    figures = tuple(
        Figure(
            what=f"{venue}: orders over HTTP, {how}",
            value=median(found),
            unit="1/s",
            reference=BARE,
            reference_value=reference,
            aim=f">= {AIM_PER_SECOND:,}" if how == "plain sockets" else "",
        )
        for (venue, how), found in rates.items()
        if how != "bare"
    )
    figures += tuple(
        Figure(what=f"{venue}: CPU of the simulator for an order", value=median(cost), unit="ms")
        for venue, cost in costs.items()
        if cost
    )
    return Findings(name=f"simulator over HTTP, {CLIENTS} clients", figures=figures, work=work)


def _ways() -> list[tuple[str, str]]:
    ways = [(venue, how) for how in ("plain sockets", "adapters") for venue in ("binance", "upbit")]
    return [("binance", "bare"), *ways]


def _specs(
    venues: Venues, venue: str, how: str, url: str, orders: int, number: int
) -> list[dict[str, Any]]:
    account = venues.accounts()[venue]
    marks = [f"{how[0]}{number}{client}x" for client in range(CLIENTS)]
    common = {"venue": venue, "how": how, "url": url, "account": account, "orders": orders}
    return [{**common, "mark": mark} for mark in marks]


def _rate(specs: Sequence[dict[str, Any]], orders: int) -> float:
    results = together(MODULE, specs, {})
    assert sum(result["accepted"] for result in results) == orders
    return orders / max(float(result["seconds"]) for result in results)


def _work(venues: Venues, orders: int, rounds: int) -> dict[str, Any]:
    """Count at the venue what the clients say they did."""
    rows = venues.ask("/control/orders")
    found = rows["orders"] if isinstance(rows, dict) else rows
    return {"orders": orders, "rounds": rounds, "orders_at_venues": len(found)}


# What follows runs in a client's process.


def client(spec: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    """Prepare a client's orders; the orders of plain sockets are signed here, outside of the time."""
    if spec["how"] == "adapters":
        return lambda: _by_adapter(spec)
    orders = [_signed(spec, number) for number in range(spec["orders"])]
    parts = urlsplit(spec["url"])
    requests = [_bytes(order, parts.netloc) for order in orders]
    line = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=30)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return lambda: _by_socket(line, requests)


def _signed(spec: dict[str, Any], number: int) -> SignedOrder:
    if spec["venue"] == "upbit":
        return upbit_order(spec["account"], number, mark=spec["mark"])
    at_ms = time.time_ns() // 1_000_000
    return binance_order(spec["account"], number, at_ms=at_ms, mark=spec["mark"])


def _bytes(order: SignedOrder, host: str) -> bytes:
    target = f"{order.path}?{order.query}" if order.query else order.path
    headers = {"Host": host, "Content-Length": str(len(order.body)), **order.headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {target} HTTP/1.1\r\n{head}\r\n".encode() + order.body


def _by_socket(line: socket.socket, requests: Sequence[bytes]) -> dict[str, Any]:
    accepted = 0
    began = time.perf_counter()
    for request in requests:
        line.sendall(request)
        accepted += _read_status(line) in {200, 201}
    seconds = time.perf_counter() - began
    line.close()
    return {"accepted": accepted, "seconds": seconds}


def _read_status(line: socket.socket) -> int:
    """Read one whole reply by its Content-Length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += line.recv(RESULT_BYTES)
    head, _, body = data.partition(b"\r\n\r\n")
    rows = head.lower().split(b"\r\n")
    length = next(int(row[15:]) for row in rows if row.startswith(b"content-length:"))
    while len(body) < length:
        body += line.recv(RESULT_BYTES)
    return int(head.split(b" ", 2)[1])


def _by_adapter(spec: dict[str, Any]) -> dict[str, Any]:
    account = spec["account"]
    keys = Keys(access=account["access_key"], secret=account["secret_key"])
    venue: BinanceVenue | UpbitVenue
    if spec["venue"] == "binance":
        venue = BinanceVenue(base_url=spec["url"], keys=keys, clock=lambda: datetime.now(UTC))
    else:
        venue = UpbitVenue(base_url=spec["url"], keys=keys, clock=lambda: datetime.now(UTC))
    requests = [_request(spec, number) for number in range(spec["orders"])]
    began = time.perf_counter()
    reports = [venue.place_order(request) for request in requests]
    seconds = time.perf_counter() - began
    venue.close()
    return {"accepted": len(reports), "seconds": seconds}


def _request(spec: dict[str, Any], number: int) -> OrderRequest:
    is_buy = number % 2 == 0
    prices = {"binance": ("2.5000", "2.4999"), "upbit": ("4000", "3999")}[spec["venue"]]
    return OrderRequest(
        market=Market("XRP", "USDT" if spec["venue"] == "binance" else "KRW"),
        side=Side.BUY if is_buy else Side.SELL,
        quantity=Decimal(10),
        limit_price=Decimal(prices[0] if is_buy else prices[1]),
        client_order_id=f"{spec['mark']}{number}",
    )


async def serve_bare() -> None:
    """Answer every request with the same order, and do nothing else: what HTTP itself costs here."""
    body = json.dumps({"symbol": "XRPUSDT", "status": "FILLED", "fills": ["x" * 400]}).encode()

    async def reply(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        return web.Response(body=body, headers={"Content-Type": "application/json"})

    runner = web.ServerRunner(web.Server(reply, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    print(json.dumps({"url": f"http://{host}:{port}"}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    if "--bare" in sys.argv:
        asyncio.run(serve_bare())
    else:
        answer(client)
