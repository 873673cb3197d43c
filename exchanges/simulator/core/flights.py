"""Proof that the coins between the venues are those of transactions that have not arrived."""

from __future__ import annotations

from decimal import Decimal

from exchanges.simulator.core.chain import HELD, PENDING, REFUNDING, Withdrawal
from exchanges.simulator.core.numbers import ZERO
from exchanges.simulator.core.vault import FLIGHT
from exchanges.simulator.core.world import World

STILL_IN_FLIGHT = frozenset({PENDING, HELD, REFUNDING})


def flight_problems(world: World) -> list[str]:
    """Say where what is in flight differs from what withdrawals and deposits explain."""
    due: dict[str, Decimal] = {}
    for row in world.wallet.withdrawals.values():
        due[row.asset] = due.get(row.asset, ZERO) + _in_flight(world, row)
    flying = {asset for place, asset in world.vault.cells if place == FLIGHT}
    return [
        f"{world.vault.held(FLIGHT, asset)} {asset} in flight, explained {due.get(asset, ZERO)}"
        for asset in sorted(flying | set(due))
        if world.vault.held(FLIGHT, asset) != due.get(asset, ZERO)
    ]


def _in_flight(world: World, row: Withdrawal) -> Decimal:
    """Return what of a withdrawal is on its way: all of it until it is mined, then what is held."""
    if row.txid is None:
        return ZERO
    if not world.wallet.transactions[row.txid].confirmations:
        return row.quantity
    deposit = world.wallet.deposit_by_txid.get(row.txid)
    is_held = deposit is not None and deposit.state in STILL_IN_FLIGHT
    return deposit.quantity if deposit is not None and is_held else ZERO
