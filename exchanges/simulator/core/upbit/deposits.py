"""Upbit's deposit routes: rows, addresses, travel-rule verification."""

from __future__ import annotations

from exchanges.simulator.core import chain, wallet
from exchanges.simulator.core.chain import Deposit
from exchanges.simulator.core.upbit.params import Params
from exchanges.simulator.core.upbit.refusals import refuse
from exchanges.simulator.core.upbit.render import DEPOSIT_STATES, deposit_view
from exchanges.simulator.core.upbit.wallet import find_network, fits, last, page, row_matches
from exchanges.simulator.core.values import UPBIT, Reply, json_reply
from exchanges.simulator.core.world import World


def list_deposits(world: World, params: Params) -> Reply:
    """Return deposits, newest first unless asked otherwise."""
    rows = [row for row in _deposits(world).values() if row_matches(row, params)]
    return page([deposit_view(row) for row in rows], params)


def _deposits(world: World) -> dict[str, Deposit]:
    rows = world.wallet.deposits.items()
    return {key: row for key, row in rows if row.venue == UPBIT and row.state in DEPOSIT_STATES}


def read_deposit(world: World, params: Params) -> Reply:
    """Return one deposit: by uuid (which wins), by txid, or the latest."""
    rows = _deposits(world)
    uuid = params.get("uuid")
    if uuid is not None:
        found = rows.get(uuid)
    else:
        txid, asset = params.get("txid"), params.get("currency")
        found = last([r for r in rows.values() if fits(r, txid, asset)])
    if found is None:
        raise refuse("deposit_not_found")
    return json_reply(deposit_view(found))


def deposit_chance(world: World, params: Params) -> Reply:
    """Say whether an asset can be deposited on a network."""
    network = find_network(world, params)
    terms = network.wallets[UPBIT]
    is_open, _ = terms.told(world.market_ms)
    return json_reply(
        {
            "currency": network.asset,
            "net_type": network.network,
            "is_deposit_possible": is_open,
            "deposit_impossible_reason": "" if is_open else "wallet under maintenance",
            "minimum_deposit_amount": "0",
            "minimum_deposit_confirmations": terms.credit_confirmations,
            "decimal_precision": terms.withdraw_decimals,
        }
    )


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
    del params
    shown = [
        key
        for key in world.wallet.addresses
        if key[0] == UPBIT and key not in world.wallet.hidden_addresses
    ]
    return json_reply([_address_view(world, key) for key in shown])


def deposit_address(world: World, params: Params) -> Reply:
    """Return one deposit address, 404 until it has been generated."""
    network = find_network(world, params)
    key = (UPBIT, network.asset, network.network)
    if key in world.wallet.hidden_addresses or key not in world.wallet.addresses:
        raise refuse("coin_address_not_found")
    return json_reply(_address_view(world, key))


def generate_address(world: World, params: Params) -> Reply:
    """Start generating an address; it appears after a while, then this returns it."""
    network = find_network(world, params)
    key = (UPBIT, network.asset, network.network)
    if key not in world.wallet.hidden_addresses:
        return json_reply(_address_view(world, key), 201)
    due_ms = world.market_ms + world.settings.address_delay_ms
    world.agenda.plan(due_ms, "address", "/".join(key))
    world.fact("address_requested", venue=UPBIT, asset=network.asset, network=network.network)
    return json_reply(
        {"success": True, "message": f"{network.asset} 입금주소를 생성중입니다."}, 201
    )


def vasps(world: World, params: Params) -> Reply:
    """List the venues travel-rule verification can name."""
    del world, params
    vasp = {"vasp_name": "Binance", "vasp_uuid": _BINANCE_VASP}
    return json_reply([{**vasp, "depositable": True, "withdrawable": True}])


_BINANCE_VASP = "8d4fe968-82b2-42e5-822f-3840a245f802"


def verify_deposit(world: World, params: Params) -> Reply:
    """Release a deposit held under the travel rule, by its uuid or txid."""
    params.need("vasp_uuid")
    uuid, txid = params.get("deposit_uuid"), params.get("txid")
    rows = _deposits(world)
    found = rows.get(uuid) if uuid else last([r for r in rows.values() if fits(r, txid, None)])
    if found is None:
        raise refuse("deposit_not_found")
    if found.state != chain.HELD:
        raise refuse("travel_rule_too_early")
    wallet.release(world, found)
    return json_reply(
        {
            "deposit_uuid": found.venue_deposit_id,
            "verification_result": "verified",
            "deposit_state": DEPOSIT_STATES[found.state],
        },
        201,
    )
