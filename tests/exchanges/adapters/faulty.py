"""The venues of a running simulator through the real adapters, with a way to let them go wrong.

Every test counts what reached the venue; the fixture checks after each that nothing was sent more often
than we asked for it, and that the simulator's money still adds up.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from exchanges.adapters.binance.client import BinanceVenue
from exchanges.adapters.bithumb.client import BithumbVenue
from exchanges.adapters.upbit.client import UpbitVenue
from exchanges.registry import utc_now
from exchanges.simulator.server import RunningSimulator
from exchanges.transport.budget import RateBudget
from exchanges.transport.plain import get_json, post_json
from exchanges.transport.wire import Keys
from exchanges.values import (
    DepositAddress,
    DepositReport,
    Market,
    OrderReport,
    OrderRequest,
    Side,
    WithdrawalReport,
    WithdrawalRequest,
)

Adapter = UpbitVenue | BithumbVenue | BinanceVenue
ADAPTERS: dict[str, type[Adapter]] = {
    "upbit": UpbitVenue,
    "bithumb": BithumbVenue,
    "binance": BinanceVenue,
}
OTHER = {"upbit": "binance", "bithumb": "binance", "binance": "upbit"}
READY_AT_ONCE = {"not_ready_wall_ms": 0}  # Bithumb's orders: that they are not is F16
WORLD = {"seed": 11, "speed": "100", "scenario": "unlimited"}
DEADLINE_SECONDS = 1.0
QUANTITY = Decimal(25)  # of what is sent
_MONEY_PATHS = ("/orders", "/order", "/withdraws/coin", "/withdraw/apply")
numbers = itertools.count(1)


@dataclass
class Desk:
    """One venue to send from, the other to arrive at, and what we have sent so far."""

    venue: Adapter
    there: Adapter
    running: RunningSimulator
    client_id: str
    sent: int = 0
    began_at: datetime = field(default_factory=utc_now)

    @property
    def market(self) -> Market:
        return Market("XRP", "USDT" if self.venue.code == "binance" else "KRW")

    def post(self, path: str, **spec: Any) -> Any:
        status, body = post_json(f"{self.running.control_url}/control/{path}", spec, 5)
        assert status == 200, body
        return json.loads(body)

    def control(self, view: str) -> Any:
        return get_json(f"{self.running.control_url}/control/{view}", 5)[1]

    def spoil(self, fault: str, **spec: Any) -> int:
        """Set a rule; gives its number."""
        rule = {"fault": fault, "venue": self.venue.code, "when": "once", **spec}
        number: int = self.post("faults", **rule)["number"]
        return number

    def mend(self, number: int) -> None:
        """Let a rule strike no more."""
        rules = self.running.simulator.faults.rules
        rules[:] = [rule for rule in rules if rule.number != number]

    def truth(self) -> list[bool]:
        """Say of each fault that struck whether what it spoilt was applied."""
        return [row["applied"] for row in self.control("journal") if row["kind"] == "fault"]

    def requests(self, method: str = "", path: str = "") -> list[Any]:
        rows = self.control("requests")
        return [
            row
            for row in rows
            if row["venue"] == self.venue.code
            and row["method"].startswith(method)
            and row["path"].endswith(path)
        ]

    def arrived(self) -> int:
        """Count the POSTs that move money, as the venue saw them."""
        return sum(1 for row in self.requests("POST") if row["path"].endswith(_MONEY_PATHS))

    def accepted(self) -> int:
        """Count the orders of our id that the venue accepted."""
        rows = self.control("orders")
        return sum(1 for row in rows if row["client_order_id"] == self.client_id)

    def order(self) -> OrderRequest:
        book, rules = self.venue.book(self.market), self.venue.market_rules(self.market)
        step = rules.price_step(book.asks[0].price)
        return OrderRequest(
            market=self.market,
            side=Side.BUY,
            quantity=Decimal(20),
            limit_price=(book.asks[0].price * Decimal("1.02") // step) * step,
            client_order_id=self.client_id,
        )

    def place(self, order: OrderRequest) -> OrderReport:
        self.sent += 1
        return self.venue.place_order(order)

    def look_up(self) -> OrderReport | None:
        return self.venue.order(self.market, client_order_id=self.client_id)

    def until_final(self) -> OrderReport:
        found: OrderReport = until(
            self.look_up, lambda report: report is not None and report.is_final
        )
        return found

    def allowed(self, sender: Adapter, receiver: Adapter) -> DepositAddress:
        """Give the receiver's address as the sender lists it."""
        own = receiver.deposit_address("XRP", network="XRP")
        assert own is not None
        rows = sender.withdrawal_addresses("XRP")
        return next(row for row in rows if (row.address, row.memo) == (own.address, own.memo))

    def fund(self) -> None:
        self.post("balances", venue=self.venue.code, asset="XRP", credit="100")

    def send(self) -> WithdrawalReport:
        """Withdraw to the other venue."""
        to = self.allowed(self.venue, self.there)
        (rules,) = self.venue.network_rules("XRP")
        request = WithdrawalRequest(
            destination=to,
            quantity=QUANTITY,
            network_fee=rules.withdraw_fee,
            client_withdrawal_id=self.client_id,
        )
        self.sent += 1
        return self.venue.withdraw(request)

    def withdrawals(self) -> list[WithdrawalReport]:
        since = self.began_at - timedelta(minutes=5)
        return list(self.venue.withdrawals("XRP", since=since))

    def deposits(self) -> list[DepositReport]:
        return list(self.there.deposits("XRP", since=self.began_at - timedelta(minutes=5)))

    def freeze(self) -> None:
        """Let market time stand still: only `advance` moves it from now on."""
        self.post("clock", freeze=True)

    def advance(self, seconds: int) -> None:
        self.post("clock", advance_ms=seconds * 1000)

    def be_patient(self) -> None:
        """Give calls ten seconds: for what must not end by the deadline."""
        self.venue.close()
        self.venue = adapter(self.running, self.venue.code, 10)

    def close(self) -> None:
        self.venue.close()
        self.there.close()


def until(read: Callable[[], Any], is_done: Callable[[Any], bool]) -> Any:
    ends_at = time.monotonic() + 10
    while time.monotonic() < ends_at:
        found = read()
        if is_done(found):
            return found
        time.sleep(0.02)
    raise AssertionError("it never became so")


def desk_at(
    running: RunningSimulator, code: str, *, deadline_seconds: float = DEADLINE_SECONDS
) -> Desk:
    return Desk(
        adapter(running, code, deadline_seconds),
        adapter(running, OTHER[code], deadline_seconds),
        running,
        f"kfault{next(numbers)}x",
    )


def adapter(
    running: RunningSimulator, code: str, deadline_seconds: float = DEADLINE_SECONDS
) -> Adapter:
    account = get_json(f"{running.control_url}/control/accounts", 5)[1]["accounts"][code]
    return ADAPTERS[code](
        base_url=account["base_url"],
        keys=Keys(access=account["access_key"], secret=account["secret_key"]),
        clock=utc_now,
        budget=RateBudget(),
        deadline_seconds=deadline_seconds,
    )


def checked(desk: Desk) -> None:
    """Check what holds after every test: nothing sent twice, no money made or lost."""
    assert desk.arrived() <= desk.sent
    told = desk.control("invariants")
    assert told["ok"], told
