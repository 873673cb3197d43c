"""Deposit routes that the Korean venues share: rows and our own addresses."""

from __future__ import annotations

from collections.abc import Mapping

from exchanges.simulator.core.chain import Deposit
from exchanges.simulator.core.krw.params import Params
from exchanges.simulator.core.krw.refusals import refuse
from exchanges.simulator.core.krw.wallet import find_network
from exchanges.simulator.core.values import Reply, json_reply
from exchanges.simulator.core.world import World


def deposits_at(world: World, venue: str, states: Mapping[str, str]) -> dict[str, Deposit]:
    """Return the venue's deposits in a state that it has a word for."""
    rows = world.wallet.deposits.items()
    return {key: row for key, row in rows if row.venue == venue and row.state in states}


def _address_view(world: World, key: tuple[str, str, str]) -> dict[str, object]:
    address, tag = world.wallet.addresses[key]
    return {
        "currency": key[1],
        "net_type": key[2],
        "deposit_address": address,
        "secondary_address": tag or None,
    }


def deposit_addresses(world: World, params: Params) -> Reply:
    """Return all deposit addresses that exist."""
    hidden = world.wallet.hidden_addresses
    own = [key for key in world.wallet.addresses if key[0] == params.venue]
    return json_reply([_address_view(world, key) for key in own if key not in hidden])


def deposit_address(world: World, params: Params) -> Reply:
    """Return one deposit address, 404 until it has been generated."""
    network = find_network(world, params)
    key = (params.venue, network.asset, network.network)
    if key in world.wallet.hidden_addresses or key not in world.wallet.addresses:
        raise refuse("coin_address_not_found")
    return json_reply(_address_view(world, key))


def generate_address(world: World, params: Params) -> Reply:
    """Start generating an address; it appears after a while, then this returns it."""
    network = find_network(world, params)
    key = (params.venue, network.asset, network.network)
    if key not in world.wallet.hidden_addresses:
        return json_reply(_address_view(world, key), 201)
    due_ms = world.market_ms + world.settings.address_delay_ms
    world.agenda.plan(due_ms, "address", "/".join(key))
    world.fact(
        "address_requested", venue=params.venue, asset=network.asset, network=network.network
    )
    return json_reply(
        {"success": True, "message": f"{network.asset} 입금주소를 생성중입니다."}, 201
    )
