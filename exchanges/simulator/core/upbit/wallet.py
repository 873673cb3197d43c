"""Upbit's withdrawal routes."""

from __future__ import annotations

from decimal import Decimal

from exchanges.simulator.core import allowances, chain, wallet
from exchanges.simulator.core.catalog import Network, Wallet
from exchanges.simulator.core.chain import Withdrawal
from exchanges.simulator.core.krw import render
from exchanges.simulator.core.krw.params import Params
from exchanges.simulator.core.krw.refusals import missing, refuse
from exchanges.simulator.core.krw.wallet import (
    allowed_row,
    allowed_rows,
    filtered,
    find_network,
    network_name,
    page,
    pick,
    withdrawals_at,
)
from exchanges.simulator.core.numbers import decimals_of
from exchanges.simulator.core.values import UPBIT, Reply, json_reply
from exchanges.simulator.core.world import World


def withdraw(world: World, params: Params) -> Reply:
    """Accept a withdrawal (201) or refuse it; there is no client id to tell two apart."""
    params.need("net_type")
    network = find_network(world, params)
    amount, address = params.decimal("amount"), params.need("address")
    if amount is None:
        raise missing("amount")
    tag = params.get("secondary_address") or ""
    if allowed_row(world, UPBIT, network, address, tag) is None:
        raise refuse("withdraw_address_not_registered")
    terms = network.wallets[UPBIT]
    _check_withdrawal(world, network, terms, amount)
    row = Withdrawal(
        venue=UPBIT,
        venue_withdrawal_id=world.new_uuid(),
        client_id=None,
        asset=network.asset,
        network=network.network,
        address=address,
        tag=tag,
        quantity=amount,
        fee=terms.withdraw_fee,
        created_ms=world.wall_ms,
    )
    wallet.accept(world, row)
    return json_reply(withdrawal_view(row), 201)


def _check_withdrawal(world: World, network: Network, terms: Wallet, amount: Decimal) -> None:
    if not terms.can_withdraw:
        raise refuse("withdraw_wallet_not_working")
    if decimals_of(amount) > terms.withdraw_decimals:
        raise refuse("withdraw_decimal_exceeded")
    if amount < terms.withdraw_min:
        raise refuse("withdraw_under_minimum")
    if world.free(UPBIT, network.asset) < amount + terms.withdraw_fee:
        raise refuse("withdraw_insufficient_balance")
    leaving = amount + terms.withdraw_fee
    value = allowances.worth(world, UPBIT, network.asset, leaving)
    if value > allowances.left_today(world, UPBIT):
        raise refuse("withdraw_daily_limit_exceeded")
    if not allowances.leaves_delayed(world, network.asset, leaving):
        raise refuse("withdraw_delayed_fiat")


def withdrawal_view(row: Withdrawal) -> dict[str, object]:
    """Return a withdrawal as Upbit spells it."""
    return {
        **render.withdrawal_view(row, _state(row)),
        "transaction_type": "default",
        "is_cancelable": row.state == chain.WAITING,
    }


def _state(row: Withdrawal) -> str:
    return row.state.upper()


def cancel_withdrawal(world: World, params: Params) -> Reply:
    """Cancel a withdrawal that still waits."""
    row = withdrawals_at(world, UPBIT).get(params.need("uuid"))
    if row is None:
        raise refuse("withdraw_not_found")
    if row.state != chain.WAITING:
        raise refuse("withdraw_not_cancelable")
    wallet.give_back(world, row, chain.CANCELLED)
    return json_reply(withdrawal_view(row))


def list_withdrawals(world: World, params: Params) -> Reply:
    """Return withdrawals, newest first unless asked otherwise."""
    rows = filtered(withdrawals_at(world, UPBIT).values(), params, _state)
    return page([withdrawal_view(row) for row in rows], params)


def read_withdrawal(world: World, params: Params) -> Reply:
    """Return one withdrawal: by uuid (which wins), by txid, or the latest."""
    found = pick(withdrawals_at(world, UPBIT), params)
    if found is None:
        raise refuse("withdraw_not_found")
    return json_reply(withdrawal_view(found))


def allowed_addresses(world: World, params: Params) -> Reply:
    """Return the addresses the account may withdraw to."""
    del params
    rows = [
        {
            "currency": row.asset,
            "net_type": row.network,
            "network_name": network_name(world, row),
            "withdraw_address": row.address,
            "secondary_address": row.tag or None,
            "beneficiary_name": "홍길동",
            "beneficiary_company_name": None,
            "beneficiary_type": "individual",
            "exchange_name": row.owner,
            "wallet_type": None,
        }
        for row in allowed_rows(world, UPBIT)
    ]
    return json_reply(rows)
