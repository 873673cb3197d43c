"""A cycle that was opened after the backup, made again from what the venues show of it.

Its id stands in its requests, so it keeps its name. What is not shown is not made up: it takes as capital
what it spent, and a person decides how it goes on unless it came home.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from types import MappingProxyType
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Now

from cycles import conf
from cycles.domain import plan, postings
from cycles.domain.money import ZERO
from cycles.domain.premium import STABLE
from cycles.domain.shown import plain
from cycles.domain.states import FINAL
from cycles.domain.words import (
    AccountOwner,
    CycleKind,
    CycleStatus,
    FailureClass,
    OpeningRule,
    PostingKind,
    Verb,
)
from cycles.models import Account, Cycle, Intervention, Step
from cycles.services import booking, desk, recovering, replanning, valuing
from cycles.services.dead_letters import announce
from cycles.services.intervening import Actor
from cycles.services.moving import move, touch, write_transition
from cycles.services.rebalancing import write_steps
from cycles.services.recalling import Trace
from cycles.services.replanning import EVENT, PARKED, MisfitError
from exchanges import reference, registry
from exchanges.models import RegisteredAddress
from exchanges.values import (
    ZERO as NOTHING,
    OrderReport,
    OrderStatus,
    Side,
    WithdrawalReport,
    WithdrawalStatus,
)

GLOBAL = registry.GLOBAL_VENUE
Spent = tuple[str, str]  # where, and in which asset
CLAIMS = 1_000  # how far fences are raised: more claims of a cycle than a standby can lack
QUIET = (
    "it has bought, sold and sent nothing, and holds {asset} at {venue} that a later cycle began with: if it had ended since "
    "the backup (flat, or by hand), resolve it as settled by hand and run catch_up again; else redrive it"
)
NOT_THERE = (
    "it holds {asset} at {venue} that a later cycle began with, and {venue} has not got both: if it was settled by hand since "
    "the backup, or ended and left that to the desk, resolve it as settled by hand and run catch_up again; else redrive it"
)
TOO_MUCH = (
    "it holds {asset} at {venue}, where less lies than the cycles and the desk hold: if it was settled by hand since the backup, or "
    "ended, resolve it as settled by hand and run catch_up again; else redrive it"
)
REASON = "opened after the backup; made again from what the venues show"


def has_spent(traces: Sequence[Trace]) -> bool:
    """Say whether requests moved anything, or may yet: a cycle of which nothing was filled left nothing behind."""
    return any(
        isinstance(one.report, WithdrawalReport)
        or one.report.executed_quantity > 0
        or one.report.status is OrderStatus.OPEN
        for one in traces
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """What a cycle took as capital, and the desk does not have there."""

    venue: str
    asset: str
    took: Decimal
    lacks: Decimal


class CapitalLacksError(Exception):
    """The desk does not hold what a cycle began with: who gave it back, or brought it in, is not shown."""

    def __init__(self, lacking: Lacking) -> None:
        took, lacks = plain(lacking.took), plain(lacking.lacks)
        super().__init__(
            f"opened after the backup, it cannot be made again yet: it took {took} {lacking.asset} at "
            f"{lacking.venue}, and the desk lacks {lacks} of it. Bring earlier cycles that hold it to their end "
            "(redrive, resolve) and run catch_up again; if it was paid in since the backup, --accept books it"
        )
        self.lacking = lacking


class NotEndedError(Exception):
    """What a cycle began with is not known yet: an order that takes of it has not ended."""


def who_may_have_ended(
    venue: str,
    asset: str,
    missing: Decimal,
    seen_to: Collection[UUID],
    made_again: Collection[UUID] = (),
    at_most: Mapping[UUID, Decimal] = MappingProxyType({}),
    *,
    asks_all_quiet: bool,
) -> list[tuple[Cycle, str]]:
    """Give who holds an asset there and may have ended since, with why a person is to see; nobody twice.

    All that could have ended without a trace: nothing was ever bought, sold or sent. Unless `asks_all_quiet`, only where what a
    person sees to as it is holds less than `missing`. Where those do as well: of the others who hold most, as few as make that up. Who has been
    redriven by hand, so may well go on, makes up nothing and comes last, the latest at the end. Nor does who was made again: what it holds is shown.
    `at_most`: how much of what some hold may be missing of them.
    """
    held = held_there(venue, asset)
    dead = {one.pk for one in held if one.status == CycleStatus.DEAD_LETTER}
    shown = {one.pk for one in held if one.failure_reason == REASON}.union(made_again) - {*seen_to}
    passed = dead.union(seen_to, made_again)
    rest = [one for one in held if one.pk not in passed and not _is_busy(one)]
    begun = set(_cycles_of(Step.objects.filter(cycle__in=rest, quantity_out__gt=0)))
    sent_on = redriven(list(held))
    quiet = [one for one in rest if one.pk not in begun and one.pk not in sent_on]
    asked = dead.union(seen_to) - shown - sent_on.keys()
    missing -= sum(
        min(held[one], at_most.get(one.pk, held[one])) for one in held if one.pk in asked
    )
    if not asks_all_quiet and missing <= 0:
        return []
    missing -= sum(held[one] for one in quiet)
    found = [(one, QUIET) for one in quiet]
    rest = [one for one in rest if one not in quiet]
    for one in sorted(rest, key=lambda one: (sent_on.get(one.pk, 0), -held[one])):
        if missing <= 0:
            break
        found.append((one, NOT_THERE))
        missing -= held[one]
    return [(one, told.format(asset=asset, venue=venue)) for one, told in found]


def redriven(cycles: Sequence[Cycle], *, told: str = "") -> dict[UUID, int]:
    """Give who of these was redriven since a run of this catching up last told a person of it, with the intervention.

    Of whom nothing was told, a redrive says nothing. `told`: what that was.
    """
    runs = Intervention.objects.filter(verb=Verb.CATCH_UP).order_by("pk")
    done = runs.filter(payload__is_in_step=True).last()
    runs = runs.filter(pk__gt=done.pk if done else 0)
    if told:
        runs = runs.filter(payload__left__contains=[told])
    last = {
        line.partition(": ")[0]: run
        for run, left in runs.values_list("pk", "payload__left")
        for line in left
        if line == (told or line)
    }
    by_hand = Intervention.objects.filter(cycle__in=cycles, verb=Verb.REDRIVE).order_by("pk")
    rows = by_hand.values_list("cycle", "cycle__code", "pk")
    return {cycle: pk for cycle, code, pk in rows if pk > last.get(code, pk)}


def held_there(venue: str, asset: str) -> dict[Cycle, Decimal]:
    """Give the cycles that have not ended and hold an asset there, in the order of their opening, with how much."""
    # By the index of what is not empty, which names cycles: accounts of those that ended stay, empty.
    owned = (
        Account.objects.exclude(balance=0)
        .filter(
            venue=venue, asset=asset, owner=AccountOwner.CYCLE, balance__gt=0, cycle__isnull=False
        )
        .exclude(cycle__status__in=sorted(FINAL))
    )
    rows = owned.select_related("cycle").order_by("cycle")
    return {row.cycle: row.balance for row in rows if row.cycle is not None}


def _is_busy(cycle: Cycle) -> bool:
    """Say whether a request of its own has not ended, or coins of its own are on their way."""
    flying = any(one.owner is AccountOwner.IN_FLIGHT for one in booking.holdings(cycle))
    return flying or recovering.first_loose_call(cycle) is not None


def _cycles_of(rows: QuerySet[Any]) -> Iterable[UUID]:
    return rows.values_list("cycle", flat=True)


def remade(
    cycle_id: UUID, traces: Sequence[Trace], *, actor: str, is_brought_in: bool = False
) -> tuple[Cycle, list[str]]:
    """Write a cycle whose requests are shown, with its capital and its first steps; gives in words what came in for it.

    Raises MisfitError when its beginning is not among them, NotEndedError while what it began with is not known,
    CapitalLacksError when the desk does not hold that; `is_brought_in`: then it came from outside, and is booked so.
    """
    first = min(traces, key=lambda one: (one.name is None, one.name))
    # A way home whose purchase no venue took has left its number out.
    latest = 1 if first.venue == GLOBAL else replanning.FEWEST
    if first.name is None or first.name.position > latest:
        raise MisfitError(f"the beginning of cycle {cycle_id} is not shown: ask further back")
    report = first.report
    if isinstance(report, OrderReport) and report.side is Side.SELL:
        raise MisfitError(f"no cycle begins with a sale ({first.own_id})")
    if first.venue == GLOBAL:
        asset = report.market.base if isinstance(report, OrderReport) else report.asset
        cycle = _outbound(cycle_id, asset, _korea_of(traces))
        capital = _spent(_ended([one for one in traces if one.name and one.name.position == 1]))
    else:
        cycle = _homeward(cycle_id, first.venue)
        capital = _won_spent(
            _ended([one for one in traces if one.name and one.venue == first.venue])
        )
    came_in = _take_capital(cycle, capital, is_brought_in=is_brought_in)
    write_transition(cycle, "", cycle.status, event=EVENT, actor=actor, reason=REASON)
    cycle.refresh_from_db()
    return cycle, came_in


def _ended(traces: Sequence[Trace]) -> Sequence[Trace]:
    """Give requests that took of a cycle's capital, or raise NotEndedError while one of them may take more."""
    for trace in traces:
        report = trace.report
        if trace.times > 1:
            raise MisfitError(f"{trace.venue} shows {trace.own_id} {trace.times} times")
        if isinstance(report, OrderReport) and report.side is Side.BUY and not report.is_final:
            raise NotEndedError(
                f"opened after the backup, it cannot be made again yet: {trace.venue} shows its order {trace.own_id} as open, "
                "and what it began with is told by its end. Run catch_up again in two minutes; if it rests there, cancel it there"
            )
    return traces


def _outbound(cycle_id: UUID, asset: str, korea: str) -> Cycle:
    """Write a round trip at its beginning."""
    route = reference.transfer_route(asset, GLOBAL, korea)
    cycle = _row(
        cycle_id,
        korea,
        kind=CycleKind.ROUND_TRIP,
        status=CycleStatus.STARTED,
        outbound_asset=asset,
    )
    steps = plan.outbound_steps(
        asset, global_venue=GLOBAL, korea_venue=korea, network=route.network
    )
    write_steps(cycle, steps)
    return cycle


def _homeward(cycle_id: UUID, korea: str) -> Cycle:
    """Write a cycle that had its KRW in hand; its way back is planned by its first purchase."""
    return _row(
        cycle_id, korea, kind=CycleKind.RETURN_ONLY, status=CycleStatus.INITIAL_TRADE_COMPLETED
    )


def _row(cycle_id: UUID, korea: str, **facts: object) -> Cycle:
    policy = desk.current_policy()
    return Cycle.objects.create(
        id=cycle_id,
        global_venue=GLOBAL,
        korea_venue=korea,
        policy=policy,
        opening_rule=OpeningRule.BY_HAND,
        session_id=conf.session_id(),
        fence=CLAIMS,
        max_retries=policy.calm_attempts,
        started_at=Now(),
        status_since=Now(),
        wake_at=Now(),
        **facts,
    )


def _korea_of(traces: Sequence[Trace]) -> str:
    """Give the Korean venue of a round trip: where it acted, or where it sent, else the desk's first."""
    acted = [one.venue for one in traces if one.venue != GLOBAL]
    addresses = [
        one.report.address
        for one in traces
        if isinstance(one.report, WithdrawalReport) and one.report.address
    ]
    sent = RegisteredAddress.objects.filter(address__in=addresses).exclude(venue=GLOBAL)
    return next(iter([*acted, *sent.values_list("venue", flat=True), *registry.korea_venues()]))


def _spent(first: Sequence[Trace]) -> Decimal:
    """Give what the first step spent."""
    spent = ZERO
    came_back = ZERO
    for trace in first:
        report = trace.report
        if isinstance(report, OrderReport):
            spent -= _gained(report)
        elif report.status is WithdrawalStatus.FAILED:
            came_back = max(came_back, report.quantity + report.network_fee)
        else:
            spent += report.quantity + report.network_fee
    return max(spent, came_back)


def _won_spent(traces: Sequence[Trace]) -> Decimal:
    """Give the most KRW that was spent at any time, less what was sold back: by every passage home, not the first only."""
    gained = [
        _gained(one.report)
        for one in sorted(traces, key=lambda one: (one.name is None, one.name))
        if isinstance(one.report, OrderReport)
    ]
    return -min(accumulate(gained, initial=ZERO))


def _gained(report: OrderReport) -> Decimal:
    """Give what an order brought of what its market is priced in, its fees in that paid; a purchase brings less than nothing."""
    fees = [fill.fee for fill in report.fills if fill.fee_asset == report.market.quote]
    notional = sum((fill.notional for fill in report.fills), NOTHING)
    return (notional if report.side is Side.SELL else -notional) - sum(fees, NOTHING)


def _take_capital(cycle: Cycle, capital: Decimal, *, is_brought_in: bool) -> list[str]:
    """Post what a cycle began with from the desk to it; gives in words what came in for that."""
    is_homeward = cycle.kind == CycleKind.RETURN_ONLY
    venue, asset = (cycle.korea_venue, "KRW") if is_homeward else (GLOBAL, STABLE)
    lacks = capital - booking.desk_balance(venue, asset)
    came_in = []
    if lacks > 0:
        if not is_brought_in:
            raise CapitalLacksError(Lacking(venue=venue, asset=asset, took=capital, lacks=lacks))
        _bring_in(cycle, venue, asset, lacks)
        came_in = [f"{venue}: {plain(lacks)} {asset}, which {cycle.code} began with"]
    lines = postings.moved(
        venue, asset, capital, origin=AccountOwner.DESK, target=AccountOwner.CYCLE
    )
    booking.post(f"open:{cycle.pk}", PostingKind.OPEN, lines, cycle=cycle, memo=REASON)
    column = "notional_krw" if is_homeward else "notional_usdt"
    Cycle.objects.filter(pk=cycle.pk).update(**{column: capital})
    cycle.refresh_from_db()
    return came_in


def _bring_in(cycle: Cycle, venue: str, asset: str, quantity: Decimal) -> None:
    """Book what came in since the backup, by a person's word, before the cycle that took it."""
    lines = postings.moved(
        venue, asset, quantity, origin=AccountOwner.CAPITAL, target=AccountOwner.DESK
    )
    memo = f"came in after the backup; {cycle.code} began with it"
    booking.post(f"capital:caught_up:{cycle.pk}", PostingKind.CAPITAL, lines, memo=memo)


def park(cycle: Cycle, failure: FailureClass, reason: str, actor: Actor) -> None:
    """Leave a cycle to the person who caught up: a dead letter, taken on already."""
    facts = {
        "assignee": actor.user,
        "acknowledged_at": Now(),
        "failure_class": failure,
        "failure_reason": reason[:2000],
    }
    if cycle.status == CycleStatus.DEAD_LETTER:
        touch(cycle, **facts)
        announce(cycle)
        return
    resume_status = cycle.resume_status if cycle.status in PARKED else cycle.status
    move(
        cycle,
        CycleStatus.DEAD_LETTER,
        event=EVENT,
        actor=actor.name,
        reason=reason,
        next_retry_at=None,
        wake_at=None,
        resume_status=resume_status,
        money_at_risk_krw=valuing.money_at_risk_krw(cycle),
        **facts,
    )
    announce(cycle)
