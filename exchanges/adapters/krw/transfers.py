"""Withdrawals, deposits and addresses of the Korean venues, decoded straight from bytes. Pure.

Networks are named as the venues' `net_type` names them; those the desk uses read the same everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from exchanges.transport.decoding import UnreadableError, instant, known, or_zero, required
from exchanges.transport.paging import Page, read_page
from exchanges.transport.reading import decode
from exchanges.values import (
    DepositAddress,
    DepositReport,
    DepositStatus,
    WithdrawalReport,
    WithdrawalStatus,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A venue's words for the states of transfers, in capitals, and what they mean to us.

    `wants_sender` is that of a deposit held until the venue is told where it came from; empty: it has none.
    """

    venue: str
    withdrawals: Mapping[str, WithdrawalStatus]
    deposits: Mapping[str, DepositStatus]
    wants_sender: str = ""


class _Transfer(msgspec.Struct):
    currency: str
    state: str
    uuid: str | int = ""
    withdrawal_id: str | int = ""  # Bithumb's newer word for it
    net_type: str | None = None
    txid: str | None = None
    created_at: str | None = None
    amount: Decimal | None = None
    fee: Decimal | None = None


def withdrawal(body: bytes, words: Words) -> WithdrawalReport:
    """Read one withdrawal."""
    return _withdrawal(decode(body, _Transfer), words)


def withdrawals(body: bytes, words: Words) -> list[WithdrawalReport]:
    """Read a page of withdrawals."""
    return [_withdrawal(row, words) for row in decode(body, list[_Transfer])]


def _withdrawal(row: _Transfer, words: Words) -> WithdrawalReport:
    """`amount` is what arrives: the fee comes besides."""
    venue_withdrawal_id = str(row.uuid or row.withdrawal_id)
    if not venue_withdrawal_id:
        raise UnreadableError("a withdrawal without an id")
    return WithdrawalReport(
        venue=words.venue,
        venue_withdrawal_id=venue_withdrawal_id,
        client_withdrawal_id=None,
        asset=row.currency,
        network=row.net_type or "",
        quantity=required(row.amount, "amount"),
        network_fee=or_zero(row.fee, "fee"),
        status=known(words.withdrawals, row.state.upper(), "withdrawal state"),
        txid=row.txid or None,
        address=None,
        created_at=instant(row.created_at),
        detail=row.state,
    )


def deposits(body: bytes, words: Words) -> list[DepositReport]:
    """Read a page of deposits."""
    return [_deposit(row, words) for row in decode(body, list[_Transfer])]


def _deposit(row: _Transfer, words: Words) -> DepositReport:
    if not row.uuid:  # two of them would count as one
        raise UnreadableError("a deposit without an id")
    return DepositReport(
        venue=words.venue,
        venue_deposit_id=str(row.uuid),
        asset=row.currency,
        network=row.net_type or "",
        quantity=required(row.amount, "amount"),
        status=known(words.deposits, row.state.upper(), "deposit state"),
        txid=row.txid or None,
        detail=row.state,
        created_at=instant(row.created_at),
        wants_sender=row.state.upper() == words.wants_sender,
    )


def withdrawal_page(body: bytes, words: Words) -> Page[WithdrawalReport]:
    """Read a page of withdrawals of all assets."""
    return read_page(
        body, lambda raw: _withdrawal(decode(raw, _Transfer), words), asset_of=_asset_of
    )


def deposit_page(body: bytes, words: Words) -> Page[DepositReport]:
    """Read a page of deposits of all assets."""
    return read_page(body, lambda raw: _deposit(decode(raw, _Transfer), words), asset_of=_asset_of)


class _Named(msgspec.Struct):
    currency: str


def _asset_of(raw: bytes) -> str:
    return decode(raw, _Named).currency


class _DepositAddress(msgspec.Struct):
    currency: str | None = None
    net_type: str | None = None
    deposit_address: str | None = None
    secondary_address: str | None = None


def deposit_address(body: bytes, venue: str, asset: str, network: str) -> DepositAddress | None:
    """Read our deposit address; None if it is not there yet (null, or `{success, message}`)."""
    row = decode(body, _DepositAddress)
    if not row.deposit_address:
        return None
    if row.currency not in {None, asset} or row.net_type not in {None, network}:
        raise UnreadableError("the address is for another asset or network")
    return DepositAddress(
        venue=venue,
        asset=asset,
        network=network,
        address=row.deposit_address,
        memo=row.secondary_address or None,
    )


class AllowedAddress(msgspec.Struct):
    """A row of an allow-list; whose it is, each venue tells its own way (Bithumb: below)."""

    currency: str
    withdraw_address: str
    net_type: str | None = None
    secondary_address: str | None = None
    exchange_name: str | None = None
    owner_type: str | None = None
    owner_ko_name: str | None = None
    owner_en_name: str | None = None
    owner_corp_ko_name: str | None = None
    owner_corp_en_name: str | None = None

    def as_value(self, venue: str) -> DepositAddress:
        """Give the row as a value; `venue` names who keeps the list, not whose the address is."""
        return DepositAddress(
            venue=venue,
            asset=self.currency,
            network=self.net_type or "",
            address=self.withdraw_address,
            memo=self.secondary_address or None,
        )


def allowed_addresses(body: bytes, asset: str) -> list[AllowedAddress]:
    """Read the allow-list of an asset."""
    return [row for row in decode(body, list[AllowedAddress]) if row.currency == asset]
