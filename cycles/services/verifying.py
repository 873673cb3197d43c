"""Proof of the ledger: it balances by itself, and it equals what the venues say we hold."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import combinations

import structlog
from django.db import OperationalError
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from cycles.domain.money import ZERO
from cycles.domain.words import CallOutcome, Operation, StepState
from cycles.models import Alert, Cycle, Entry, ExchangeCall, SweepMark
from cycles.models.journal import ON_ITS_WAY
from cycles.services import desk, ending, proving, reacting
from cycles.services.alerting import raise_alert
from exchanges import registry
from exchanges.errors import VenueError
from exchanges.values import Balance

log = structlog.get_logger(__name__)

AT_VENUE = ("DESK", "CYCLE", "DUST")
TRIES = 40
PAUSE_SECONDS = 0.25
BLIND_AFTER = timedelta(minutes=10)
UNPROVEN_AFTER = timedelta(minutes=30)  # several runs
PROVEN = "ledger proven"
ARRIVED = "in flight, credited but not booked yet"
UNASKED = "could not be asked"
# A withdrawal whose outcome only a person can tell rests: nothing moves while it waits.
RESTING = Q(operation=Operation.WITHDRAW, outcome=CallOutcome.UNKNOWN, cycle__status="DEAD_LETTER")
# Of so many any number may make up a difference; of more a few at once, or all but a few.
FEW_ENOUGH, MANY = 12, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueLine:
    """One asset at one venue: what the ledger says against what the venue says, and what explains a difference."""

    venue: str
    asset: str
    ledger: Decimal
    venue_free: Decimal
    venue_locked: Decimal
    in_flight: Decimal
    difference: Decimal
    is_explained: bool
    explanation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerReport:
    """The proof, or what is wrong; `is_settled` False: calls were in flight all the while.

    `unread` entries have not been read yet, and until then nothing is known of the ledger's own balance.
    `marker` is how far the journal had come when the venues were asked.
    """

    is_balanced: bool
    matches_venues: bool
    is_settled: bool
    lines: tuple[VenueLine, ...]
    problems: tuple[str, ...]
    marker: tuple[int, int, int]
    unread: int = 0


def verify_ledger(
    *,
    may_go_on: Callable[[], bool] = lambda: True,
    prove: Callable[[], proving.Proof] = proving.proof,
) -> LedgerReport:
    """Prove the ledger now. A difference counts only when two readings in a row show it.

    Of one that could not be read twice, or when it `may_go_on` no more, the report is not settled.
    """
    proof = prove()
    last = _compare(proof)
    for _ in range(TRIES):
        if last.is_settled and last.matches_venues:
            return last
        if not may_go_on():
            break
        time.sleep(PAUSE_SECONDS)
        before, last = last, _compare(proof)
        if last.is_settled and _same(before, last):
            return last
    return replace(last, is_settled=last.is_settled and last.matches_venues)


def _same(one: LedgerReport, other: LedgerReport) -> bool:
    """Say whether two readings show the same difference."""
    return one.is_settled and [x.difference for x in one.lines] == [
        x.difference for x in other.lines
    ]


def balance_problems() -> tuple[str, ...]:
    """Give what does not add up inside the ledger: per asset, and account by account."""
    return proving.proof().problems


def _compare(proof: proving.Proof) -> LedgerReport:
    """Read journal, venues, journal again, and compare what did not move meanwhile."""
    marker = journal_marker()
    lines: list[VenueLine] = []
    told = list(proof.problems)
    for code in venues():
        try:
            lines += venue_lines(code, registry.venue(code).balances())
        except VenueError as error:
            reacting.heed(error)
            told.append(f"{code} {UNASKED}: {error}")
    is_settled = marker == journal_marker() and not marker[1]
    told += [
        f"{line.venue} {line.asset}: the ledger says {line.ledger}, the venue {line.venue_free}"
        for line in lines
        if not line.is_explained
    ]
    return LedgerReport(
        is_balanced=not proof.problems,
        matches_venues=len(told) == len(proof.problems),
        is_settled=is_settled,
        lines=tuple(lines),
        problems=tuple(told),
        marker=marker,
        unread=proof.unread,
    )


def venues() -> list[str]:
    """Give the desk's venues, and those where it holds something still though it trades there no more."""
    held = {
        row.venue
        for row in proving.standing()
        if row.balance and row.owner in (*AT_VENUE, "IN_FLIGHT")
    }
    left = held & set(registry.VENUES)
    return [*registry.desk_venues(), *sorted(left - set(registry.desk_venues()))]


def journal_marker() -> tuple[int, int, int]:
    """Give the newest call and entry, and how many calls are in flight or unsettled."""
    newest = ExchangeCall.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    entry = Entry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    return newest, in_flight(), entry


def in_flight() -> int:
    """Count the calls that are open, or accepted and not in the ledger yet."""
    return sum(calls.count() for calls in _under_way())


def cycles_in_flight() -> list[Cycle]:
    """Give the cycles that those are of."""
    ids = {pk for calls in _under_way() for pk in calls.values_list("cycle", flat=True)}
    return list(Cycle.objects.filter(pk__in=ids).order_by("pk"))


def _under_way() -> tuple[QuerySet[ExchangeCall], QuerySet[ExchangeCall]]:
    open_calls = ExchangeCall.objects.filter(
        outcome__in=[CallOutcome.INTENDED, CallOutcome.UNKNOWN]
    ).exclude(RESTING)
    unsettled = ExchangeCall.objects.filter(
        outcome=CallOutcome.DONE,
        is_settled=False,
        operation__in=[Operation.PLACE_ORDER, Operation.WITHDRAW],
    )
    return open_calls, unsettled


def venue_lines(code: str, held: Mapping[str, Balance]) -> list[VenueLine]:
    """Compare every asset of one venue with what it says we hold."""
    ledger: dict[str, Decimal] = {}
    arriving: dict[str, list[Decimal]] = {}
    # At credits, when they were settled: it may have been credited since.
    lacking: dict[str, list[Decimal]] = {}
    for row in proving.standing(code):
        if row.owner in AT_VENUE:
            ledger[row.asset] = ledger.get(row.asset, ZERO) + row.balance
        elif row.owner == "IN_FLIGHT":
            arriving.setdefault(row.asset, []).append(row.balance)
        elif row.owner == "SUSPENSE" and row.balance > 0:
            lacking.setdefault(row.asset, []).append(row.balance)
    maybes = {
        "sent, and given back by the venue": _may_come_back(code),
        "written off, and there still": _written_off(code),
        "a withdrawal that waits for a person": _may_have_left(code),
        "lacking at a credit, credited since": lacking,
    }
    lines = []
    for asset in sorted({*ledger, *held}):
        balance = held.get(asset)
        free = balance.free if balance else ZERO
        ours = ledger.get(asset, ZERO)
        told = explanation(
            free - ours,
            [(quantity, ARRIVED) for quantity in arriving.get(asset, [])]
            + [(one, why) for why, maybe in maybes.items() for one in maybe.get(asset, [])],
        )
        lines.append(
            VenueLine(
                venue=code,
                asset=asset,
                ledger=ours,
                venue_free=free,
                venue_locked=balance.locked if balance else ZERO,
                in_flight=sum(arriving.get(asset, []), ZERO),
                difference=free - ours,
                is_explained=told is not None,
                explanation=told or "",
            )
        )
    return lines


def _may_come_back(code: str) -> dict[str, list[Decimal]]:
    """Give what was sent from a venue and may have been given back there, fee included, unseen yet."""
    sent = ExchangeCall.objects.filter(
        ON_ITS_WAY, venue=code, is_settled=True, step__state=StepState.RUNNING
    )
    found: dict[str, list[Decimal]] = {}
    for report in sent.values_list("report", flat=True):
        whole = Decimal(report["quantity"]) + Decimal(report["network_fee"])
        found.setdefault(report["asset"], []).append(whole)
    return found


def _may_have_left(code: str) -> dict[str, list[Decimal]]:
    """Give what withdrawals that wait for a person took from a venue, or brought to it, if they did."""
    found: dict[str, list[Decimal]] = {}
    for call in resting():
        asked = call.request
        sent, fee = Decimal(asked["quantity"]), Decimal(asked["network_fee"])
        if call.venue == code:
            found.setdefault(asked["asset"], []).append(-sent - fee)
        elif asked["to_venue"] == code:
            found.setdefault(asked["asset"], []).append(sent)
    return found


def resting() -> QuerySet[ExchangeCall]:
    """Give the withdrawals that wait for a person: what they asked for may have left, and arrived."""
    return ExchangeCall.objects.filter(RESTING).select_related("cycle").order_by("pk")


def _written_off(code: str) -> dict[str, list[Decimal]]:
    """Give what was written off at a venue: it is nobody's here, but may well lie there still."""
    found: dict[str, list[Decimal]] = {}
    entries = Entry.objects.filter(
        account__cycle__isnull=True, account__owner="WRITTEN_OFF", account__venue=code
    )
    for asset, quantity in entries.values_list("account__asset", "quantity"):
        found.setdefault(asset, []).append(quantity)
    return found


def explanation(difference: Decimal, maybes: Sequence[tuple[Decimal, str]]) -> str | None:
    """Give what makes up a difference, exactly: some of the quantities that may be, by what each is.

    "" where there is no difference; None: nothing explains it.
    """
    if not difference:
        return ""
    rest = sum((quantity for quantity, _ in maybes), ZERO) - difference
    numbers = range(len(maybes))
    for count in range(_most_at_once(len(maybes)) + 1):
        for some in combinations(numbers, count):
            found = sum((maybes[number][0] for number in some), ZERO)
            if found == difference:
                return _named(maybes, some)
            if found == rest:
                return _named(maybes, set(numbers).difference(some))
    return None


def _named(maybes: Sequence[tuple[Decimal, str]], chosen: Iterable[int]) -> str:
    return ", ".join(sorted({maybes[number][1] for number in chosen}))


def _most_at_once(count: int) -> int:
    """Say how large the groups are that are searched among so many: a search must end."""
    if count <= FEW_ENOUGH:
        return count
    return 3 if count <= MANY else 2


def _tell_if_blind() -> None:
    """Tell people, once an hour, that an old unresolved request keeps the ledger from being proven."""
    old = ExchangeCall.objects.filter(
        outcome__in=[CallOutcome.INTENDED, CallOutcome.UNKNOWN], intended_at__lt=Now() - BLIND_AFTER
    ).select_related("cycle")
    if old:
        raise_alert(
            key=f"ledger_blind:{desk.database_now():%Y%m%d%H}",
            severity=Alert.Severity.WARNING,
            title="The ledger cannot be proven while a request is unresolved",
            body="\n".join(f"{call.cycle.code} {call.client_order_id}" for call in old),
        )


def _note_proof() -> None:
    """Keep when the ledger was last proven."""
    SweepMark.objects.update_or_create(
        sweep=PROVEN, defaults={"last": desk.database_now().isoformat()}
    )


def _tell_if_unproven() -> None:
    """Tell people, once an hour, that no run has come to a proof for long, whatever kept them from it."""
    mark, now = SweepMark.objects.filter(sweep=PROVEN).first(), desk.database_now()
    if mark is None:
        _note_proof()  # it counts from here
        return
    unproven = now - datetime.fromisoformat(mark.last)
    if unproven < UNPROVEN_AFTER:
        return
    raise_alert(
        key=f"ledger_unproven:{now:%Y%m%d%H}",
        severity=Alert.Severity.WARNING,
        title=f"The ledger has not been proven for {unproven // timedelta(minutes=1)} minutes",
        body="Each run met calls under way, or venues that did not answer or answered too slowly, or entries that it "
        "has not read yet: the log (ledger.difference, ledger.unread) tells which. To see for yourself: "
        "manage.py verify_ledger (--all: whatever is unread), on a halted desk.",
    )


def verify_ledger_job() -> bool:
    """Prove the ledger on schedule; an unexplained difference alerts and halts the desk.

    Where something has changed before that halt it is proven anew: who slept meanwhile may wake when all is settled.
    """
    may_go_on, is_proven = ending.time_for_more(), None
    while is_proven is None:
        is_proven = _proven(may_go_on)
    return is_proven


def _proven(may_go_on: Callable[[], bool]) -> bool | None:
    """Prove the ledger once, and do what follows from it; None where that was not done, for something has changed."""
    seen = desk.current().version
    try:
        proving.read_on(may_go_on)
        report = verify_ledger(may_go_on=may_go_on)
    except OperationalError:
        _tell_if_unproven()
        raise
    agrees = report.is_balanced and report.matches_venues and report.is_settled
    if agrees and not report.unread:
        _note_proof()
        return True
    unreachable = not report.is_settled or any(UNASKED in p for p in report.problems)
    log.warning(
        "ledger.difference",
        settled=report.is_settled,
        problems=list(report.problems),
        unread=report.unread,
    )
    if unreachable and report.is_balanced:
        _tell_if_blind()
    if agrees or (unreachable and report.is_balanced):
        _tell_if_unproven()
        return False  # not a proof of anything: the next run looks again
    # How a venue did not answer is worded anew each time, and no reason to halt.
    wrong = "\n".join(p for p in report.problems if UNASKED not in p)
    reason = f"the ledger cannot be explained: {wrong[:500]}"
    is_halted = desk.halt_by_system(
        reason, tell=lambda: _tell_halted(report), unless=lambda: _has_changed(report, seen)
    )
    return False if is_halted else None


def _has_changed(report: LedgerReport, seen: int) -> bool:
    """Say whether people had the desk in hand since its `seen` version, or what is compared has moved; under its mode."""
    if desk.current().version != seen:
        return True
    return report.is_balanced and report.marker != journal_marker()


def _tell_halted(report: LedgerReport) -> None:
    """Tell people what halts the desk."""
    raise_alert(
        key=f"ledger:{desk.database_now():%Y%m%d%H%M}",
        severity=Alert.Severity.CRITICAL,
        title="The ledger does not match the venues: the desk is halted",
        body="\n".join(report.problems),
    )
