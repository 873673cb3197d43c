"""Fees in an asset that was paid in after the backup: the desk lacks it, so requests that paid in it do not fit.

Where the venue has as much as the ledger says once they are written, a person's word books what those fees took as come in.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.db import transaction

from cycles.domain import postings
from cycles.domain.shown import plain
from cycles.domain.words import AccountOwner, PostingKind
from cycles.errors import UncoveredError
from cycles.models import Cycle
from cycles.services import accepting, booking, verifying
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


def bring_in(history: History, done: Retraced, look_again: Callable[[UUID], None]) -> bool:
    """Book what fees took as come in, by a person's word, and look at the requests again; says whether anything was.

    Nothing, while something else may be why the venue has it: a request that has not ended, or that is not written. Nor
    where the venue has less than the ledger says once those that paid so are written.
    """
    unpaid, before = dict(sorted(done.unpaid.items())), len(done.brought_in)
    done.unpaid.clear()
    open_ones = {one.pk for one in verifying.cycles_in_flight()} - unpaid.keys()
    if not unpaid or open_ones or done.not_ended:
        return False
    moved = set().union(*(one.moves for one in unknown(history.named())))
    for cycle_id, lacks in unpaid.items():
        place = lacks.venue, lacks.asset
        if place in moved or accepting.arriving({place: None}):
            continue
        with transaction.atomic():
            so_far = done.copied()
            _pay(cycle_id, lacks, done, look_again)
            if not _has_as_much(history, *place):
                transaction.set_rollback(True)
                done.goes_back(so_far)
    return len(done.brought_in) > before


def _has_as_much(history: History, venue: str, asset: str) -> bool:
    """Say whether a venue has no less than the ledger says."""
    lines = verifying.venue_lines(venue, history.balances[venue])
    return all(one.difference >= 0 for one in lines if one.asset == asset)


def _pay(
    cycle_id: UUID, lacks: UncoveredError, done: Retraced, look_again: Callable[[UUID], None]
) -> None:
    """Bring in what one fee of a cycle after the other lacks there."""
    place = lacks.venue, lacks.asset
    while _is_brought_in(cycle_id, lacks, done):
        look_again(cycle_id)
        more = done.unpaid.get(cycle_id)
        if more is None or (more.venue, more.asset) != place:
            return
        lacks = done.unpaid.pop(cycle_id)


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
