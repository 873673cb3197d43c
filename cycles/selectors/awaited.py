"""What the desk waits for at its venues: the reason to look there at all, and how far back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from cycles.domain.words import WatchKind
from exchanges.values import Market, OrderKey

# Statuses and outcomes stand as literals, so that the partial indexes serve them: what this reads does
# not grow with the desk's history. An intent under a living lease is being sent by its worker, and an
# order is its worker's own to read while it is young.
WITHDRAWALS = """
SELECT k.venue, 'WITHDRAWALS', min(k.intended_at),
       bool_or(k.outcome IN ('INTENDED', 'UNKNOWN')), array_agg(DISTINCT s.asset)
FROM cycles_cycle c
JOIN cycles_exchangecall k ON k.cycle_id = c.id AND k.operation = 'WITHDRAW'
JOIN cycles_step s ON s.id = k.step_id
WHERE c.status IN ('STARTED', 'REBALANCING_IN_PROGRESS')
  AND (k.outcome = 'UNKNOWN'
       OR (k.outcome = 'INTENDED' AND coalesce(c.lease_expires_at <= statement_timestamp(), true))
       OR (k.outcome = 'DONE' AND s.state IN ('PENDING', 'RUNNING')
           AND k.report ->> 'status' IS DISTINCT FROM 'failed'))
GROUP BY k.venue
"""
DEPOSITS = """
SELECT d.venue, 'DEPOSITS', min(k.intended_at), false, array_agg(DISTINCT d.asset)
FROM cycles_cycle c
JOIN cycles_step d ON d.cycle_id = c.id AND d.kind = 'DEPOSIT' AND d.state IN ('PENDING', 'RUNNING')
JOIN cycles_step s ON s.cycle_id = c.id AND s.position = d.position - 1 AND s.state = 'DONE'
JOIN cycles_exchangecall k
  ON k.step_id = s.id AND k.operation = 'WITHDRAW' AND k.outcome = 'DONE'
WHERE c.status IN ('STARTED', 'REBALANCING_IN_PROGRESS')
GROUP BY d.venue
"""
_LOOSE_ORDERS = """
FROM cycles_exchangecall k
JOIN cycles_cycle c ON c.id = k.cycle_id
WHERE ((k.outcome = 'DONE' AND NOT k.is_settled) OR k.outcome IN ('INTENDED', 'UNKNOWN'))
  AND k.operation IN ('PLACE_ORDER', 'CANCEL_ORDER')
  AND k.intended_at < statement_timestamp() - interval '1 second'
  AND c.status IN ('STARTED', 'INITIAL_TRADE_COMPLETED', 'AWAITING_REBALANCE', 'REBALANCING_IN_PROGRESS',
                   'REBALANCE_TRADE_COMPLETED')
  AND (k.outcome <> 'INTENDED' OR coalesce(c.lease_expires_at <= statement_timestamp(), true))
"""
ORDERS = f"""
SELECT k.venue, 'ORDERS', min(k.intended_at), false, ARRAY[]::varchar[]
{_LOOSE_ORDERS}
GROUP BY k.venue
"""
ALL = f"{WITHDRAWALS} UNION ALL {DEPOSITS} UNION ALL {ORDERS}"
# A cancel that is unknown is told by the order that it was to cancel.
ORDER_KEYS = f"""
SELECT k.request ->> 'market', coalesce(k.request ->> 'cancels', k.client_order_id)
{_LOOSE_ORDERS}
  AND k.venue = %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """What is waited for at a venue, of one kind: intended since, and whether an outcome is unknown."""

    venue: str
    kind: WatchKind
    since: datetime
    is_urgent: bool
    assets: frozenset[str]


def awaited() -> dict[tuple[str, WatchKind], Awaited]:
    """Read what is waited for, everywhere, in one statement.

    All is to be looked for as far back as the oldest of it was intended: whoever waits for a credit may
    have its sender asked again, and no look is to be repeated for reaching less far than another cycle's.
    """
    with connection.cursor() as cursor:
        cursor.execute(ALL)
        rows = cursor.fetchall()
    oldest = min((since for _, _, since, _, _ in rows), default=None)
    return {
        (venue, WatchKind(kind)): Awaited(
            venue=venue,
            kind=WatchKind(kind),
            since=oldest or since,
            is_urgent=is_urgent,
            assets=frozenset(assets),
        )
        for venue, kind, since, is_urgent, assets in rows
    }


def awaited_orders(venue: str) -> list[OrderKey]:
    """Name the orders at a venue that have not been told to have ended."""
    with connection.cursor() as cursor:
        cursor.execute(ORDER_KEYS, [venue])
        rows = set(cursor.fetchall())
    return [
        OrderKey(market=Market.parse(market), client_order_id=own_id)
        for market, own_id in sorted(rows)
    ]
