"""A running simulator and adapters over its sockets, for transfers between the venues."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from decimal import Decimal
from typing import Any

from exchanges.adapters.binance.client import BinanceVenue
from exchanges.adapters.bithumb.client import BithumbVenue
from exchanges.adapters.upbit.client import UpbitVenue
from exchanges.port import Venue
from exchanges.registry import utc_now
from exchanges.simulator.server import RunningSimulator
from exchanges.transport.plain import get_json, post_json
from exchanges.transport.wire import Keys
from exchanges.values import DepositReport, DepositStatus, WithdrawalRequest

ADAPTERS: dict[str, type[UpbitVenue | BithumbVenue | BinanceVenue]] = {
    "upbit": UpbitVenue,
    "bithumb": BithumbVenue,
    "binance": BinanceVenue,
}


class World:
    """A running simulator and adapters over its sockets."""

    def __init__(self, running: RunningSimulator, scenario: str) -> None:
        self.url = running.control_url
        spec = {"seed": 13, "speed": "1000", "scenario": scenario}
        self.accounts = self.control("reset", spec)["accounts"]

    def control(self, path: str, spec: dict[str, Any] | None = None) -> Any:
        url = f"{self.url}/control/{path}"
        if spec is None:
            return get_json(url, 5)[1]
        return json.loads(post_json(url, spec, 5)[1])

    def venue(self, code: str) -> Venue:
        account = self.accounts[code]
        keys = Keys(access=account["access_key"], secret=account["secret_key"])
        return ADAPTERS[code](
            base_url=account["base_url"], keys=keys, clock=utc_now, deadline_seconds=2
        )

    def withdrawal(
        self, sender: str, quantity: str = "1000", *, owner: str = ""
    ) -> WithdrawalRequest:
        owner = owner or ("upbit" if sender == "binance" else "binance")
        there = self.venue(owner).deposit_address("XRP", network="XRP")
        assert there is not None
        fees = {"binance": "0.2", "upbit": "0.4"}
        credit = {"venue": sender, "asset": "XRP", "credit": "5000"}
        self.control("balances", credit)
        return WithdrawalRequest(
            destination=there,
            quantity=Decimal(quantity),
            network_fee=Decimal(fees[sender]),
            client_withdrawal_id=f"k{time.monotonic_ns()}",
        )

    def deposit(self, code: str, *, held: bool) -> DepositReport:
        """Wait for the first deposit to be held, or credited."""
        venue, ends_at = self.venue(code), time.monotonic() + 10
        wanted = DepositStatus.HELD if held else DepositStatus.CREDITED
        while time.monotonic() < ends_at:
            rows = venue.deposits("XRP", since=utc_now() - timedelta(hours=1))
            if rows and rows[0].status is wanted:
                return rows[0]
            time.sleep(0.02)
        raise AssertionError(f"no deposit was {wanted.value}")

    def posts(self, path: str) -> int:
        return sum(
            row["method"] in {"POST", "PUT"} and row["path"].startswith(path)
            for row in self.control("requests")
        )
