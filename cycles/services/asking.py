"""Who is asked whether it ended since the backup: a venue has less than the cycles and the desk hold there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from decimal import Decimal
from uuid import UUID

from cycles.domain import postings
from cycles.domain.money import ZERO
from cycles.domain.words import AccountOwner, FailureClass
from cycles.models import Cycle
from cycles.services import remaking, verifying
from cycles.services.recalling import History, Trace, unknown
from cycles.services.retraced import Retraced, differences, short_of
from exchanges.values import WithdrawalReport, WithdrawalStatus


def leave_who_holds_too_much(history: History, done: Retraced, *, accepts: bool) -> None:
    """Leave to a person whose coins a venue has not got, and the desk cannot pay: no word accepts that.

    Not while a cycle is not there that may have them, or not all was shown; `accepts`: that is not the reason, by a person's word.
    """
    is_all_shown = accepts or not (done.untold or history.gaps)
    if verifying.in_flight() or not (done.is_whole and is_all_shown):
        return
    for (venue, asset), missing in short_of(done.differences).items():
        for cycle, _ in may_have_ended(venue, asset, missing, done, asks_all_quiet=False):
            told = remaking.TOO_MUCH.format(asset=asset, venue=venue)
            done.misfit(cycle, FailureClass.POLICY_DENIED, told)


def may_have_ended(
    venue: str, asset: str, missing: Decimal, done: Retraced, *, asks_all_quiet: bool
) -> list[tuple[Cycle, str]]:
    """Give whom to ask; what was made again by this very run is shown to be there, and nobody's to explain."""
    made_again = done.to_park.keys() - done.misfits - done.late
    seen_to = done.misfits | done.late
    at_most = done.suspected[venue, asset]
    return remaking.who_may_have_ended(
        venue, asset, missing, seen_to, made_again, at_most, asks_all_quiet=asks_all_quiet
    )


def short_of_others(
    history: History, tried: Retraced, lacking: Collection[UUID]
) -> dict[tuple[str, str], Decimal]:
    """Give what venues would lack beyond what the desk holds there, had come in what is lacking.

    Less what the requests of those that fit nowhere may have taken there, all in all: that is missing of nobody else.
    """
    misfits = tried.misfits.intersection(lacking)
    taken: dict[tuple[str, str], dict[UUID, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for one in unknown(history.named()):
        if one.name and one.name.cycle_id in misfits:
            for asset, quantity in _taken(one):
                taken[one.venue, asset][one.name.cycle_id] += quantity
    return {
        place: missing - sum((max(ZERO, own) for own in taken[place].values()), ZERO)
        for place, missing in short_of(differences(history)).items()
    }


def _taken(trace: Trace) -> list[tuple[str, Decimal]]:
    """Give how much of which assets a request took where it was sent; what it brought there is less than nothing."""
    report = trace.report
    if isinstance(report, WithdrawalReport):
        if report.status is WithdrawalStatus.FAILED:
            return []
        return [(report.asset, report.quantity + report.network_fee)]
    lines = postings.fill_lines(trace.venue, report.market, report.side, report.fills)
    return [(one.asset, -one.quantity) for one in lines if one.owner == AccountOwner.CYCLE]
