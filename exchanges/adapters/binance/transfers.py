"""Binance's withdrawals, deposits and addresses: decoded, then our values. Pure.

Sources: the wallet API's pages on capital/withdraw and capital/deposit. Coins and networks are named
as Binance names them.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from exchanges.adapters.binance.dialect import VENUE
from exchanges.transport.decoding import (
    UnreadableError,
    from_milliseconds,
    instant,
    known,
    or_zero,
    required,
)
from exchanges.transport.paging import Page, read_page
from exchanges.transport.reading import decode
from exchanges.values import (
    DepositAddress,
    DepositReport,
    DepositStatus,
    WithdrawalReport,
    WithdrawalRequest,
    WithdrawalStatus,
)

WITHDRAWAL_STATUSES = {
    0: WithdrawalStatus.PENDING,  # e-mail sent
    1: WithdrawalStatus.FAILED,  # cancelled
    2: WithdrawalStatus.PENDING,  # awaiting approval
    3: WithdrawalStatus.FAILED,  # rejected
    4: WithdrawalStatus.PENDING,  # processing
    5: WithdrawalStatus.FAILED,  # failure
    6: WithdrawalStatus.DONE,
}
DEPOSIT_STATUSES = {
    0: (DepositStatus.PENDING, "pending"),
    1: (DepositStatus.CREDITED, "success"),
    2: (DepositStatus.FAILED, "rejected"),
    6: (DepositStatus.CREDITED, "credited, cannot be withdrawn yet"),  # tradable all the same
    7: (DepositStatus.HELD, "wrong deposit"),
    8: (DepositStatus.HELD, "waits for the user's confirmation"),
}

WAITS = "waits for the travel rule"
TRAVEL_RULE_STATUSES = {
    1: (DepositStatus.PENDING, WAITS),
    2: (DepositStatus.HELD, "rejected by the travel rule"),
}


class _Applied(msgspec.Struct):
    id: str


def applied(body: bytes, request: WithdrawalRequest, *, now: datetime) -> WithdrawalReport:
    """Read the reply to a withdrawal, which is an id and nothing else; the rest is the request's."""
    venue_id = decode(body, _Applied).id
    if not venue_id:
        raise UnreadableError("a withdrawal without an id")
    return WithdrawalReport(
        venue=VENUE,
        venue_withdrawal_id=venue_id,
        client_withdrawal_id=request.client_withdrawal_id,
        asset=request.asset,
        network=request.network,
        quantity=request.quantity,
        network_fee=request.network_fee,
        status=WithdrawalStatus.PENDING,
        txid=None,
        address=request.destination.address,
        created_at=now,
    )


class _Withdrawal(msgspec.Struct, rename="camel"):
    id: str
    coin: str
    status: int
    amount: Decimal | None = None
    transaction_fee: Decimal | None = None
    network: str | None = None
    address: str | None = None
    tx_id: str | None = None
    apply_time: str | None = None
    withdraw_order_id: str | None = None


def withdrawals(body: bytes) -> list[WithdrawalReport]:
    """Read the history, newest first; `amount` here is what arrives. `applyTime` is UTC."""
    return newest_first([_withdrawal(row) for row in decode(body, list[_Withdrawal])])


def newest_first(rows: list[WithdrawalReport]) -> list[WithdrawalReport]:
    """Sort withdrawals as the port gives them."""
    return sorted(rows, key=lambda row: _sort_key(row.created_at), reverse=True)


def _withdrawal(row: _Withdrawal) -> WithdrawalReport:
    return WithdrawalReport(
        venue=VENUE,
        venue_withdrawal_id=row.id,
        client_withdrawal_id=row.withdraw_order_id or None,
        asset=row.coin,
        network=row.network or "",
        quantity=required(row.amount, "amount"),
        network_fee=or_zero(row.transaction_fee, "transactionFee"),
        status=known(WITHDRAWAL_STATUSES, row.status, "withdrawal status"),
        txid=row.tx_id or None,
        address=row.address or None,
        created_at=instant(row.apply_time),
        detail=str(row.status),
    )


class _Deposit(msgspec.Struct, rename="camel"):
    coin: str
    status: int
    id: str | int | None = None
    amount: Decimal | None = None
    network: str | None = None
    tx_id: str | None = None
    insert_time: int | None = None
    travel_rule_status: int = 0


def deposits(body: bytes) -> list[DepositReport]:
    """Read the history, newest first."""
    rows = [_deposit(row) for row in decode(body, list[_Deposit])]
    return sorted(rows, key=lambda row: _sort_key(row.created_at), reverse=True)


def _deposit(row: _Deposit) -> DepositReport:
    status, detail = known(DEPOSIT_STATUSES, row.status, "deposit status")
    if status in {DepositStatus.PENDING, DepositStatus.HELD} and row.travel_rule_status:
        status, detail = TRAVEL_RULE_STATUSES.get(row.travel_rule_status, (status, detail))
    identifier = row.id if row.id not in {None, ""} else row.tx_id
    if not identifier:
        raise UnreadableError("a deposit without an id")
    return DepositReport(
        venue=VENUE,
        venue_deposit_id=str(identifier),
        asset=row.coin,
        network=row.network or "",
        quantity=required(row.amount, "amount"),
        status=status,
        txid=row.tx_id or None,
        detail=detail,
        created_at=from_milliseconds(row.insert_time),
    )


def withdrawal_page(body: bytes) -> Page[WithdrawalReport]:
    """Read a page of withdrawals of all coins."""
    return read_page(body, lambda raw: _withdrawal(decode(raw, _Withdrawal)), asset_of=coin_of)


def deposit_page(body: bytes) -> Page[DepositReport]:
    """Read a page of deposits of all coins."""
    return read_page(body, lambda raw: _deposit(decode(raw, _Deposit)), asset_of=coin_of)


class _Named(msgspec.Struct):
    coin: str


def coin_of(raw: bytes) -> str:
    """Read whose row it is. Raises UnreadableError if it does not tell."""
    return decode(raw, _Named).coin


def _sort_key(at: datetime | None) -> str:
    return at.isoformat() if at else ""


class _DepositAddress(msgspec.Struct):
    coin: str | None = None
    address: str | None = None
    tag: str | None = None


def deposit_address(body: bytes, asset: str, network: str) -> DepositAddress | None:
    """Read our deposit address; None if it is empty."""
    row = decode(body, _DepositAddress)
    if not row.address:
        return None
    if row.coin not in {None, asset}:
        raise UnreadableError("the address is for another asset")
    return DepositAddress(
        venue=VENUE, asset=asset, network=network, address=row.address, memo=row.tag or None
    )


class _AllowedAddress(msgspec.Struct, rename="camel"):
    address: str
    coin: str
    network: str | None = None
    address_tag: str | None = None
    white_status: bool = True


def withdrawal_addresses(body: bytes, asset: str) -> list[DepositAddress]:
    """Read the allow-list; `venue` names the venue that keeps it, as it does not say whose they are."""
    return [
        DepositAddress(
            venue=VENUE,
            asset=row.coin,
            network=row.network or "",
            address=row.address,
            memo=row.address_tag or None,
        )
        for row in decode(body, list[_AllowedAddress])
        if row.coin == asset and row.white_status
    ]
