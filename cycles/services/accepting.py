"""What still differs after catching up is booked as capital that came or went outside of kimp, by a person's word.

Nothing is, while anything that is known has to be explained still: what differs may be that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from uuid import UUID

from django.db.models import QuerySet

from cycles.domain import postings
from cycles.domain.postings import Line
from cycles.domain.shown import plain
from cycles.domain.states import FINAL
from cycles.domain.words import (
    AccountOwner,
    CallOutcome,
    CycleStatus,
    FailureClass,
    Operation,
    PostingKind,
)
from cycles.models import Account, Cycle, ExchangeCall
from cycles.services import booking, nameless, verifying
from cycles.services.recalling import History, unknown
from cycles.services.retraced import DESKS, Retraced, owned_by_desk
from cycles.services.verifying import VenueLine
from exchanges.values import WithdrawalStatus

Place = tuple[str, str]  # a venue and an asset
UNPAID = (
    "{}: the desk itself does not hold that, so no difference was accepted; resolve the dead letters that have not got it "
    "any more, then give --accept again"
)
UNTOLD = (
    "no difference was accepted: what {} did, or still has, is not told to its end, and may be what differs. Resolve who was "
    "settled by hand, or did what fits nowhere, redrive who can go on, then give --accept again"
)
ARRIVING = (
    "no difference was accepted: {} is on its way to {} by {}, or lies there and is not booked yet. Let the roles run until it is booked "
    "(the desk is halted: nothing new begins; redrive what is a dead letter), stop them, then give --accept again"
)
BACK = (
    "no difference was accepted: {} that left {} by {} may have been given back there. Let the roles run until it is booked (the desk "
    "is halted: nothing new begins; redrive what is a dead letter), stop them, then give --accept again"
)
SUSPENDED = (
    "no difference was accepted: {} has {} in suspense at {}, which may have been credited since. Resolve it by what the venue's page says, "
    "then give --accept again"
)
MAY_BE_CREDITED = "{} in suspense at {} may have been credited since: resolve it"
MAYBE_SENT = (
    "no difference was accepted: {} may have sent {} from {} to {}, and only a person can tell. Resolve it by what the venues' pages say: as never "
    "accepted, and where it did leave, as settled by hand with what its coins became after that. Or redrive it and let the roles look until it "
    "is found (the desk is halted: nothing new begins), and stop them. Then give --accept again"
)


def objections(history: History, done: Retraced) -> list[str]:
    """Say in words why what differs is not to be accepted, and what to do first; nothing: it may be."""
    ids = {one.name.cycle_id for one in unknown(history.named()) if one.name}
    told = _untold(ids | done.unexplained)
    told += arriving({(one.venue, one.asset): one.difference for one in done.differences})
    return [*told, *(UNPAID.format(text(line)) for line in _beyond_the_desk(done.differences))]


def objections_at(
    history: History, places: Collection[Place], misfits: Collection[UUID]
) -> list[str]:
    """Say in words why nothing is to be booked as come in for cycles that lack what they began with at some places.

    Of `misfits` those may have sent what is there whose next withdrawal goes there.
    """
    ids = {
        one.name.cycle_id
        for one in unknown(history.named())
        if one.name and not one.moves.isdisjoint(places)
    }
    ids |= {
        cycle.pk
        for cycle, step in nameless.candidates()
        if cycle.pk in misfits and (step.to_venue, step.asset) in places
    }
    return [*_untold(ids), *arriving(dict.fromkeys(places))]


def _untold(ids: Collection[UUID]) -> list[str]:
    """Say which of cycles could go on: they misfit, are asked, or have a request shown that the journal does not have."""
    running = Cycle.objects.exclude(status__in=sorted(FINAL)).filter(pk__in=ids)
    codes = ", ".join(running.order_by("pk").values_list("code", flat=True))
    return [UNTOLD.format(codes)] if codes else []


def arriving(places: Mapping[Place, Decimal | None]) -> list[str]:
    """Say in words where coins are to arrive, or have, that are not booked there: those may be what a venue has.

    And what may have left, or arrived, by a withdrawal of which only a person can tell; what stands in suspense there;
    and what may have come back, unless a place is known to have less than that beyond what the ledger says.
    """
    wanted = places.keys()
    flying: dict[Place, set[str]] = defaultdict(set)
    rows = _held(AccountOwner.IN_FLIGHT)
    for venue, asset, code in rows.values_list("venue", "asset", "cycle__code"):
        flying[venue, asset].add(code)
    told = [
        ARRIVING.format(asset, venue, ", ".join(sorted(flying[venue, asset])))
        for venue, asset in sorted(flying.keys() & wanted)
    ]
    told += [
        SUSPENDED.format(cycle.code, asset, venue) for cycle, venue, asset in _suspended(wanted)
    ]
    return [*told, *_may_come_back(places), *_maybe_sent(wanted)]


def _held(owner: AccountOwner) -> QuerySet[Account]:
    """Choose what cycles hold under an owner, by the index of what is not empty: accounts of ended cycles stay, empty, for ever."""
    return Account.objects.filter(owner=owner, cycle__isnull=False).exclude(balance=0)


def _suspended(places: Collection[Place]) -> list[tuple[Cycle, str, str]]:
    """Give which cycles were credited less than was sent, with where and of what, at some places."""
    rows = _held(AccountOwner.SUSPENSE).filter(balance__gt=0).order_by("pk")
    return [
        (one.cycle, one.venue, one.asset)
        for one in rows.select_related("cycle")
        if one.cycle and (one.venue, one.asset) in places
    ]


def leave_suspended(done: Retraced) -> None:
    """Leave to a person who goes on with something in suspense, where it keeps a word from counting: only a dead letter is resolved."""
    places = {(one.venue, one.asset) for one in done.differences}
    places |= {(one.lacking.venue, one.lacking.asset) for one in done.lacking.values()}
    for cycle, venue, asset in _suspended(places):
        if cycle.status != CycleStatus.DEAD_LETTER and cycle.pk not in done.to_park:
            done.misfit(cycle, FailureClass.CREDIT_MISMATCH, MAY_BE_CREDITED.format(asset, venue))


def _may_come_back(places: Mapping[Place, Decimal | None]) -> list[str]:
    """Say in words which withdrawals whose coins are in flight may have brought them back where they left."""
    flying = _held(AccountOwner.IN_FLIGHT)
    ways = set(flying.values_list("cycle", "venue", "asset"))
    sent = ExchangeCall.objects.filter(
        cycle__in={cycle_id for cycle_id, _, _ in ways},
        operation=Operation.WITHDRAW,
        outcome=CallOutcome.DONE,
    ).exclude(report__status=WithdrawalStatus.FAILED.value)
    return [
        BACK.format(one.step.asset, one.venue, one.cycle.code)
        for one in sent.select_related("cycle", "step").order_by("pk")
        if (one.cycle_id, one.step.to_venue, one.step.asset) in ways and _has_room_for(one, places)
    ]


def _has_room_for(call: ExchangeCall, places: Mapping[Place, Decimal | None]) -> bool:
    """Say whether a withdrawal left one of these places, and may be what that has beyond what the ledger says."""
    place = call.venue, call.step.asset
    took = Decimal(call.report["quantity"]) + Decimal(call.report["network_fee"])
    more = places.get(place)
    return place in places and (more is None or more >= took)


def _maybe_sent(places: Collection[Place]) -> list[str]:
    """Say in words which withdrawals of unknown outcome may have taken, or brought, what some places have."""
    told = []
    for call in verifying.resting():
        asset, to_venue = call.request["asset"], call.request["to_venue"]
        if not {(call.venue, asset), (to_venue, asset)}.isdisjoint(places):
            told.append(MAYBE_SENT.format(call.cycle.code, asset, call.venue, to_venue))
    return told


def _beyond_the_desk(lines: Iterable[VenueLine]) -> list[VenueLine]:
    """Give what venues lack that the desk itself does not hold there: it is cycles' money, which no word books away."""
    return [one for one in lines if -one.difference > owned_by_desk(one.venue, one.asset)]


def text(line: VenueLine) -> str:
    """Give a difference in words."""
    return f"{line.venue}: {plain(line.difference)} {line.asset}"


def accept(lines: Iterable[VenueLine], intervention: int, reason: str) -> None:
    """Book differences as capital that came or went; the desk itself holds what went, dust last."""
    for line in lines:
        key = f"capital:caught_up:{intervention}:{line.venue}:{line.asset}"
        booking.post(key, PostingKind.CAPITAL, _moved(line), memo=reason[:200])


def _moved(line: VenueLine) -> list[Line]:
    place, rest = (line.venue, line.asset), -line.difference
    if rest < 0:
        ways = {"origin": AccountOwner.CAPITAL, "target": AccountOwner.DESK}
        return [*postings.moved(*place, line.difference, **ways)]
    lines: list[Line] = []
    for owner in DESKS:
        part = min(rest, booking.desk_balance(*place, owner))
        if part > 0:
            lines += postings.moved(*place, part, origin=owner, target=AccountOwner.CAPITAL)
            rest -= part
    return postings.summed(lines)
