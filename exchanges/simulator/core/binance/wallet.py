"""Binance's wallet routes (/sapi): deposits, withdrawals, coins, restrictions."""

from __future__ import annotations

import re
from decimal import Decimal

from exchanges.simulator.core import allowances, wallet
from exchanges.simulator.core.binance.orders import lag_ms
from exchanges.simulator.core.binance.params import Params
from exchanges.simulator.core.binance.refusals import refuse
from exchanges.simulator.core.binance.render import (
    DEPOSIT_STATES,
    WITHDRAWAL_STATES,
    deposit_view,
    withdrawal_view,
)
from exchanges.simulator.core.catalog import Network, Wallet, asset_titles
from exchanges.simulator.core.chain import Deposit, Withdrawal
from exchanges.simulator.core.numbers import is_multiple, plain
from exchanges.simulator.core.values import BINANCE, Reply, json_reply
from exchanges.simulator.core.world import World

DAY_MS = 86_400_000
_TAG_PATTERN = "^[0-9]{1,10}$"
WITHDRAW_PARAMS = (
    "coin",
    "network",
    "address",
    "addressTag",
    "amount",
    "withdrawOrderId",
    "transactionFeeFlag",
    "name",
    "walletType",
)


def _network(world: World, params: Params) -> Network:
    coin = params.need("coin")
    name = params.get("network") or next((n for a, n in world.networks if a == coin), None)
    found = world.networks.get((coin, name or ""))
    if found is None:
        raise refuse(-4018, text="Coin or network not found.")
    return found


def withdraw(world: World, params: Params) -> Reply:
    """Accept a withdrawal; `amount` includes the fee, the recipient gets the rest."""
    if world.settings.binance_travel_rule != "NIL":
        raise refuse(-4104, text="Please use the localentity endpoint for this withdrawal.")
    row = checked_withdrawal(world, params)
    wallet.accept(world, row)
    return json_reply({"id": row.venue_withdrawal_id})


def checked_withdrawal(world: World, params: Params) -> Withdrawal:
    """Check a withdrawal's parameters; refuse it, or give it as it would be accepted."""
    network = _network(world, params)
    amount, address = params.decimal("amount"), params.need("address")
    if amount is None:
        raise refuse(-1102, "amount")
    tag = params.get("addressTag") or ""
    _check_address(world, network, address, tag)
    terms = network.wallets[BINANCE]
    _check_amount(world, network, terms, amount)
    return Withdrawal(
        venue=BINANCE,
        venue_withdrawal_id=world.new_hex(128),
        client_id=params.get("withdrawOrderId"),
        asset=network.asset,
        network=network.network,
        address=address,
        tag=tag,
        quantity=amount - terms.withdraw_fee,
        fee=terms.withdraw_fee,
        created_ms=world.wall_ms,
    )


def _check_amount(world: World, network: Network, terms: Wallet, amount: Decimal) -> None:
    if not terms.can_withdraw:
        raise refuse(-4019)
    if not is_multiple(amount, _multiple(terms)):
        raise refuse(-4021, plain(_multiple(terms)))
    if amount < terms.withdraw_min:
        raise refuse(-4022, plain(terms.withdraw_min))
    if amount <= terms.withdraw_fee:
        raise refuse(-4028)
    free = world.free(BINANCE, network.asset)
    if free < amount:
        raise refuse(-4026)
    if free - wallet.held_back(world, BINANCE, network.asset) < amount:
        raise refuse(-4060)
    value = allowances.worth(world, BINANCE, network.asset, amount)
    if value > allowances.left_today(world, BINANCE):
        raise refuse(-4023)


def _check_address(world: World, network: Network, address: str, tag: str) -> None:
    allowed = world.wallet.allowed.get(BINANCE, [])
    wanted = (network.asset, network.network, address, tag)
    is_allowed = any((row.asset, row.network, row.address, row.tag) == wanted for row in allowed)
    if not is_allowed and world.settings.has_binance_allow_list:
        raise refuse(-4035)
    if not re.match(network.address_pattern, address):
        raise refuse(-4033)
    if tag and not (network.has_tag and re.match(_TAG_PATTERN, tag)):
        raise refuse(-4034)


def _multiple(terms: Wallet) -> Decimal:
    return Decimal(1).scaleb(-terms.withdraw_decimals)


def withdrawals(world: World, params: Params) -> Reply:
    """Return withdrawals, newest first; by client id only within seven days."""
    rows = shown_withdrawals(world, params)
    return json_reply(page([withdrawal_view(row) for row in rows], params))


def shown_withdrawals(world: World, params: Params) -> list[Withdrawal]:
    """Select the withdrawals that are asked for and may be seen already."""
    client_id = params.get("withdrawOrderId")
    start_ms, end_ms = _window(world, params, 7 if client_id is not None else 90)
    wanted = (
        (params.get("coin"), lambda row: row.asset),
        (client_id, lambda row: row.client_id),
        (params.get("status"), lambda row: str(WITHDRAWAL_STATES[row.state])),
    )
    ids = (params.get("idList") or "").split(",")
    visible_ms = min(end_ms, world.wall_ms - lag_ms(world))
    return [
        row
        for row in world.wallet.withdrawals.values()
        if row.venue == BINANCE
        and start_ms <= row.created_ms <= visible_ms
        and all(asked in {None, of(row)} for asked, of in wanted)
        and (ids == [""] or row.venue_withdrawal_id in ids)
    ]


def _window(world: World, params: Params, days: int) -> tuple[int, int]:
    start_ms, end_ms = params.whole("startTime"), params.whole("endTime")
    end_ms = world.wall_ms + 1000 if end_ms is None else end_ms
    start_ms = end_ms - days * DAY_MS if start_ms is None else start_ms
    if end_ms - start_ms > days * DAY_MS:
        if days == 7:
            raise refuse(-4047, text="The interval must be within 7 days with withdrawOrderId.")
        raise refuse(-4047)
    return start_ms, end_ms


def page(views: list[dict[str, object]], params: Params) -> list[dict[str, object]]:
    """Give one page of rows, newest first."""
    offset, limit = params.whole("offset", 0) or 0, params.whole("limit", 1000) or 1000
    views.reverse()
    return views[offset : offset + min(limit, 1000)]


def deposits(world: World, params: Params) -> Reply:
    """Return deposits, newest first."""
    rows = shown_deposits(world, params)
    views = [deposit_view(row, unlock_confirmations(world, row)) for row in rows]
    return json_reply(page(views, params))


def shown_deposits(world: World, params: Params) -> list[Deposit]:
    """Select the deposits that are asked for."""
    start_ms, end_ms = _window(world, params, 90)
    coin, status, txid = params.get("coin"), params.get("status"), params.get("txId")
    return [
        row
        for row in world.wallet.deposits.values()
        if row.venue == BINANCE
        and start_ms <= row.created_ms <= end_ms
        and coin in {None, row.asset}
        and status in {None, str(DEPOSIT_STATES[row.state])}
        and txid in {None, row.txid}
    ]


def unlock_confirmations(world: World, row: Deposit) -> int:
    """Give how many confirmations make a deposit withdrawable."""
    return world.networks[row.asset, row.network].wallets[BINANCE].unlock_confirmations


def deposit_address(world: World, params: Params) -> Reply:
    """Return the deposit address of a coin on a network."""
    network = _network(world, params)
    address, tag = world.wallet.addresses[BINANCE, network.asset, network.network]
    return json_reply({"address": address, "coin": network.asset, "tag": tag, "url": ""})


def allowed_addresses(world: World, params: Params) -> Reply:
    """Return the addresses the account may withdraw to."""
    del params
    rows = [
        {
            "address": row.address,
            "addressTag": row.tag,
            "coin": row.asset,
            "name": row.owner,
            "network": row.network,
            "origin": row.owner,
            "originType": "others",
            "whiteStatus": True,
        }
        for row in world.wallet.allowed.get(BINANCE, [])
    ]
    return json_reply(rows)


def coins(world: World, params: Params) -> Reply:
    """Return every coin with its networks."""
    del params
    assets = dict.fromkeys(asset for asset, _network in world.networks)
    return json_reply([_coin(world, asset) for asset in assets])


def _coin(world: World, asset: str) -> dict[str, object]:
    networks = [
        network
        for network in world.networks.values()
        if network.asset == asset and told(world, network).get("listed", True)
    ]
    states = [network.wallets[BINANCE].told(world.market_ms) for network in networks]
    nothing = dict.fromkeys(("freeze", "ipoing", "ipoable", "storage"), "0")
    return {
        "coin": asset,
        "name": world.told_title(BINANCE, asset) or asset_titles(asset)[1],
        "depositAllEnable": any(can_deposit for can_deposit, _ in states),
        "withdrawAllEnable": any(can_withdraw for _, can_withdraw in states),
        "free": plain(world.free(BINANCE, asset)),
        "locked": plain(world.locked(BINANCE, asset)),
        "withdrawing": "0",
        **nothing,
        "isLegalMoney": False,
        "trading": True,
        "networkList": [_coin_network(world, network) for network in networks],
    }


def told(world: World, network: Network) -> dict[str, object]:
    """Give what the control port lets Binance say of an asset on a network."""
    return world.told.get((BINANCE, network.asset, network.network), {})


def _coin_network(world: World, network: Network) -> dict[str, object]:
    terms = network.wallets[BINANCE]
    can_deposit, can_withdraw = terms.told(world.market_ms)
    return {
        "network": network.network,
        "coin": network.asset,
        "name": told(world, network).get("network_title", network.title),
        "withdrawIntegerMultiple": plain(_multiple(terms)),
        "isDefault": True,
        "depositEnable": can_deposit,
        "withdrawEnable": can_withdraw,
        "depositDesc": "" if can_deposit else "Wallet Maintenance, Deposit Suspended",
        "withdrawDesc": "" if can_withdraw else "Wallet Maintenance, Withdrawal Suspended",
        "specialTips": "",
        "specialWithdrawTips": "",
        "resetAddressStatus": False,
        "addressRegex": network.address_pattern,
        "memoRegex": _TAG_PATTERN if network.has_tag else "",
        "withdrawFee": plain(terms.withdraw_fee),
        "withdrawMin": plain(terms.withdraw_min),
        "withdrawMax": "9999999",
        "withdrawInternalMin": plain(_multiple(terms)),
        "depositDust": plain(_multiple(terms)),
        "minConfirm": terms.credit_confirmations,
        "unLockConfirm": terms.unlock_confirmations,
        "sameAddress": network.has_tag,
        "withdrawTag": network.has_tag,
        "estimatedArrivalTime": max(1, network.block_ms * terms.credit_confirmations // 60_000),
        "busy": False,
        "contractAddressUrl": "",
        "contractAddress": told(world, network).get("contract", network.contract),
        "denomination": 1,
    }


def asset_details(world: World, params: Params) -> Reply:
    """Return each asset's first network in the older, shorter form."""
    asked = params.get("asset")
    found: dict[str, dict[str, object]] = {}
    for (asset, _), network in world.networks.items():
        terms = network.wallets[BINANCE]
        if asked in {None, asset}:
            view = {
                "minWithdrawAmount": plain(terms.withdraw_min),
                "depositStatus": terms.can_deposit,
                "withdrawFee": plain(terms.withdraw_fee),
                "withdrawStatus": terms.can_withdraw,
            }
            found.setdefault(asset, view)
    return json_reply(found)


def trade_fees(world: World, params: Params) -> Reply:
    """Return each market's fees."""
    symbol = params.get("symbol")
    rows = [
        {
            "symbol": market.symbol,
            "makerCommission": plain(market.taker_fee),
            "takerCommission": plain(market.taker_fee),
        }
        for market in world.markets.values()
        if market.venue == BINANCE and symbol in {None, market.symbol}
    ]
    return json_reply(rows)


def quota(world: World, params: Params) -> Reply:
    """Return the daily withdrawal quota."""
    del params
    limit = world.settings.daily_withdrawal[BINANCE]
    used = limit - allowances.left_today(world, BINANCE)
    return json_reply({"wdQuota": plain(limit), "usedWdQuota": plain(used)})


def system_status(world: World, params: Params) -> Reply:
    """Return 0 (normal) or 1 (maintenance)."""
    del params
    is_down = bool(world.maintenance.get(BINANCE))
    return json_reply(
        {"status": int(is_down), "msg": "system_maintenance" if is_down else "normal"}
    )


def nothing(world: World, params: Params) -> Reply:
    """Return an empty list, for lists other clients load at start."""
    del world, params
    return json_reply([])
