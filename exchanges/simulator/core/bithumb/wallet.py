"""Bithumb's withdrawal and deposit routes: who receives must be named, and may need consent."""

from __future__ import annotations

from exchanges.simulator.core import chain, wallet
from exchanges.simulator.core.bithumb import render
from exchanges.simulator.core.chain import AllowedAddress, Deposit
from exchanges.simulator.core.errors import RefusalError
from exchanges.simulator.core.krw.deposits import deposits_at
from exchanges.simulator.core.krw.params import Params
from exchanges.simulator.core.krw.refusals import invalid, refuse
from exchanges.simulator.core.krw.wallet import (
    allowed_view,
    filtered,
    page,
    pick,
    withdrawals_at,
)
from exchanges.simulator.core.krw.withdrawals import asked, send
from exchanges.simulator.core.numbers import ONE, plain
from exchanges.simulator.core.values import BITHUMB, Reply, json_reply
from exchanges.simulator.core.world import World

CONSENT_URL = "https://www.bithumb.com/react/travel-rule/consent"
_NAMES = {
    "personal": ("receiver_ko_name", "receiver_en_name"),
    "corporation": (
        "receiver_ko_name",
        "receiver_en_name",
        "receiver_corp_ko_name",
        "receiver_corp_en_name",
    ),
}


def withdraw(world: World, params: Params) -> Reply:
    """Accept a withdrawal (201) or refuse it; there is no client id to tell two apart."""
    what = asked(world, params)
    _check_receiver(params, what.allowed)
    if world.settings.needs_consent:
        raise _consent_required()
    row = send(world, BITHUMB, what)
    won = {"krw_amount": plain((row.quantity * world.price(BITHUMB, row.asset)).quantize(ONE))}
    return json_reply({**render.withdrawal_view(row), **won}, 201)


def _check_receiver(params: Params, allowed: AllowedAddress) -> None:
    """Refuse a withdrawal that does not say where it goes and, by type, to whom."""
    if (params.get("exchange_name") or "").lower() != allowed.owner.lower():
        raise invalid("exchange_name")
    kind = params.get("receiver_type")
    if kind is None:
        return
    if kind not in _NAMES:
        raise invalid("receiver_type")
    for name in _NAMES[kind]:
        params.need(name)


def _consent_required() -> RefusalError:
    error = {
        "name": "travel_rule_consent_required",
        "message": "트래블룰 정보 제공 동의가 필요합니다.",
        "consent_url": CONSENT_URL,
    }
    return RefusalError(json_reply({"error": error}, 422))


def cancel_withdrawal(world: World, params: Params) -> Reply:
    """Cancel a withdrawal that is not on the chain yet."""
    row = withdrawals_at(world, BITHUMB).get(params.need("withdrawal_id"))
    if row is None:
        raise refuse("withdraw_not_found")
    if row.state not in {chain.WAITING, chain.PROCESSING} or row.txid is not None:
        raise refuse("withdraw_not_cancelable")
    wallet.give_back(world, row, chain.CANCELLED)
    view = render.withdrawal_view(row)
    return json_reply({**view, "withdrawal_id": view["uuid"]})


def list_withdrawals(world: World, params: Params) -> Reply:
    """Return withdrawals, newest first unless asked otherwise."""
    rows = filtered(withdrawals_at(world, BITHUMB).values(), params, render.withdrawal_state)
    return page([render.withdrawal_view(row) for row in rows], params)


def read_withdrawal(world: World, params: Params) -> Reply:
    """Return one withdrawal of a currency: by uuid, by txid, or the latest."""
    params.need("currency")
    found = pick(withdrawals_at(world, BITHUMB), params)
    if found is None:
        raise refuse("withdraw_not_found")
    return json_reply(render.withdrawal_view(found))


def allowed_addresses(world: World, params: Params) -> Reply:
    """Return the addresses the account may withdraw to, and whose they are."""
    return json_reply(allowed_view(world, params, _OWNER))


_OWNER = {
    "owner_type": "personal",
    "owner_ko_name": "홍길동",
    "owner_en_name": "GILDONG HONG",
    "owner_corp_ko_name": None,
    "owner_corp_en_name": None,
}


def list_deposits(world: World, params: Params) -> Reply:
    """Return deposits, newest first unless asked otherwise."""
    rows = filtered(_deposits(world).values(), params, render.deposit_state)
    return page([render.deposit_view(row) for row in rows], params)


def _deposits(world: World) -> dict[str, Deposit]:
    return deposits_at(world, BITHUMB, render.DEPOSIT_STATES)


def read_deposit(world: World, params: Params) -> Reply:
    """Return one deposit of a currency: by uuid, by txid, or the latest."""
    params.need("currency")
    found = pick(_deposits(world), params)
    if found is None:
        raise refuse("deposit_not_found")
    return json_reply(render.deposit_view(found))
