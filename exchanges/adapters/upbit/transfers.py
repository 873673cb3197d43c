"""Upbit's withdrawals, deposits and addresses: decoded straight from bytes, then our values. Pure.

Networks are named as Upbit's `net_type` names them; those the desk uses read the same at every venue.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from exchanges.adapters.upbit.dialect import VENUE
from exchanges.transport.decoding import (
    UnreadableError,
    decode,
    instant,
    known,
    or_zero,
    required,
)
from exchanges.values import (
    DepositAddress,
    DepositReport,
    DepositStatus,
    WithdrawalReport,
    WithdrawalStatus,
)

WITHDRAWAL_STATES = {
    "WAITING": WithdrawalStatus.PENDING,
    "PROCESSING": WithdrawalStatus.PENDING,
    "DONE": WithdrawalStatus.DONE,
    "FAILED": WithdrawalStatus.FAILED,
    "CANCELLED": WithdrawalStatus.FAILED,
    "REJECTED": WithdrawalStatus.FAILED,
}
DEPOSIT_STATES = {
    "PROCESSING": DepositStatus.PENDING,
    "ACCEPTED": DepositStatus.CREDITED,
    "TRAVEL_RULE_SUSPECTED": DepositStatus.HELD,
    "REFUNDING": DepositStatus.FAILED,
    "REFUNDED": DepositStatus.FAILED,
    "CANCELLED": DepositStatus.FAILED,
    "REJECTED": DepositStatus.FAILED,
}


class _Transfer(msgspec.Struct):
    uuid: str
    currency: str
    state: str
    net_type: str | None = None
    txid: str | None = None
    created_at: str | None = None
    amount: Decimal | None = None
    fee: Decimal | None = None


def withdrawal(body: bytes) -> WithdrawalReport:
    """Read one withdrawal."""
    return _withdrawal(decode(body, _Transfer))


def withdrawals(body: bytes) -> list[WithdrawalReport]:
    """Read a page of withdrawals."""
    return [_withdrawal(row) for row in decode(body, list[_Transfer])]


def _withdrawal(row: _Transfer) -> WithdrawalReport:
    """`amount` is what arrives: Upbit takes the fee besides."""
    if not row.uuid:
        raise UnreadableError("a withdrawal without an id")
    return WithdrawalReport(
        venue=VENUE,
        venue_withdrawal_id=row.uuid,
        client_withdrawal_id=None,
        asset=row.currency,
        network=row.net_type or "",
        quantity=required(row.amount, "amount"),
        network_fee=or_zero(row.fee, "fee"),
        status=known(WITHDRAWAL_STATES, row.state.upper(), "withdrawal state"),
        txid=row.txid or None,
        address=None,
        created_at=instant(row.created_at),
    )


def deposits(body: bytes) -> list[DepositReport]:
    """Read a page of deposits."""
    return [
        DepositReport(
            venue=VENUE,
            venue_deposit_id=row.uuid,
            asset=row.currency,
            network=row.net_type or "",
            quantity=required(row.amount, "amount"),
            status=known(DEPOSIT_STATES, row.state.upper(), "deposit state"),
            txid=row.txid or None,
            detail=row.state,
            created_at=instant(row.created_at),
        )
        for row in decode(body, list[_Transfer])
    ]


class _DepositAddress(msgspec.Struct):
    currency: str | None = None
    net_type: str | None = None
    deposit_address: str | None = None
    secondary_address: str | None = None


def deposit_address(body: bytes, asset: str, network: str) -> DepositAddress | None:
    """Read our deposit address; None if it is not there yet (null, or `{success, message}`)."""
    row = decode(body, _DepositAddress)
    if not row.deposit_address:
        return None
    if row.currency not in {None, asset} or row.net_type not in {None, network}:
        raise UnreadableError("the address is for another asset or network")
    return DepositAddress(
        venue=VENUE,
        asset=asset,
        network=network,
        address=row.deposit_address,
        memo=row.secondary_address or None,
    )


class _AllowedAddress(msgspec.Struct):
    currency: str
    withdraw_address: str
    net_type: str | None = None
    secondary_address: str | None = None


def withdrawal_addresses(body: bytes, asset: str) -> list[DepositAddress]:
    """Read the allow-list; `venue` names the venue that keeps it, as it does not say whose they are."""
    return [
        DepositAddress(
            venue=VENUE,
            asset=row.currency,
            network=row.net_type or "",
            address=row.withdraw_address,
            memo=row.secondary_address or None,
        )
        for row in decode(body, list[_AllowedAddress])
        if row.currency == asset
    ]
