"""Control of the chain: confirm, stall, drop, rebroadcast, release what is stuck, accept a deposit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchanges.simulator.core import chain, wallet
from exchanges.simulator.core.chain import ChainTransaction, Deposit, Withdrawal
from exchanges.simulator.core.world import World

if TYPE_CHECKING:
    from exchanges.simulator.core.simulator import Simulator


def steer(simulator: Simulator, spec: dict[str, object]) -> object:
    """Apply an action to the transaction `txid` or the withdrawal `withdrawal_id`.

    It is named by `action`, or stands for itself: `confirm: n`, `stall: true`, `drop: true`.
    """
    world, action = simulator.world, _action(spec)
    if action == "accept":
        _accept(world, world.wallet.deposit_by_txid[str(spec["txid"])])
    elif action == "release":
        release(world, world.wallet.withdrawals[str(spec["withdrawal_id"])])
    else:
        transaction = _transaction(world, spec)
        _TRANSACTION_VERBS[action](world, transaction, _blocks(spec))
    world.fact("chain_steered", action=action, subject=str(spec.get("txid", "")))
    return {"transactions": len(world.wallet.transactions)}


def _action(spec: dict[str, object]) -> str:
    if "action" in spec:
        return str(spec["action"])
    return next(verb for verb in (*_TRANSACTION_VERBS, "release", "") if spec.get(verb) or not verb)


def _blocks(spec: dict[str, object]) -> int:
    given = spec.get("n", spec.get("confirm", 1))
    return 1 if given is True else int(str(given))


def _transaction(world: World, spec: dict[str, object]) -> ChainTransaction:
    txid = spec.get("txid") or world.wallet.withdrawals[str(spec["withdrawal_id"])].txid
    return world.wallet.transactions[str(txid)]


def release(world: World, withdrawal: Withdrawal) -> None:
    """Let a stuck withdrawal go on."""
    was, withdrawal.outcome = withdrawal.outcome, ""
    withdrawal.generation += 1
    if withdrawal.state == chain.PROCESSING and withdrawal.txid is None:
        wallet.broadcast(world, withdrawal)
    elif was == "stuck_with_txid" and withdrawal.txid is not None:
        resume(world, world.wallet.transactions[withdrawal.txid])


def _accept(world: World, deposit: Deposit) -> None:
    """Credit a deposit that waits for a person, as if one had applied for it at the venue."""
    if deposit.state != chain.HELD:
        raise ValueError("the deposit is not held")
    wallet.accept_held(world, deposit)


def _confirm(world: World, transaction: ChainTransaction, count: int) -> None:
    transaction.generation += 1
    for _ in range(count):
        # Each confirmation plans the next block; only the last plan may stay valid.
        transaction.generation += 1
        wallet.confirm(world, transaction)


def _stall(world: World, transaction: ChainTransaction, _count: int) -> None:
    del world
    transaction.is_stalled = True
    transaction.generation += 1


def _resume(world: World, transaction: ChainTransaction, _count: int) -> None:
    resume(world, transaction)


def resume(world: World, transaction: ChainTransaction) -> None:
    """Let a stalled transaction be confirmed further."""
    transaction.is_stalled = False
    transaction.generation += 1
    wallet.plan_block(world, transaction)


def _drop(world: World, transaction: ChainTransaction, _count: int) -> None:
    """Forget the transaction before its first confirmation; the coins stay in flight."""
    del world
    if transaction.confirmations:
        raise ValueError("a confirmed transaction cannot be dropped")
    transaction.is_dropped = True
    transaction.generation += 1


def _rebroadcast(world: World, transaction: ChainTransaction, _count: int) -> None:
    """Send a dropped transaction's coins again under another txid."""
    if not transaction.is_dropped:
        _drop(world, transaction, 0)
    withdrawal = world.wallet.withdrawals[transaction.withdrawal_id]
    withdrawal.outcome = ""
    network = world.networks[transaction.asset, transaction.network]
    wallet.send(world, network, withdrawal)


_TRANSACTION_VERBS = {
    "confirm": _confirm,
    "stall": _stall,
    "resume": _resume,
    "drop": _drop,
    "rebroadcast": _rebroadcast,
}
