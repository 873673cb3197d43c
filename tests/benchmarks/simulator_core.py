"""Orders a second through the simulator's core, in process: no sockets, no clock, one thread."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, ParamSpec

from exchanges.simulator.core.simulator import Simulator
from exchanges.simulator.core.values import Reply
from tests.benchmarks.findings import Figure, Findings, median
from tests.benchmarks.orders import SignedOrder, binance_order, prepare_venues, upbit_order
from tests.exchanges.simulator.speaking import BEGIN_MS, new_simulator

P = ParamSpec("P")
AIM_PER_SECOND = 3000
BARE = "bare work of an order"


def run(*, orders: int, rounds: int) -> Findings:
    """Place orders at both venues; the reference is what no server of such orders could leave out."""
    rates: dict[str, list[float]] = {"binance": [], "upbit": [], BARE: []}
    prints = []
    for _ in range(rounds):
        simulator = _fresh()
        accounts = _accounts(simulator)
        for venue in ("binance", "upbit"):
            batch = [_signed(venue, accounts[venue], number) for number in range(orders)]
            rates[venue].append(orders / _cpu_seconds(_place, simulator, batch))
        rates[BARE].append(orders / _cpu_seconds(_bare_work, orders))
        prints.append(_fingerprint(simulator))
    figures = tuple(_figure(venue, rates) for venue in ("binance", "upbit"))
    work = {"orders": orders, "rounds": rounds, "is_repeatable": len(set(prints)) == 1}
    return Findings(name="simulator core", figures=figures, work=work | {"journal": prints[0]})


def _figure(venue: str, rates: dict[str, list[float]]) -> Figure:
    return Figure(
        what=f"{venue}: orders through the core",
        value=median(rates[venue]),
        unit="1/s of CPU",
        reference=BARE,
        reference_value=median(rates[BARE]),
        aim=f">= {AIM_PER_SECOND:,}",
    )


def _fresh() -> Simulator:
    simulator = new_simulator(seed=7, scenario="unlimited")

    def control(path: str, payload: dict[str, Any]) -> None:
        reply = simulator.control("POST", path, "", json.dumps(payload).encode())
        assert reply.status == 200, reply.body

    prepare_venues(control)
    return simulator


def _accounts(simulator: Simulator) -> dict[str, Any]:
    accounts: dict[str, Any] = json.loads(simulator.control("GET", "/control/accounts").body)
    return accounts["accounts"]  # type: ignore[no-any-return]  # JSON


def _signed(venue: str, account: Any, number: int) -> SignedOrder:
    if venue == "upbit":
        return upbit_order(account, number, mark="core")
    return binance_order(account, number, at_ms=BEGIN_MS, mark="core")


def _place(simulator: Simulator, batch: Sequence[SignedOrder]) -> None:
    for order in batch:
        reply = simulator.handle(
            order.venue, "POST", order.path, order.query, order.headers, order.body
        )
        assert isinstance(reply, Reply), reply
        assert reply.status < 300, reply.body


def _bare_work(orders: int) -> None:
    """Check a signature, read an order, multiply, write a reply: per order, and nothing else."""
    order = {"market": "KRW-XRP", "side": "bid", "volume": "10", "price": "4000"}
    body = json.dumps(order).encode()
    secret = b"k" * 40
    expected = hmac.digest(secret, body, "sha512")
    for number in range(orders):
        assert hmac.compare_digest(hmac.digest(secret, body, "sha512"), expected)
        read = json.loads(body)
        notional = Decimal(read["volume"]) * Decimal(read["price"])
        json.dumps({**read, "uuid": number, "executed_volume": read["volume"], "n": str(notional)})


def _cpu_seconds(work: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> float:
    """Time this thread's own CPU: what else runs on the machine does not count."""
    began = time.thread_time()
    work(*args, **kwargs)
    return time.thread_time() - began


def _fingerprint(simulator: Simulator) -> str:
    """Hash what happened, and refuse a world in which money was made or lost."""
    assert simulator.problems() == []
    return hashlib.sha256(simulator.world.journal.lines()).hexdigest()[:16]
