"""The lines of each posting: every group sums to zero per asset."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from cycles.domain.money import ZERO, as_quantity
from cycles.domain.words import AccountOwner as O
from exchanges.values import FillReport, Market, Side

HELD_BY_CYCLE = (O.CYCLE, O.IN_FLIGHT, O.SUSPENSE)


@dataclass(frozen=True, slots=True)
class Line:
    """One signed line: `owner` at `venue` in `asset`; a cycle's owners mean the posting's cycle."""

    venue: str
    asset: str
    owner: O
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a cycle owns somewhere, as the ledger says."""

    venue: str
    asset: str
    owner: O
    quantity: Decimal


def moved(venue: str, asset: str, quantity: Decimal, *, origin: O, target: O) -> tuple[Line, Line]:
    """Move a quantity between two owners at one venue."""
    quantity = as_quantity(quantity)
    return Line(venue, asset, origin, -quantity), Line(venue, asset, target, quantity)


def fill_lines(venue: str, market: Market, side: Side, fills: Iterable[FillReport]) -> list[Line]:
    """Turn one order's fills into lines: what was given for what was got, then the fees."""
    lines: list[Line] = []
    for fill in fills:
        sign = 1 if side is Side.BUY else -1
        base, quote = as_quantity(fill.quantity), as_quantity(fill.notional)
        lines += [
            Line(venue, market.base, O.CYCLE, sign * base),
            Line(venue, market.base, O.CONVERSION, -sign * base),
            Line(venue, market.quote, O.CYCLE, -sign * quote),
            Line(venue, market.quote, O.CONVERSION, sign * quote),
        ]
        lines += moved(venue, fill.fee_asset, fill.fee, origin=O.CYCLE, target=O.TRADING_FEES)
    return summed(lines)


def sent_lines(
    venue: str, to_venue: str, asset: str, *, quantity: Decimal, network_fee: Decimal
) -> list[Line]:
    """Post a withdrawal: `quantity` is on its way to `to_venue`, the fee is gone."""
    return summed(
        [
            Line(venue, asset, O.CYCLE, -as_quantity(quantity + network_fee)),
            Line(to_venue, asset, O.IN_FLIGHT, as_quantity(quantity)),
            Line(venue, asset, O.NETWORK_FEES, as_quantity(network_fee)),
        ]
    )


def returned_lines(
    venue: str, to_venue: str, asset: str, *, quantity: Decimal, network_fee: Decimal
) -> list[Line]:
    """Undo a withdrawal that the venue gave back, fee included."""
    sent = sent_lines(venue, to_venue, asset, quantity=quantity, network_fee=network_fee)
    return [Line(line.venue, line.asset, line.owner, -line.quantity) for line in sent]


def credited_lines(venue: str, asset: str, *, sent: Decimal, credited: Decimal) -> list[Line]:
    """Post a deposit for what it is; what differs from what was sent goes to suspense."""
    return summed(
        [
            Line(venue, asset, O.IN_FLIGHT, -as_quantity(sent)),
            Line(venue, asset, O.CYCLE, as_quantity(credited)),
            Line(venue, asset, O.SUSPENSE, as_quantity(sent) - as_quantity(credited)),
        ]
    )


def released_lines(holdings: Sequence[Holding], is_dust: Callable[[Holding], bool]) -> list[Line]:
    """Give everything a cycle holds back to the desk, and coins too small to trade to dust."""
    lines: list[Line] = []
    for held in holdings:
        is_coin = held.asset not in {"USDT", "KRW"}
        target = O.DUST if is_coin and is_dust(held) else O.DESK
        lines += moved(held.venue, held.asset, held.quantity, origin=held.owner, target=target)
    return summed(lines)


def handed_over_lines(holdings: Sequence[Holding], *, target: O) -> list[Line]:
    """Give everything a cycle owns to one owner, asset by asset (desk, or written off)."""
    lines: list[Line] = []
    for held in holdings:
        lines += moved(held.venue, held.asset, held.quantity, origin=held.owner, target=target)
    return summed(lines)


def summed(lines: Iterable[Line]) -> list[Line]:
    """Join the lines of one account and leave out what cancels."""
    totals: dict[tuple[str, str, O], Decimal] = {}
    for line in lines:
        key = (line.venue, line.asset, line.owner)
        totals[key] = totals.get(key, ZERO) + line.quantity
    return [Line(v, a, o, quantity) for (v, a, o), quantity in totals.items() if quantity]
