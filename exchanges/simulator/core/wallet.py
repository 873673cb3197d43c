"""Withdrawals, the chain between the venues, and deposits, driven by events of market time.

accept -> review -> broadcast (txid, coins in flight) -> first block (deposit shown, withdrawal
done) -> credited -> unlocked. Coins sent with a wrong tag or to nobody end in `chain.lost` or
`outside`; nothing is created and nothing vanishes.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from exchanges.simulator.core import arrivals, support
from exchanges.simulator.core.addresses import transaction_id
from exchanges.simulator.core.catalog import Network
from exchanges.simulator.core.chain import (
    CANCELLED,
    CREDITED,
    DONE,
    FAILED,
    LOCKED,
    PENDING,
    PROCESSING,
    REJECTED,
    WAITING,
    WRONG,
    ChainTransaction,
    Deposit,
    Withdrawal,
)
from exchanges.simulator.core.numbers import ZERO, plain
from exchanges.simulator.core.timeline import Event
from exchanges.simulator.core.values import BINANCE, BITHUMB, UPBIT
from exchanges.simulator.core.vault import FLIGHT, LOST, OUTSIDE
from exchanges.simulator.core.world import World

TRAVEL_RULE_KRW = Decimal(1_000_000)
TRAVEL_RULE_PAUSE_MS = 600_000
_FINAL = {DONE, FAILED, CANCELLED, REJECTED}


def accept(world: World, withdrawal: Withdrawal) -> None:
    """Lock what the withdrawal costs and plan its review; every check has been passed."""
    venue, total = withdrawal.venue, withdrawal.quantity + withdrawal.fee
    world.move(withdrawal.asset, total, f"{venue}.free", f"{venue}.locked")
    world.wallet.withdrawals[withdrawal.venue_withdrawal_id] = withdrawal
    withdrawal.market_ms = world.market_ms
    withdrawal.outcome = _override(world, "withdrawal")
    withdrawal.arrival = _override(world, "arrival")
    world.fact(
        "withdrawal_accepted",
        venue=venue,
        venue_withdrawal_id=withdrawal.venue_withdrawal_id,
        client_id=withdrawal.client_id,
        asset=withdrawal.asset,
        network=withdrawal.network,
        quantity=plain(withdrawal.quantity),
        fee=plain(withdrawal.fee),
        outcome=withdrawal.outcome,
    )
    _plan(world, withdrawal, "review", world.settings.review_ms)
    if withdrawal.outcome == "twin":
        _accept_twin(world, withdrawal)


def _override(world: World, name: str) -> str:
    value = world.override.get(name)
    return value if isinstance(value, str) else ""


def _accept_twin(world: World, withdrawal: Withdrawal) -> None:
    """Accept another just like it, as somebody at the website would make it, if the funds suffice."""
    del world.override["withdrawal"]
    if world.free(withdrawal.venue, withdrawal.asset) < withdrawal.quantity + withdrawal.fee:
        return
    own_id = world.new_withdrawal_id(withdrawal.venue)
    accept(world, replace(withdrawal, venue_withdrawal_id=own_id, client_id=None))


def _plan(world: World, withdrawal: Withdrawal, kind: str, delay_ms: int) -> None:
    world.agenda.plan(
        world.market_ms + delay_ms, kind, withdrawal.venue_withdrawal_id, withdrawal.generation
    )


def review(world: World, withdrawal: Withdrawal) -> None:
    """End the review: refuse, fail, or go on to the broadcast."""
    endings = {"reject": REJECTED, "fail": FAILED, "cancel": CANCELLED}
    if withdrawal.outcome in endings:
        give_back(world, withdrawal, endings[withdrawal.outcome])
        return
    withdrawal.state = PROCESSING
    _journal(world, withdrawal)
    if withdrawal.outcome == "stuck":
        own_id = withdrawal.venue_withdrawal_id
        support.ask(world, support.WITHDRAWAL, own_id, withdrawal.generation)
    else:
        _plan(world, withdrawal, "broadcast", world.settings.broadcast_ms)


def give_back(world: World, withdrawal: Withdrawal, state: str) -> None:
    """End a withdrawal that was not broadcast and unlock its funds."""
    if withdrawal.state in _FINAL or withdrawal.txid is not None:
        return
    venue = withdrawal.venue
    total = withdrawal.quantity + withdrawal.fee
    world.move(withdrawal.asset, total, f"{venue}.locked", f"{venue}.free")
    withdrawal.state, withdrawal.done_ms = state, world.wall_ms
    withdrawal.generation += 1
    _journal(world, withdrawal)


def broadcast(world: World, withdrawal: Withdrawal) -> None:
    """Put the withdrawal on the chain."""
    venue, network = withdrawal.venue, world.networks[withdrawal.asset, withdrawal.network]
    world.move(withdrawal.asset, withdrawal.fee, f"{venue}.locked", f"{venue}.fees")
    world.move(withdrawal.asset, withdrawal.quantity, f"{venue}.locked", FLIGHT)
    send(world, network, withdrawal)


def send(world: World, network: Network, withdrawal: Withdrawal) -> ChainTransaction:
    """Create the chain transaction of coins already in flight (again after a drop)."""
    txid = transaction_id(network.network, world.rng.getrandbits(256))
    transaction = ChainTransaction(
        txid=txid,
        asset=withdrawal.asset,
        network=withdrawal.network,
        sender=withdrawal.venue,
        withdrawal_id=withdrawal.venue_withdrawal_id,
        address=withdrawal.address,
        tag=withdrawal.tag,
        quantity=withdrawal.quantity,
        broadcast_market_ms=world.market_ms,
        is_stalled=withdrawal.outcome == "stuck_with_txid",
        arrival=withdrawal.arrival,
    )
    world.wallet.transactions[txid] = transaction
    withdrawal.txid = txid
    world.fact(
        "broadcast",
        txid=txid,
        venue=withdrawal.venue,
        asset=withdrawal.asset,
        quantity=plain(withdrawal.quantity),
    )
    if transaction.is_stalled:
        support.ask(world, support.TRANSACTION, txid, transaction.generation)
    plan_block(world, transaction)
    return transaction


def plan_block(world: World, transaction: ChainTransaction) -> None:
    """Plan the next confirmation unless the transaction is stalled or dropped."""
    if transaction.is_stalled or transaction.is_dropped:
        return
    network = world.networks[transaction.asset, transaction.network]
    block_ms = int(network.block_ms * network.congestion)
    world.agenda.plan(world.market_ms + block_ms, "block", transaction.txid, transaction.generation)


def confirm(world: World, transaction: ChainTransaction) -> None:
    """Add one confirmation and let both venues notice."""
    transaction.confirmations += 1
    if transaction.confirmations == 1:
        _finish_withdrawal(world, transaction)
        _show_deposit(world, transaction)
    deposit = world.wallet.deposit_by_txid.get(transaction.txid)
    if deposit is None or deposit.state == WRONG:
        return
    deposit.confirmations = transaction.confirmations
    if arrivals.is_troubled(world, transaction, deposit):
        plan_block(world, transaction)
        return
    network = world.networks[transaction.asset, transaction.network]
    terms = network.wallets[deposit.venue]
    if deposit.state == PENDING and deposit.confirmations >= deposit.needed and terms.can_deposit:
        _credit(world, deposit, transaction)
    is_ripe = deposit.confirmations >= terms.unlock_confirmations
    if deposit.state == LOCKED and is_ripe and not arrivals.stays_locked(world, transaction):
        _unlock(world, deposit)
    if deposit.state in {PENDING, LOCKED}:
        plan_block(world, transaction)


def _finish_withdrawal(world: World, transaction: ChainTransaction) -> None:
    withdrawal = world.wallet.withdrawals.get(transaction.withdrawal_id)
    if withdrawal is not None and withdrawal.state not in _FINAL:
        withdrawal.state, withdrawal.done_ms = DONE, world.wall_ms
        _journal(world, withdrawal)


def _show_deposit(world: World, transaction: ChainTransaction) -> None:
    owner, is_right = _recipient(world, transaction)
    if owner is None:
        world.move(transaction.asset, transaction.quantity, FLIGHT, OUTSIDE)
        return
    network = world.networks[transaction.asset, transaction.network]
    deposit = Deposit(
        venue=owner,
        asset=transaction.asset,
        network=transaction.network,
        venue_deposit_id=world.new_uuid() if owner == UPBIT else str(world.next_number()),
        address=transaction.address,
        tag=transaction.tag,
        txid=transaction.txid,
        quantity=transaction.quantity,
        created_ms=world.wall_ms,
        confirmations=1,
        needed=network.wallets[owner].credit_confirmations,
        state=PENDING if is_right else WRONG,
    )
    if not is_right:
        world.move(transaction.asset, transaction.quantity, FLIGHT, LOST)
    world.wallet.deposits[deposit.venue_deposit_id] = deposit
    world.wallet.deposit_by_txid[deposit.txid] = deposit
    world.fact(
        "deposit_seen",
        venue=owner,
        venue_deposit_id=deposit.venue_deposit_id,
        txid=deposit.txid,
        state=deposit.state,
    )


def _recipient(world: World, transaction: ChainTransaction) -> tuple[str | None, bool]:
    if transaction.arrival in {"wrong_tag", "wrong_network"}:
        return arrivals.owner_of(world, transaction), False
    has_tag = world.networks[transaction.asset, transaction.network].has_tag
    for (venue, _asset, _network), (address, tag) in world.wallet.addresses.items():
        if address == transaction.address:
            is_asset = (_asset, _network) == (transaction.asset, transaction.network)
            return venue, is_asset and (not has_tag or tag == transaction.tag)
    return None, False


def _credit(world: World, deposit: Deposit, transaction: ChainTransaction) -> None:
    if not transaction.arrival and _is_asked_about(world, deposit):
        transaction.arrival = arrivals.ASKED_ABOUT
    if not arrivals.is_kept(world, transaction, deposit):
        release(world, deposit)


def _is_asked_about(world: World, deposit: Deposit) -> bool:
    settings = world.settings
    if deposit.venue == BINANCE:
        return settings.binance_holds_deposits
    holds = {UPBIT: settings.has_upbit_travel_rule, BITHUMB: settings.has_bithumb_travel_rule}
    if not holds.get(deposit.venue):
        return False
    return world.price(deposit.venue, deposit.asset) * deposit.quantity >= TRAVEL_RULE_KRW


def answer_travel_rule(world: World, deposit: Deposit, sender: str) -> bool | None:
    """Take who sent a held deposit, once per ten minutes of market time (None: too early).

    Releases it if that is true and the account there is in the same name; what a fault holds stays held.
    """
    asked_ms = deposit.asked_market_ms
    if asked_ms is not None and world.market_ms - asked_ms < TRAVEL_RULE_PAUSE_MS:
        return None
    deposit.asked_market_ms = world.market_ms
    transaction = world.wallet.transactions[deposit.txid]
    is_believed = (
        transaction.sender == sender
        and transaction.arrival == arrivals.ASKED_ABOUT
        and world.settings.travel_rule_verifies
    )
    world.fact("travel_rule_answered", venue=deposit.venue, is_believed=is_believed)
    if is_believed:
        release(world, deposit)
    return is_believed


def release(world: World, deposit: Deposit) -> None:
    """Credit a deposit to the account."""
    world.move(deposit.asset, deposit.quantity, FLIGHT, f"{deposit.venue}.free")
    deposit.state = LOCKED if deposit.venue == BINANCE else CREDITED
    deposit.done_ms = world.wall_ms
    world.fact(
        "deposit_credited",
        venue=deposit.venue,
        venue_deposit_id=deposit.venue_deposit_id,
        txid=deposit.txid,
        asset=deposit.asset,
        quantity=plain(deposit.quantity),
    )


def accept_held(world: World, deposit: Deposit) -> None:
    """Credit a deposit that waited for a person; its blocks, which nobody counted meanwhile, go on."""
    release(world, deposit)
    if deposit.state == LOCKED:
        plan_block(world, world.wallet.transactions[deposit.txid])


def _unlock(world: World, deposit: Deposit) -> None:
    deposit.state = CREDITED
    deposit.done_ms = world.wall_ms
    world.fact("deposit_unlocked", venue=deposit.venue, venue_deposit_id=deposit.venue_deposit_id)


def held_back(world: World, venue: str, asset: str) -> Decimal:
    """Say how much is credited but not yet withdrawable."""
    rows = world.wallet.deposits.values()
    locked = (d.quantity for d in rows if (d.venue, d.asset, d.state) == (venue, asset, LOCKED))
    return sum(locked, ZERO)


def _journal(world: World, withdrawal: Withdrawal) -> None:
    world.fact(
        "withdrawal_state",
        venue=withdrawal.venue,
        state=withdrawal.state,
        venue_withdrawal_id=withdrawal.venue_withdrawal_id,
    )


def happen(world: World, event: Event) -> None:
    """Carry out a due wallet event, unless its subject has moved on."""
    if event.kind == "block":
        transaction = world.wallet.transactions[event.subject]
        if transaction.generation == event.generation:
            confirm(world, transaction)
        return
    withdrawal = world.wallet.withdrawals[event.subject]
    if withdrawal.generation != event.generation:
        return
    if event.kind == "review" and withdrawal.state == WAITING:
        review(world, withdrawal)
    elif event.kind == "broadcast" and withdrawal.state == PROCESSING:
        broadcast(world, withdrawal)
