"""The world of a simulator as a test sets it: pinned books, a clock moved by hand, credits."""

from __future__ import annotations

import json
from contextlib import closing
from decimal import Decimal
from typing import Any
from urllib.request import Request, urlopen

from exchanges.simulator.server import RunningSimulator
from tests.oracle.desks import ASSET, FEES, AdapterDesk

BEGIN_MS = 3_600_000  # later than any start takes, at the pace of the tests
CONFIRMED_MS = 600_000  # more than any network here needs


class Stage:
    """A world of its own in a running simulator; its market time stands still."""

    def __init__(self, running: RunningSimulator, *, seed: int = 1) -> None:
        self.running = running
        self.control("/control/reset", seed=seed, scenario="unlimited")
        frozen = self.control("/control/clock", freeze=True)
        # Both runs of a script must begin at the same market instant.
        self.advance(BEGIN_MS - frozen["market_ms"])
        self.accounts = self.control("/control/accounts")["accounts"]

    def control(self, path: str, **spec: Any) -> Any:
        """Ask the control port; with a body it is a POST."""
        body = json.dumps(spec).encode() if spec else None
        request = Request(self.running.control_url + path, data=body)
        with urlopen(request, timeout=10) as reply:
            return json.loads(reply.read())

    def advance(self, milliseconds: int) -> None:
        """Let market time jump; what is due in between happens."""
        self.control("/control/clock", advance_ms=milliseconds)

    def pin(self, venue: str, symbol: str, bids: Any, asks: Any) -> None:
        """Set a book, best levels first or not; it stands until the next one."""
        self.control("/control/book", venue=venue, symbol=symbol, bids=bids, asks=asks)

    def credit(self, venue: str, asset: str, quantity: str) -> None:
        """Let money come in from outside."""
        self.control("/control/balances", venue=venue, asset=asset, credit=quantity)

    def arrive(self, venue: str, quantity: str) -> None:
        """Send XRP over from the other venue's account and let it be credited."""
        source = next(name for name in self.accounts if name != venue)
        here, fee = self.address(venue, ASSET), FEES[source]
        self.credit(source, ASSET, str(Decimal(quantity) + Decimal(fee)))
        with closing(AdapterDesk(self.accounts)) as desk:
            desk.withdraw(source, (here["address"], here["tag"]), quantity, fee)
        self.advance(CONFIRMED_MS)

    def address(self, venue: str, asset: str) -> dict[str, str]:
        """Return the venue's deposit address of an asset."""
        rows: list[dict[str, str]] = self.accounts[venue]["deposit_addresses"]
        return next(row for row in rows if row["asset"] == asset)

    def balances(self) -> dict[str, Any]:
        """Return every balance of every account, and what is between them, as text."""
        balances: dict[str, Any] = self.control("/control/balances")
        return balances

    def held(self, venue: str, asset: str) -> tuple[Decimal, Decimal]:
        """Return free and locked."""
        row = self.balances()[venue].get(asset, {"free": "0", "locked": "0"})
        return Decimal(row["free"]), Decimal(row["locked"])
