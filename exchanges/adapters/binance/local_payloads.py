"""Replies of Binance's local-entity endpoints: decoded, then our values. Pure.

Source: the wallet API's pages on travel rule. A withdrawal is known there by its travel-rule record
(`trId`): the reply to a request has nothing else, and what it refuses never gets another id.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from exchanges.adapters.binance.dialect import VENUE
from exchanges.adapters.binance.questionnaires import Vasp
from exchanges.adapters.binance.transfers import WITHDRAWAL_STATUSES, coin_of
from exchanges.transport.decoding import UnreadableError, instant, known, or_zero, required
from exchanges.transport.paging import Page, read_page
from exchanges.transport.reading import decode
from exchanges.values import WithdrawalReport, WithdrawalRequest, WithdrawalStatus

PROCESSED, PROCESSING, REJECTED = 0, 1, 2  # travelRuleStatus
OTHERS = "others"  # a venue that is not in Binance's list


class _Requirement(msgspec.Struct, rename="camel"):
    questionnaire_country_code: str


def requirement(body: bytes) -> str:
    """Read which entity's questionnaire the account has to answer; NIL for none."""
    code = decode(body, _Requirement).questionnaire_country_code.strip().upper()
    if not code:
        raise UnreadableError("no questionnaireCountryCode")
    return code


class _Vasp(msgspec.Struct, rename="camel"):
    vasp_name: str
    vasp_code: str


def vasp(body: bytes, venue: str) -> Vasp:
    """Find a venue in the list by its name; one that is not there goes by `others`."""
    for row in decode(body, list[_Vasp]):
        if row.vasp_name.strip().casefold() == venue.casefold():
            return Vasp(code=row.vasp_code)
    return Vasp(code=OTHERS, name=venue.capitalize())


class _Applied(msgspec.Struct, rename="camel"):
    tr_id: int | str
    accepted: bool | None = None
    accpted: bool | None = None  # Binance's own spelling in places
    info: str = ""


def accepted(body: bytes) -> tuple[str, str | None]:
    """Read the reply to a request: its record's id, and why it was not accepted (None: it was)."""
    row = decode(body, _Applied)
    verdict = row.accepted if row.accepted is not None else row.accpted
    if verdict is None or not str(row.tr_id):
        raise UnreadableError("it does not say whether it was accepted")
    return str(row.tr_id), None if verdict else row.info[:120]


def applied(record: str, request: WithdrawalRequest, *, now: datetime) -> WithdrawalReport:
    """Give the report of an accepted withdrawal; all but the record's id is the request's."""
    return WithdrawalReport(
        venue=VENUE,
        venue_withdrawal_id=record,
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
    tr_id: int | str
    coin: str
    travel_rule_status: int
    withdrawal_status: int | None = None
    id: str | None = None
    amount: Decimal | None = None
    transaction_fee: Decimal | None = None
    network: str | None = None
    address: str | None = None
    tx_id: str | None = None
    apply_time: str | None = None
    withdraw_order_id: str | None = None


def withdrawals(body: bytes) -> tuple[list[WithdrawalReport], frozenset[str]]:
    """Read the history, and under which ids the general history shows the same withdrawals."""
    rows = decode(body, list[_Withdrawal])
    return [_withdrawal(row) for row in rows], frozenset(row.id for row in rows if row.id)


def withdrawal_page(body: bytes) -> tuple[Page[WithdrawalReport], frozenset[str]]:
    """Read a page of the history of all coins, and under which ids the general history shows the same."""
    known_as = set()

    def read(raw: bytes) -> WithdrawalReport:
        row = decode(raw, _Withdrawal)
        if row.id:
            known_as.add(row.id)
        return _withdrawal(row)

    page = read_page(body, read, asset_of=coin_of)
    return page, frozenset(known_as)


def _withdrawal(row: _Withdrawal) -> WithdrawalReport:
    return WithdrawalReport(
        venue=VENUE,
        venue_withdrawal_id=str(row.tr_id),
        client_withdrawal_id=row.withdraw_order_id or None,
        asset=row.coin,
        network=row.network or "",
        quantity=required(row.amount, "amount"),
        network_fee=or_zero(row.transaction_fee, "transactionFee"),
        status=_status(row),
        txid=row.tx_id or None,
        address=row.address or None,
        created_at=instant(row.apply_time),
    )


def _status(row: _Withdrawal) -> WithdrawalStatus:
    """Tell how it stands: it is processed as a withdrawal only once the travel rule is done with it."""
    if row.travel_rule_status == REJECTED:
        return WithdrawalStatus.FAILED
    if row.travel_rule_status == PROCESSING or row.withdrawal_status is None:
        return WithdrawalStatus.PENDING
    if row.travel_rule_status != PROCESSED:
        raise UnreadableError(f"unknown travelRuleStatus {row.travel_rule_status}")
    return known(WITHDRAWAL_STATUSES, row.withdrawal_status, "withdrawal status")


class _Deposit(msgspec.Struct, rename="camel"):
    tran_id: int | str
    tx_id: str | None = None
    travel_rule_status: int = PROCESSED
    require_questionnaire: bool = False


def waiting_deposits(body: bytes) -> dict[str, str]:
    """Read which deposits wait for a questionnaire: their record's id, by txid."""
    return {
        row.tx_id: str(row.tran_id)
        for row in decode(body, list[_Deposit])
        if row.tx_id and row.require_questionnaire and row.travel_rule_status == PROCESSING
    }
