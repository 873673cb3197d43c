"""Fees in an asset that was paid in after the backup: the desk lacks it, so requests that paid in it do not fit.

Where the venue has as much as the ledger says all the same, a person's word books what those fees took as come in.
"""

from __future__ import annotations

from uuid import UUID

from cycles.domain import postings
from cycles.domain.shown import plain
from cycles.domain.words import AccountOwner, PostingKind
from cycles.errors import UncoveredError
from cycles.models import Cycle
from cycles.services import booking, verifying
from cycles.services.recalling import History, Trace, unknown
from cycles.services.retraced import Retraced
from exchanges.values import OrderReport


def noted(cycle: Cycle, trace: Trace, error: Exception, done: Retraced) -> str:
    """Keep that an order did not fit for want of what its fee was paid in; gives what to tell a person of that."""
    why, report = error.__cause__, trace.report
    if not isinstance(why, UncoveredError) or not isinstance(report, OrderReport):
        return ""
    if why.asset in {report.market.base, report.market.quote}:
        return ""
    done.unpaid[cycle.pk] = why
    return "; if it was paid in since the backup, --accept books it"


def bring_in(history: History, done: Retraced) -> list[UUID]:
    """Book what fees took as come in, by a person's word; gives the cycles whose requests are to be looked at again.

    Nothing, while something else may be why the venue has it: a request that has not ended, or that is not written.
    """
    unpaid = dict(sorted(done.unpaid.items()))
    done.unpaid.clear()
    open_ones = {one.pk for one in verifying.cycles_in_flight()} - unpaid.keys()
    if not unpaid or open_ones or done.not_ended:
        return []
    there = _places(history)
    return [
        cycle_id
        for cycle_id, lacks in unpaid.items()
        if (lacks.venue, lacks.asset) in there and _is_brought_in(cycle_id, lacks, done)
    ]


def _places(history: History) -> set[tuple[str, str]]:
    """Give where a venue has no less than the ledger says, and nothing known is to come or to go."""
    lines = [
        line
        for venue, held in history.balances.items()
        for line in verifying.venue_lines(venue, held)
    ]
    moved = set().union(*(one.moves for one in unknown(history.named())))
    there = {(one.venue, one.asset) for one in lines if one.difference >= 0 and not one.in_flight}
    return there - moved


def _is_brought_in(cycle_id: UUID, lacks: UncoveredError, done: Retraced) -> bool:
    cycle, quantity = Cycle.objects.get(pk=cycle_id), lacks.missing
    lines = postings.moved(
        lacks.venue,
        lacks.asset,
        quantity,
        origin=AccountOwner.CAPITAL,
        target=AccountOwner.DESK,
    )
    key = f"capital:caught_up:fees:{cycle.pk}:{cycle.version}:{lacks.asset}:{plain(quantity)}"
    memo = f"came in after the backup; {cycle.code} paid fees in it"
    if not booking.post(key, PostingKind.CAPITAL, lines, memo=memo):
        return False
    done.takes_back(cycle)
    told = f"{lacks.venue}: {plain(quantity)} {lacks.asset}, in which {cycle.code} paid fees"
    done.brought_in.append(told)
    return True
