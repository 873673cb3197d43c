"""Thirty steps of both passages, as data: an act, and what the world does after it.

The Korean venue is a parameter: Upbit or Bithumb.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.oracle.desks import FEES, Desk, Placing
from tests.oracle.stage import CONFIRMED_MS, Stage


@dataclass(frozen=True)
class Step:
    """One act of the client; `then` is what happens around it before the next."""

    name: str
    act: Callable[[Desk], Any]
    then: Callable[[Stage], None] = lambda stage: None


def begin(stage: Stage, korean: str) -> None:
    """Set the scene: books deep enough to walk, nothing held but the opening balances."""
    stage.pin(
        "binance",
        "XRPUSDT",
        [["2.4000", "60"], ["2.3990", "5000"]],
        [["2.5000", "100"], ["2.5010", "5000"]],
    )
    stage.pin(korean, "KRW-XRP",
              [["2990", "150"], ["2989", "5000"]], [["3000", "80"], ["3001", "5000"]])  # fmt: skip


def _asks(*rows: list[str]) -> Callable[[Stage], None]:
    return lambda stage: stage.pin(
        "binance", "XRPUSDT", [["2.4000", "60"], ["2.3990", "5000"]], list(rows)
    )


def _confirm(stage: Stage) -> None:
    stage.advance(CONFIRMED_MS)


def _place(venue: str, side: str, kind: str, quantity: str, price: str, name: str) -> Any:
    order = Placing(
        venue=venue, side=side, kind=kind, quantity=quantity, price=price, client_id=name
    )
    return lambda desk: desk.place(order)


def _look(venue: str, name: str) -> Any:
    return lambda desk: desk.look(venue, name)


def _cancel(venue: str, name: str) -> Any:
    return lambda desk: desk.cancel(venue, name)


def _send(source: str, target: str, quantity: str) -> Any:
    return lambda desk: desk.withdraw(source, desk.address(target), quantity, FEES[source])


THIN = _asks(["2.5000", "60.5"], ["2.6000", "5000"])
LOW = _asks(["2.4400", "15"], ["2.6000", "5000"])
_GLOBAL = (
    Step("read the global book", lambda desk: desk.top("binance")),
    Step("read the global balances", lambda desk: desk.balances("binance")),
    Step("buy through two levels", _place("binance", "buy", "ioc", "300", "2.5010", "out-1")),
    Step("look it up by client id", _look("binance", "out-1"), THIN),
    Step("buy more than there is", _place("binance", "buy", "ioc", "1000", "2.5000", "out-2")),
    Step("see the partial fill", _look("binance", "out-2")),
    Step("let a bid rest far away", _place("binance", "buy", "limit", "50", "2.3500", "out-3")),
    Step("see it open", _look("binance", "out-3")),
    Step("cancel it", _cancel("binance", "out-3")),
    Step("see it gone without a fill", _look("binance", "out-3")),
    Step("let a bid rest", _place("binance", "buy", "limit", "40", "2.4500", "out-4"), LOW),
    Step("see the market come to it", _look("binance", "out-4")),
    Step("cancel what is left of it", _cancel("binance", "out-4")),
    Step("see what stays of it", _look("binance", "out-4")),
    Step("buy at market", _place("binance", "buy", "market", "25", "", "out-5")),
)


def steps(korean: str) -> tuple[Step, ...]:
    """List the thirty steps with one of the Korean venues."""
    return (
        *_GLOBAL,
        Step("read the Korean deposit address", lambda desk: desk.address(korean)),
        Step("send the coins over", _send("binance", korean, "350.123456")),
        Step("see the withdrawal pending", lambda desk: desk.withdrawals("binance"), _confirm),
        Step("see it done", lambda desk: desk.withdrawals("binance")),
        Step("see the deposit credited", lambda desk: desk.deposits(korean)),
        Step("sell through two levels", _place(korean, "sell", "ioc", "200.5", "2989", "ret-1")),
        Step("look it up by identifier", _look(korean, "ret-1")),
        Step("sell at market", _place(korean, "sell", "market", "49.87654321", "", "ret-2")),
        Step("let an ask rest", _place(korean, "sell", "limit", "40", "3100", "ret-3")),
        Step("cancel the ask", _cancel(korean, "ret-3")),
        Step("buy coins to go home with", _place(korean, "buy", "ioc", "120.1", "3001", "ret-4")),
        Step("send the coins home", _send(korean, "binance", "100.25"), _confirm),
        Step("see them come home", lambda desk: desk.deposits("binance")),
        Step("sell them", _place("binance", "sell", "ioc", "100.2", "2.3990", "ret-5")),
        Step("read all balances", lambda desk: [desk.balances(v) for v in (korean, "binance")]),
    )
