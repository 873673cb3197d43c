"""Upbit's withdrawal routes."""

from __future__ import annotations

from exchanges.simulator.core import chain, wallet
from exchanges.simulator.core.chain import Withdrawal
from exchanges.simulator.core.krw import render
from exchanges.simulator.core.krw.params import Params
from exchanges.simulator.core.krw.refusals import refuse
from exchanges.simulator.core.krw.wallet import (
    allowed_view,
    filtered,
    page,
    pick,
    withdrawals_at,
)
from exchanges.simulator.core.krw.withdrawals import asked, send
from exchanges.simulator.core.values import UPBIT, Reply, json_reply
from exchanges.simulator.core.world import World


def withdraw(world: World, params: Params) -> Reply:
    """Accept a withdrawal (201) or refuse it; there is no client id to tell two apart."""
    row = send(world, UPBIT, asked(world, params))
    return json_reply(withdrawal_view(row), 201)


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
    return json_reply(allowed_view(world, params, _OWNER))


_OWNER = {
    "beneficiary_name": "홍길동",
    "beneficiary_company_name": None,
    "beneficiary_type": "individual",
    "wallet_type": None,
}
