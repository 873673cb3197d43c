"""Binance's coins and their networks: rules of moving them, and what identity is judged by. Pure.

Source: the wallet API's page on capital/config/getall. An empty `contractAddress` says that the coin is
the network's own.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from exchanges.adapters.binance.dialect import VENUE
from exchanges.identity.listed import spelled_contract
from exchanges.transport.decoding import or_zero, required
from exchanges.transport.reading import decode
from exchanges.values import Listing, NetworkRules

SMALLEST_STEP = Decimal("0.00000001")  # where Binance names no multiple


class _Network(msgspec.Struct, rename="camel"):
    network: str
    name: str = ""
    withdraw_enable: bool = False
    deposit_enable: bool = False
    withdraw_fee: Decimal | None = None
    withdraw_min: Decimal | None = None
    withdraw_max: Decimal | None = None
    withdraw_integer_multiple: Decimal | None = None
    deposit_dust: Decimal | None = None
    min_confirm: int | None = None
    un_lock_confirm: int | None = None
    withdraw_tag: bool = False
    same_address: bool = False  # one address for all users: only the memo tells them apart
    contract_address: str | None = None


class _Coin(msgspec.Struct, rename="camel"):
    coin: str
    name: str = ""
    network_list: list[_Network] = []


def network_rules(body: bytes, asset: str, *, now: datetime) -> tuple[NetworkRules, ...]:
    """Read how an asset moves, one row per network; never merged over networks."""
    return tuple(
        _rules(asset, row, now)
        for coin in decode(body, list[_Coin])
        if coin.coin == asset
        for row in coin.network_list
    )


def _rules(asset: str, row: _Network, now: datetime) -> NetworkRules:
    return NetworkRules(
        venue=VENUE,
        asset=asset,
        network=row.network,
        withdraw_is_open=row.withdraw_enable,
        deposit_is_open=row.deposit_enable,
        withdraw_fee=required(row.withdraw_fee, "withdrawFee"),
        withdraw_minimum=or_zero(row.withdraw_min, "withdrawMin"),
        withdraw_maximum=_limit(row.withdraw_max, "withdrawMax"),
        withdraw_step=row.withdraw_integer_multiple or SMALLEST_STEP,
        deposit_minimum=_limit(row.deposit_dust, "depositDust"),
        memo_is_required=row.withdraw_tag or row.same_address,
        confirmations=row.min_confirm,
        unlock_confirmations=row.un_lock_confirm,
        fetched_at=now,
    )


def _limit(value: Decimal | None, name: str) -> Decimal | None:
    """Read a limit; none, or nothing, is no limit."""
    return None if value is None else required(value, name) or None


def listings(body: bytes) -> list[Listing]:
    """Read every coin on every network, in Binance's words."""
    return [
        Listing(
            venue=VENUE,
            symbol=coin.coin,
            network=row.network,
            title=coin.name,
            network_title=row.name,
            contract=(
                None if row.contract_address is None else spelled_contract(row.contract_address)
            ),
        )
        for coin in decode(body, list[_Coin])
        for row in coin.network_list
    ]
