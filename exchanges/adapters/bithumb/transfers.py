"""Whom Bithumb may be told to send to: rows of its own allow-list, with whose they are. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from exchanges.adapters.bithumb.dialect import VENUE
from exchanges.adapters.krw.transfers import AllowedAddress
from exchanges.values import DepositAddress


def allowed_row(
    rows: Iterable[AllowedAddress], destination: DepositAddress
) -> AllowedAddress | None:
    """Find the row of a destination: asset, network, address and memo alike; None: not allowed."""
    wanted = (destination.asset, destination.network, destination.address, destination.memo)
    for row in rows:
        value = row.as_value(VENUE)
        if (value.asset, value.network, value.address, value.memo) == wanted:
            return row
    return None
