"""Venues send several withdrawals in one transaction: which of its credits is whose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from cycles.models import ExchangeCall
from cycles.services import seeing
from cycles.services.seeing import Sight
from exchanges.values import DepositReport

Sent = tuple[str, Decimal]  # a withdrawal: its venue's id, and what it brings


def own_part(call: ExchangeCall, sight: Sight[DepositReport]) -> tuple[DepositReport, ...] | None:
    """Give the credits of a transaction that are a withdrawal's own, by what was seen to leave with it.

    None while they are more than it brings, and its venue has not been looked at since they were seen: what left
    with it may be told of late. Raises VenueError as that venue does.
    """
    if not sight.rows:
        return ()
    mine = sent_by(call)
    is_more = sum((row.quantity for row in sight.rows), Decimal(0)) > mine[1]
    if is_more and not seeing.sender_shows_since(call, sight.as_of):
        return None
    return divided(sight.rows, mine, seeing.sent_along(call))


def are_of_others(call: ExchangeCall, rows: Sequence[DepositReport]) -> bool:
    """Say whether each credit of a transaction is, whole, another withdrawal's that left with a call's own."""
    left = [quantity for _, quantity in seeing.sent_along(call)]
    for row in rows:
        if row.quantity not in left:
            return False
        left.remove(row.quantity)
    return True


def sent_by(call: ExchangeCall) -> Sent:
    """Give what an accepted withdrawal sent."""
    return call.venue_order_id, Decimal(call.report["quantity"])


def divided(
    rows: Sequence[DepositReport], mine: Sent, others: Sequence[Sent]
) -> tuple[DepositReport, ...]:
    """Give the credits of a transaction that are one's own: all, where nothing else went along.

    Else each has the one that is as large as itself; alike ones go by their ids, so that two cycles never take the
    same. Once the others have theirs the rest is its own, in parts or short. None where that does not tell.
    """
    if not others:
        return tuple(rows)
    left, unmatched = list(rows), []
    for withdrawal in sorted([*others, mine]):
        found = next((row for row in left if row.quantity == withdrawal[1]), None)
        if found is None:
            unmatched.append(withdrawal)
            continue
        if withdrawal == mine:
            return (found,)
        left.remove(found)
    if unmatched == [mine]:
        return tuple(left)
    whole = mine[1] + sum((quantity for _, quantity in others), Decimal(0))
    if len(rows) == 1 and rows[0].quantity == whole:  # credited as one
        return (replace(rows[0], quantity=mine[1]),)
    return ()
