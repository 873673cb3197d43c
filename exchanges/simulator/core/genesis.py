"""The first state of a simulated world: one account a venue, addresses, allow-lists, balances."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from exchanges.simulator.core import matching
from exchanges.simulator.core.addresses import api_key, deposit_address, deposit_tag
from exchanges.simulator.core.books import Books
from exchanges.simulator.core.catalog import Network, markets_for, networks_for
from exchanges.simulator.core.chain import AllowedAddress
from exchanges.simulator.core.orders import CANCELLED
from exchanges.simulator.core.prices import Tape
from exchanges.simulator.core.replaying import begin_reel
from exchanges.simulator.core.scenarios.play import Play
from exchanges.simulator.core.scenarios.playing import settings_for
from exchanges.simulator.core.timeline import Timeline
from exchanges.simulator.core.values import BINANCE, BITHUMB, KOREAN, UPBIT, VENUES, RandomSource
from exchanges.simulator.core.vault import OUTSIDE
from exchanges.simulator.core.world import Key, World

OPENING: Mapping[tuple[str, str], Decimal] = {
    (BINANCE, "USDT"): Decimal(100_000),
    (UPBIT, "KRW"): Decimal(50_000_000),
    (BITHUMB, "KRW"): Decimal(50_000_000),
}
TICK_MS = 1000
TICK_WALL_MS = 250


def begin(
    seed: int, rng: RandomSource, tape: Tape, speed: Decimal, wall_ms: int, scenario: str
) -> World:
    """Return a new world at a wall instant; market time starts with the stretch."""
    world = World(
        seed=seed,
        began_ms=wall_ms,
        rng=rng,
        tape=tape,
        markets=markets_for(tape.assets),
        networks=networks_for(tape.assets),
        books=Books(seed),
        settings=settings_for(scenario),
        timeline=Timeline(wall_ms=wall_ms, anchor_wall_ms=wall_ms),
        play=Play(scenario=scenario),
    )
    set_speed(world, speed)
    for venue in VENUES:
        key = Key(
            venue=venue,
            access=api_key(seed, venue, "access")[:40],
            secret=api_key(seed, venue, "secret"),
        )
        world.keys[key.access] = key
    _open_addresses(world)
    for (venue, asset), quantity in OPENING.items():
        world.move(asset, quantity, OUTSIDE, f"{venue}.free")
    world.fact("world_began", seed=seed, stretch=tape.name, scenario=scenario)
    begin_reel(world)
    return world


def set_speed(world: World, speed: Decimal) -> None:
    """Change how fast market time runs; books tick every second of it, but not too often."""
    if speed <= 0:
        raise ValueError("the speed is above zero; freeze the clock to stop it")
    world.timeline.rebase()
    world.timeline.speed = speed
    world.books.tick_ms = max(TICK_MS, int(speed * TICK_WALL_MS))


def adopt_tape(world: World, tape: Tape) -> None:
    """Let a world go on with another stretch; orders in markets it lacks are cancelled."""
    markets = markets_for(tape.assets)
    for venue, log in world.orders.items():
        for order in log.open_orders():
            if (venue, order.symbol) not in markets:
                matching.close(world, world.markets[venue, order.symbol], order, CANCELLED)
    world.tape = tape
    world.markets = markets
    world.networks = networks_for(tape.assets) | world.networks
    world.books.current.clear()
    _open_addresses(world)
    begin_reel(world)


def _open_addresses(world: World) -> None:
    for venue in VENUES:
        for asset, network in world.networks:
            if (venue, asset, network) not in world.wallet.addresses:
                _open_address(world, venue, world.networks[asset, network])


def _open_address(world: World, venue: str, network: Network) -> None:
    """Give the account an address, and allow withdrawals to it at the other venues."""
    asset, name = network.asset, network.network
    address = deposit_address(world.seed, venue, asset, name)
    tag = deposit_tag(world.seed, venue, asset) if network.has_tag else ""
    world.wallet.addresses[venue, asset, name] = (address, tag)
    if venue in KOREAN and not world.settings.shows_new_addresses_at_once:
        world.wallet.hidden_addresses.add((venue, asset, name))
    entry = AllowedAddress(
        asset=asset, network=name, address=address, tag=tag, owner=venue.capitalize()
    )
    for other in VENUES:
        if other != venue:
            world.wallet.allowed.setdefault(other, []).append(entry)
