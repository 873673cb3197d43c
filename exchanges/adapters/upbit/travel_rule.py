"""Upbit's travel rule: which venues it knows, and what it says to a verification. Pure.

Source: docs.upbit.com, `travel_rule/vasps` and `travel_rule/deposit/uuid`: one verification per deposit
and ten minutes.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from exchanges.adapters.upbit.payloads import SUSPECTED, WORDS
from exchanges.transport.decoding import UnreadableError, known
from exchanges.transport.reading import decode
from exchanges.values import DepositReport

# How Upbit may spell the venues that the desk sends from; compared whole, without regard to case.
SPELLINGS = {
    "binance": frozenset({"binance", "바이낸스", "바이낸스(binance)", "binance(바이낸스)"}),
    "bithumb": frozenset({"bithumb", "빗썸", "빗썸(bithumb)", "bithumb(빗썸)"}),
}


class _Vasp(msgspec.Struct):
    vasp_name: str
    vasp_uuid: str
    depositable: bool = True


def vasp_uuid(body: bytes, venue: str) -> str | None:
    """Find a venue among those that Upbit can ask; None if it is not there, or not for deposits."""
    names = SPELLINGS.get(venue, frozenset({venue}))
    for row in decode(body, list[_Vasp]):
        if row.vasp_name.strip().casefold().replace(" ", "") in names and row.depositable:
            return row.vasp_uuid
    return None


class _Verified(msgspec.Struct):
    deposit_uuid: str
    deposit_state: str
    verification_result: str | None = None


def verified(body: bytes, deposit: DepositReport) -> DepositReport:
    """Read how a deposit stands after its verification."""
    row = decode(body, _Verified)
    if row.deposit_uuid != deposit.venue_deposit_id:
        raise UnreadableError("the verification is of another deposit")
    state = row.deposit_state.upper()
    return replace(
        deposit,
        status=known(WORDS.deposits, state, "deposit state"),
        detail=f"{row.deposit_state} ({row.verification_result or 'no verdict'})"[:120],
        wants_sender=state == SUSPECTED,
    )
