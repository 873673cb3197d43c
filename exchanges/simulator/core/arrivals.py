"""What a fault lets become of a deposit on its way: late, undone once, short, held, sent back.

The coins stay in flight until they are credited; what never will be ends in `chain.lost`, and what a
second fee took outside.
"""

from __future__ import annotations

from decimal import Decimal

from exchanges.simulator.core import support
from exchanges.simulator.core.chain import (
    HELD,
    PENDING,
    REFUNDED,
    REFUNDING,
    ChainTransaction,
    Deposit,
)
from exchanges.simulator.core.numbers import EIGHT_PLACES, floor_to, plain
from exchanges.simulator.core.vault import FLIGHT, LOST, OUTSIDE
from exchanges.simulator.core.world import World

HALF = Decimal("0.5")
ASKED_ABOUT = "asked about"  # the travel rule's: held until the venue is told the sender


def owner_of(world: World, transaction: ChainTransaction) -> str | None:
    """Return the venue that an address belongs to, whatever asset and tag it is for."""
    for (venue, _asset, _network), (address, _tag) in world.wallet.addresses.items():
        if address == transaction.address:
            return venue
    return None


def is_troubled(world: World, transaction: ChainTransaction, deposit: Deposit) -> bool:
    """Keep a deposit from going on with this block; says whether a fault did."""
    if transaction.arrival == "late" and deposit.state == PENDING:
        _stall(world, transaction)
        return True
    if transaction.arrival == "reorg" and deposit.state == PENDING:
        if transaction.confirmations > 1:
            _vanish(world, transaction, deposit)
        return True
    return False


def stays_locked(world: World, transaction: ChainTransaction) -> bool:
    """Keep a credited deposit from being unlocked, until the transaction is resumed."""
    if transaction.arrival != "locked":
        return False
    _stall(world, transaction)
    return True


def _stall(world: World, transaction: ChainTransaction) -> None:
    """Let nothing more happen to it until it is resumed; then it goes on as usual."""
    transaction.is_stalled, transaction.arrival = True, ""
    support.ask(world, support.TRANSACTION, transaction.txid, transaction.generation)


def _vanish(world: World, transaction: ChainTransaction, deposit: Deposit) -> None:
    """Let a reorganisation undo the blocks; the transaction is mined again afterwards."""
    del world.wallet.deposits[deposit.venue_deposit_id]
    del world.wallet.deposit_by_txid[deposit.txid]
    transaction.confirmations, transaction.arrival = 0, ""
    world.fact("deposit_reorganised", venue=deposit.venue, txid=deposit.txid)


def is_kept(world: World, transaction: ChainTransaction, deposit: Deposit) -> bool:
    """Say whether a deposit with enough blocks is not credited; one that is short is cut first."""
    arrival = transaction.arrival
    if arrival == "partial":
        _cut(world, deposit, floor_to(deposit.quantity * HALF, EIGHT_PLACES), LOST)
    elif arrival == "short":
        fee = world.wallet.withdrawals[transaction.withdrawal_id].fee
        _cut(world, deposit, min(fee, deposit.quantity * HALF), OUTSIDE)
    elif arrival in _KEPT:
        _keep(world, deposit, arrival)
        return True
    return False


_KEPT = {"suspected": HELD, ASKED_ABOUT: HELD, "refunding": REFUNDING, "refunded": REFUNDED}


def _cut(world: World, deposit: Deposit, missing: Decimal, target: str) -> None:
    world.move(deposit.asset, missing, FLIGHT, target)
    deposit.quantity -= missing
    world.fact("deposit_cut", venue=deposit.venue, txid=deposit.txid, missing=plain(missing))


def _keep(world: World, deposit: Deposit, arrival: str) -> None:
    deposit.state = _KEPT[arrival]
    if deposit.state == HELD:
        support.ask(world, support.TRANSACTION, deposit.txid, 0)
    if deposit.state == REFUNDED:  # on its way to wherever the sender's venue keeps such coins
        world.move(deposit.asset, deposit.quantity, FLIGHT, LOST)
    kind = "deposit_held" if deposit.state == HELD else f"deposit_{deposit.state}"
    world.fact(kind, venue=deposit.venue, venue_deposit_id=deposit.venue_deposit_id)
