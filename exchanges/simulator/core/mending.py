"""What the venues' support does when its time has come, unless it has been seen to before."""

from __future__ import annotations

from exchanges.simulator.core import chain, control_chain, support, wallet
from exchanges.simulator.core.timeline import Event
from exchanges.simulator.core.world import World


def happen(world: World, event: Event) -> bool:
    """Mend what was brought to the support; False for an event of another kind."""
    if event.kind != support.KIND:
        return False
    what, _, name = event.subject.partition("/")
    if what == support.WITHDRAWAL:
        _mend_withdrawal(world, name, event.generation)
    else:
        _mend_transaction(world, name)
    return True


def _mend_withdrawal(world: World, name: str, generation: int) -> None:
    withdrawal = world.wallet.withdrawals[name]
    if withdrawal.outcome and withdrawal.generation == generation:
        world.fact("support", venue=withdrawal.venue, venue_withdrawal_id=name)
        control_chain.release(world, withdrawal)


def _mend_transaction(world: World, txid: str) -> None:
    """Let a stalled transaction go on, and a held deposit be credited."""
    transaction = world.wallet.transactions[txid]
    deposit = world.wallet.deposit_by_txid.get(txid)
    if deposit is not None and deposit.state == chain.HELD:
        world.fact("support", venue=deposit.venue, txid=txid)
        wallet.accept_held(world, deposit)
    elif transaction.is_stalled and not transaction.is_dropped:
        world.fact("support", venue=transaction.sender, txid=txid)
        control_chain.resume(world, transaction)
