"""Upbit's deposit and withdrawal routes."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

from exchanges.simulator.core import allowances, chain, wallet
from exchanges.simulator.core.catalog import Network, Wallet
from exchanges.simulator.core.chain import AllowedAddress, Deposit, Withdrawal
from exchanges.simulator.core.numbers import decimals_of, plain
from exchanges.simulator.core.upbit.params import Params
from exchanges.simulator.core.upbit.refusals import missing, refuse
from exchanges.simulator.core.upbit.render import (
    DEPOSIT_STATES,
    account_view,
    withdrawal_view,
)
from exchanges.simulator.core.values import UPBIT, Reply, json_reply
from exchanges.simulator.core.world import World

_Row = TypeVar("_Row")


def find_network(world: World, params: Params) -> Network:
    """Return the asked network of an asset, its first one if none is named, or refuse."""
    asset = params.need("currency")
    network = params.get("net_type")
    if network is None:
        network = next((n for a, n in world.networks if a == asset), None)
    found = world.networks.get((asset, network or ""))
    if found is None:
        raise refuse("currency_does_not_exist")
    return found


def withdraw(world: World, params: Params) -> Reply:
    """Accept a withdrawal (201) or refuse it; there is no client id to tell two apart."""
    params.need("net_type")
    network = find_network(world, params)
    amount, address = params.decimal("amount"), params.need("address")
    if amount is None:
        raise missing("amount")
    tag = params.get("secondary_address") or ""
    if not any(_is_allowed(row, network, address, tag) for row in _allowed(world)):
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


def _allowed(world: World) -> list[AllowedAddress]:
    return world.wallet.allowed.get(UPBIT, [])


def _is_allowed(row: AllowedAddress, network: Network, address: str, tag: str) -> bool:
    return (row.asset, row.network, row.address, row.tag) == (
        network.asset,
        network.network,
        address,
        tag,
    )


def cancel_withdrawal(world: World, params: Params) -> Reply:
    """Cancel a withdrawal that still waits."""
    row = _rows(world).get(params.need("uuid"))
    if row is None:
        raise refuse("withdraw_not_found")
    if row.state != chain.WAITING:
        raise refuse("withdraw_not_cancelable")
    wallet.give_back(world, row, chain.CANCELLED)
    return json_reply(withdrawal_view(row))


def _rows(world: World) -> dict[str, Withdrawal]:
    since = world.wall_ms - _lag_ms(world)
    rows = world.wallet.withdrawals.items()
    return {key: row for key, row in rows if row.venue == UPBIT and row.created_ms <= since}


def _lag_ms(world: World) -> int:
    return world.read_lag_ms(UPBIT)


def list_withdrawals(world: World, params: Params) -> Reply:
    """Return withdrawals, newest first unless asked otherwise."""
    rows = [row for row in _rows(world).values() if row_matches(row, params)]
    return page([withdrawal_view(row) for row in rows], params)


def row_matches(row: Withdrawal | Deposit, params: Params) -> bool:
    """Say whether a row passes a list route's filters."""
    state = (
        row.state.upper()
        if isinstance(row, Withdrawal)
        else DEPOSIT_STATES.get(row.state, "REJECTED")
    )
    own_id = row.venue_withdrawal_id if isinstance(row, Withdrawal) else row.venue_deposit_id
    wanted = (
        ([params.get("currency")], row.asset),
        ([params.get("net_type")], row.network),
        (params.many("state") or params.many("states"), state),
        (params.many("uuids"), own_id),
        (params.many("txids"), row.txid),
    )
    return all(not any(asked) or value in asked for asked, value in wanted)


def page(views: list[dict[str, object]], params: Params) -> Reply:
    """Return a page of rows, newest first unless asked otherwise; `from` and `to` are cursors."""
    limit, number = params.whole("limit", 100, 100), params.whole("page", 1, 1_000_000)
    ids = [view["uuid"] for view in views]
    after, before = params.get("from"), params.get("to")
    if before in ids:
        views = views[: ids.index(before)]
    if after in ids:
        views = views[ids.index(after) + 1 :]
    if params.get("order_by") != "asc":
        views.reverse()
    return json_reply(views[(number - 1) * limit : number * limit])


def read_withdrawal(world: World, params: Params) -> Reply:
    """Return one withdrawal: by uuid (which wins), by txid, or the latest."""
    rows = _rows(world)
    uuid, txid, asset = params.get("uuid"), params.get("txid"), params.get("currency")
    if uuid is not None:
        found = rows.get(uuid)
    else:
        found = last([r for r in rows.values() if fits(r, txid, asset)])
    if found is None:
        raise refuse("withdraw_not_found")
    return json_reply(withdrawal_view(found))


def fits(row: Withdrawal | Deposit, txid: str | None, asset: str | None) -> bool:
    """Say whether a row has the txid and asset, where given."""
    return txid in {None, row.txid} and asset in {None, row.asset}


def last(rows: list[_Row]) -> _Row | None:
    """Return the latest row."""
    return rows[-1] if rows else None


def withdrawal_chance(world: World, params: Params) -> Reply:
    """Return fee, minimum and limits of withdrawing an asset on a network."""
    network = find_network(world, params)
    terms = network.wallets[UPBIT]
    daily = plain(world.settings.daily_withdrawal[UPBIT])
    told = terms.told(world.market_ms)
    return json_reply(
        {
            "member_level": _MEMBER,
            "currency": {
                "code": network.asset,
                "withdraw_fee": plain(terms.withdraw_fee),
                "is_coin": True,
                "wallet_state": _WALLET_STATES[told],
                "wallet_support": _supported(told),
            },
            "account": account_view(world, network.asset),
            "withdraw_limit": {
                "currency": network.asset,
                "minimum": plain(terms.withdraw_min),
                "onetime": daily,
                "daily": daily,
                "remaining_daily": "0.0",
                "remaining_daily_fiat": plain(allowances.left_today(world, UPBIT)),
                "fiat_currency": "KRW",
                "fixed": terms.withdraw_decimals,
                "withdraw_delayed_fiat": plain(allowances.delayed_krw(world)),
                "can_withdraw": told[1],
            },
        }
    )


_MEMBER = {
    "security_level": 4,
    "fee_level": 0,
    "email_verified": True,
    "identity_auth_verified": True,
    "bank_account_verified": True,
    "two_factor_auth_verified": True,
    "locked": False,
    "wallet_locked": False,
}


_WALLET_STATES = {
    (True, True): "working",
    (False, True): "withdraw_only",
    (True, False): "deposit_only",
    (False, False): "paused",
}


def _supported(told: tuple[bool, bool]) -> list[str]:
    return [way for way, is_open in zip(("deposit", "withdraw"), told, strict=True) if is_open]


def allowed_addresses(world: World, params: Params) -> Reply:
    """Return the addresses the account may withdraw to."""
    del params
    rows = [
        {
            "currency": row.asset,
            "net_type": row.network,
            "network_name": _title(world, row),
            "withdraw_address": row.address,
            "secondary_address": row.tag or None,
            "beneficiary_name": "홍길동",
            "beneficiary_company_name": None,
            "beneficiary_type": "individual",
            "exchange_name": row.owner,
            "wallet_type": None,
        }
        for row in _allowed(world)
    ]
    return json_reply(rows)


def _title(world: World, row: AllowedAddress) -> str:
    network = world.networks.get((row.asset, row.network))
    return network.title if network is not None else row.network


def wallet_status(world: World, params: Params) -> Reply:
    """Return each wallet's state, as late as the venue's own page."""
    del params
    return json_reply([_status(world, network) for network in world.networks.values()])


def _status(world: World, network: Network) -> dict[str, object]:
    told = network.wallets[UPBIT].told(world.market_ms, is_late=True)
    now = datetime.fromtimestamp(world.wall_ms // 1000, tz=UTC)
    return {
        "currency": network.asset,
        "wallet_state": _WALLET_STATES[told],
        "block_state": "normal",
        "block_height": 90_000_000 + world.market_ms // network.block_ms,
        "block_updated_at": now.isoformat(timespec="milliseconds"),
        "block_elapsed_minutes": 0,
        "net_type": network.network,
        "network_name": network.title,
    }


def api_keys(world: World, params: Params) -> Reply:
    """Return the account's keys and when they expire."""
    del params
    year_ms = 365 * 86_400_000
    expires = datetime.fromtimestamp((world.wall_ms + year_ms) // 1000, tz=UTC)
    keys = [key for key in world.keys.values() if key.venue == UPBIT]
    return json_reply([{"access_key": k.access, "expire_at": expires.isoformat()} for k in keys])
