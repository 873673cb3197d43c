"""Upbit's deposit routes: rows, limits, travel-rule verification."""

from __future__ import annotations

from exchanges.simulator.core import chain, wallet
from exchanges.simulator.core.chain import Deposit
from exchanges.simulator.core.krw import render
from exchanges.simulator.core.krw.deposits import deposits_at
from exchanges.simulator.core.krw.params import Params
from exchanges.simulator.core.krw.refusals import refuse
from exchanges.simulator.core.krw.wallet import filtered, find_network, latest, page, pick
from exchanges.simulator.core.values import UPBIT, Reply, json_reply
from exchanges.simulator.core.world import World

DEPOSIT_STATES = {
    chain.PENDING: "PROCESSING",
    chain.HELD: "TRAVEL_RULE_SUSPECTED",
    chain.CREDITED: "ACCEPTED",
    chain.REFUNDING: "REFUNDING",
    chain.REFUNDED: "REFUNDED",
}


def list_deposits(world: World, params: Params) -> Reply:
    """Return deposits, newest first unless asked otherwise."""
    rows = filtered(_deposits(world).values(), params, _state)
    return page([deposit_view(row) for row in rows], params)


def _deposits(world: World) -> dict[str, Deposit]:
    return deposits_at(world, UPBIT, DEPOSIT_STATES)


def _state(row: Deposit) -> str:
    return DEPOSIT_STATES[row.state]


def deposit_view(row: Deposit) -> dict[str, object]:
    """Return a deposit as Upbit spells it."""
    view = render.deposit_view(row, _state(row))
    return {**view, "fee": "0.0", "transaction_type": "default"}


def read_deposit(world: World, params: Params) -> Reply:
    """Return one deposit: by uuid (which wins), by txid, or the latest."""
    found = pick(_deposits(world), params)
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


def vasps(world: World, params: Params) -> Reply:
    """List the venues travel-rule verification can name."""
    del world, params
    rows = [{"vasp_name": name.capitalize(), "vasp_uuid": uuid} for uuid, name in _VASPS.items()]
    return json_reply([{**row, "depositable": True, "withdrawable": True} for row in rows])


_VASPS = {
    "8d4fe968-82b2-42e5-822f-3840a245f802": "binance",
    "1c9f2a41-0f5b-4c7e-9a53-6be2f1f0c1d7": "bithumb",
}


def verify_deposit(world: World, params: Params) -> Reply:
    """Release a deposit held under the travel rule, by its uuid or txid."""
    vasp = params.need("vasp_uuid")
    uuid, txid = params.get("deposit_uuid"), params.get("txid")
    rows = _deposits(world)
    found = rows.get(uuid) if uuid else latest(rows, txid, None)
    if found is None:
        raise refuse("deposit_not_found")
    if found.state != chain.HELD:
        raise refuse("travel_rule_not_needed")
    is_believed = wallet.answer_travel_rule(world, found, _VASPS.get(vasp, ""))
    if is_believed is None:
        raise refuse("travel_rule_too_early")
    return json_reply(
        {
            "deposit_uuid": found.venue_deposit_id,
            "verification_result": "verified" if is_believed else "failed",
            "deposit_state": DEPOSIT_STATES[found.state],
        },
        201,
    )
