"""What an operator sees on the venues' own pages: orders, withdrawals, deposits; and whom they can ask there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cycles.domain.words import CallOutcome, Operation
from cycles.models import ExchangeCall
from kimp import control

Row = dict[str, Any]
LOST = frozenset({"wrong", "refunded"})  # the coins will never be ours again
HELD = "held"


@dataclass(frozen=True, slots=True, kw_only=True)
class Website:
    """The venues' pages, as they stand at each look."""

    control_url: str

    def orders(self) -> list[Row]:
        """Give every order that a venue accepted."""
        rows: list[Row] = control.ask(f"{self.control_url}/control/orders")
        return rows

    def withdrawals(self) -> list[Row]:
        """Give every withdrawal that a venue accepted."""
        rows: list[Row] = self._transfers()["withdrawals"]
        return rows

    def deposit_of(self, txid: str) -> Row | None:
        """Give the deposit of a transaction as its venue shows it."""
        wanted = _plain(txid)
        return next(
            (row for row in self._transfers()["deposits"] if _plain(row["txid"]) == wanted), None
        )

    def apply_for(self, deposit: Row) -> None:
        """Apply at the venue for a deposit that it holds: it is credited."""
        control.ask(
            f"{self.control_url}/control/chain", {"action": "accept", "txid": deposit["txid"]}
        )

    def traces_of(self, call: ExchangeCall) -> list[Row]:
        """Give what a venue shows that may be this very request: nothing is evidence of absence."""
        if call.operation == Operation.WITHDRAW:
            return list(self._unclaimed_like(call))
        wanted = call.request.get("cancels", call.client_order_id)
        return [row for row in self.orders() if row["client_order_id"] == wanted]

    def _unclaimed_like(self, call: ExchangeCall) -> Iterator[Row]:
        claimed = set(
            ExchangeCall.objects.filter(
                operation=Operation.WITHDRAW, outcome=CallOutcome.DONE
            ).values_list("venue", "venue_order_id")
        )
        asked = call.request
        for row in self.withdrawals():
            is_ours = row["client_id"] == call.client_order_id
            is_alike = (
                (row["venue"], row["asset"]) == (call.venue, asked["asset"])
                and Decimal(str(row["quantity"])) == Decimal(asked["quantity"])
                and (row["venue"], row["venue_withdrawal_id"]) not in claimed
            )
            if is_ours or is_alike:
                yield row

    def _transfers(self) -> dict[str, list[Row]]:
        told: dict[str, list[Row]] = control.ask(f"{self.control_url}/control/transfers")
        return told


def _plain(txid: str) -> str:
    return txid.replace("-", "").lower()
