"""Lets the wallets of a recording open and close when they did, each time it is played."""

from __future__ import annotations

from exchanges.simulator.core.reel import Reel, WalletState
from exchanges.simulator.core.timeline import Event
from exchanges.simulator.core.world import World

LOOP, CHANGE = "reel", "reel_wallet"


def begin_reel(world: World) -> None:
    """Set the wallets as they were at this instant of the recording, and plan what changes from here."""
    reel = world.tape
    if not isinstance(reel, Reel):
        return
    base_ms = world.market_ms // reel.length_ms * reel.length_ms
    for index, state in enumerate(reel.wallets):
        due_ms = base_ms + max(0, state.at_ms - reel.start_ms)
        if due_ms <= world.market_ms:
            _apply(world, state)
        else:
            world.agenda.plan(due_ms, CHANGE, f"{reel.name}/{index}")
    world.agenda.plan(base_ms + reel.length_ms, LOOP, reel.name)


def happen(world: World, event: Event) -> bool:
    """Do what was planned here; False for an event of another kind. Another recording's is left out."""
    if event.kind not in {LOOP, CHANGE}:
        return False
    reel = world.tape
    name, _, index = event.subject.partition("/")
    if isinstance(reel, Reel) and reel.name == name:
        if event.kind == LOOP:
            begin_reel(world)
        else:
            _apply(world, reel.wallets[int(index)])
    return True


def _apply(world: World, state: WalletState) -> None:
    network = world.networks.get((state.asset, state.network))
    terms = network.wallets.get(state.venue) if network is not None else None
    if terms is None:
        return
    before = (terms.can_deposit, terms.can_withdraw, terms.withdraw_fee, terms.withdraw_min)
    now = (state.can_deposit, state.can_withdraw, state.withdraw_fee, state.withdraw_min)
    if before == now:
        return
    terms.can_deposit, terms.can_withdraw, terms.withdraw_fee, terms.withdraw_min = now
    terms.shown = (state.can_deposit, state.can_withdraw)
    world.fact(
        "wallet_changed",
        venue=state.venue,
        asset=state.asset,
        deposit=state.can_deposit,
        withdraw=state.can_withdraw,
    )
