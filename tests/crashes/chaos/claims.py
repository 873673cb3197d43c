"""What must hold after any storm: claims, each with what it counted and what speaks against it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models import F
from django.db.models.functions import Now
from django_q.models import Schedule

from cycles.domain.jobs import SCHEDULES
from cycles.domain.states import FINAL
from cycles.domain.words import CallOutcome, CycleStatus, FailureClass, Operation
from cycles.models import Account, Alert, Cycle, ExchangeCall, Retry, Transition
from cycles.services import verifying
from exchanges import registry
from exchanges.simulator.core.orders import CANCELLED
from kimp.schedules import PREFIX
from tests.crashes.chaos import deeds
from tests.crashes.running import idle_in_transaction
from tests.desk import Steered, why

Pair = tuple[str, str]
# Of so many acts of a kind one at least has to come to something: others meet nobody, or a kill. A short run has fewer.
EVERY = 6
EVERY_CLOCK = 15  # half of the clocks let a worker go on, half do not, for a few seconds each


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One invariant, what was looked at, and every violation that was found."""

    name: str
    counted: dict[str, int]
    problems: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Say whether nothing speaks against it."""
        return not self.problems


def nothing_twice(desk: Steered) -> Claim:
    """Count how often each id was accepted at its venue."""
    orders, withdrawals = _orders(desk), _withdrawals(desk)
    told = [(row["venue"], row["client_order_id"]) for row in orders]
    sent = [(row["venue"], row["client_id"]) for row in withdrawals if row["client_id"]]
    problems = [
        f"{venue} has {word} {one} {times} times"
        for word, ids in (("order", told), ("withdrawal", sent))
        for (venue, one), times in Counter(ids).items()
        if times > 1
    ]
    problems += [
        f"{row['venue']} accepted order {row['client_order_id']} {row['acceptances']} times"
        for row in orders
        if row["acceptances"] != 1
    ]
    return Claim(
        name="no client order id twice at a venue",
        counted={"orders": len(told), "withdrawals with an id of ours": len(sent)},
        problems=tuple(problems),
    )


def journal_is_whole(desk: Steered) -> Claim:
    """Hold what the venues accepted against the journal, both ways."""
    counted: dict[str, int] = {}
    problems: list[str] = []
    for word, operation, column, at_venues in (
        ("orders", Operation.PLACE_ORDER, "client_order_id", _orders(desk)),
        ("withdrawals", Operation.WITHDRAW, "venue_order_id", _withdrawals(desk)),
    ):
        name = "client_order_id" if operation is Operation.PLACE_ORDER else "venue_withdrawal_id"
        accepted = {(row["venue"], row[name]) for row in at_venues}
        journal = done(operation, column)
        counted |= {f"{word} at venues": len(accepted), f"{word} in the journal": len(journal)}
        problems += [f"{word}: {pair} is not in the journal" for pair in accepted - journal]
        problems += [f"{word}: {pair} is at no venue" for pair in journal - accepted]
    cancelled, asked = _cancelled(desk), done(Operation.CANCEL_ORDER, "request__cancels")
    counted |= {"orders cancelled at venues": len(cancelled), "cancels in the journal": len(asked)}
    problems += [f"cancels: that of {pair} is not in the journal" for pair in cancelled - asked]
    return Claim(
        name="every accepted request in the journal",
        counted=counted,
        problems=tuple(sorted(problems)),
    )


def cycles_are_final_or_explained(desk: Steered) -> Claim:
    """Look at each cycle's end, and at each dead letter on the way there."""
    del desk
    cycles = Counter(Cycle.objects.values_list("status", flat=True))
    died = Transition.objects.filter(to_status=CycleStatus.DEAD_LETTER).select_related("cycle")
    told = Alert.objects.filter(key__startswith="dead_letter:", severity=Alert.Severity.CRITICAL)
    problems = [
        f"{cycle} is {cycle.status}: {why(cycle)}"
        for cycle in Cycle.objects.exclude(status__in=sorted(FINAL))
    ]
    problems += [f"{row.cycle} died and nobody said why" for row in died if not row.reason]
    problems += [
        f"{row.cycle} ended FAILED and nobody said why"
        for row in Transition.objects.filter(to_status=CycleStatus.FAILED, reason="")
    ]
    problems += [f"{row.cycle} met a bug" for row in _of_bugs()]
    if told.count() != died.count():
        problems.append(f"{died.count()} dead letters, {told.count()} alerts of dead letters")
    return Claim(
        name="every cycle final, every dead letter explained",
        counted={**dict(sorted(cycles.items())), "dead letters on the way": died.count()},
        problems=tuple(problems),
    )


def ledger_equals_venues(desk: Steered) -> Claim:
    """Compare each asset at each venue; nothing may be left that would explain a difference."""
    report = verifying.verify_ledger()
    problems = list(report.problems)
    if not report.is_settled:
        problems.append("calls are under way: nothing is proven")
    problems += [
        f"{line.venue} {line.asset}: ledger {line.ledger}, venue {line.venue_free} free and "
        f"{line.venue_locked} locked, {line.in_flight} on the way"
        for line in report.lines
        if line.difference or line.venue_locked
    ]
    missing = {*registry.desk_venues()} - {line.venue for line in report.lines}
    problems += [f"{venue} was not compared" for venue in sorted(missing)]
    problems += [f"the venues: {one}" for one in desk.control("/control/invariants")["problems"]]
    return Claim(
        name="ledger equal to venues to the last digit",
        counted={"balances compared": len(report.lines)},
        problems=tuple(dict.fromkeys(problems)),
    )


def nothing_is_owned(desk: Steered) -> Claim:
    """Look for what a cycle that has ended may not have: capital, a lease, an open request."""
    del desk
    final = Cycle.objects.filter(status__in=sorted(FINAL))
    owned = Account.objects.filter(cycle__in=final).exclude(balance=0)
    open_calls = ExchangeCall.objects.filter(
        cycle__in=final, outcome__in=[CallOutcome.INTENDED, CallOutcome.UNKNOWN]
    )
    problems = [f"{account} still holds {account.balance}" for account in owned]
    problems += [f"{one} is leased by {one.lease_owner}" for one in final.exclude(lease_owner="")]
    problems += [f"{call} is open" for call in open_calls]
    idle = idle_in_transaction()
    problems += [f"{idle} transactions are left open"] if idle else []
    return Claim(
        name="nothing owned by a final cycle",
        counted={
            "final cycles": final.count(),
            "accounts of theirs": Account.objects.filter(cycle__in=final).count(),
        },
        problems=tuple(problems),
    )


def no_alert_is_lost(taken: Iterable[str], *, raised: int) -> Claim:
    """Hold the alerts against what their channel took, and against how many the storm has raised."""
    heads = {text.partition("\n")[0] for text in taken}
    states = Counter(Alert.objects.values_list("state", flat=True))
    problems = [
        f"alert {one.key} is called delivered, and the channel never took it"
        for one in Alert.objects.filter(state=Alert.State.DELIVERED)
        if f"[{one.severity}] {one.title}" not in heads
    ]
    ours = Alert.objects.filter(key__startswith="storm:").count()
    problems += [f"{raised} alerts were raised, {ours} are there"] if ours < raised else []
    return Claim(
        name="no alert lost: delivered to its channel, or kept",
        counted={"alerts raised by the storm": raised, **dict(sorted(states.items()))},
        problems=tuple(problems),
    )


def no_job_is_put_off() -> Claim:
    """Hold when each job of the queue runs next against the server's clock: processes' clocks were set."""
    period = {f"{PREFIX}{one.name}": timedelta(minutes=one.minutes) for one in SCHEDULES}
    rows = Schedule.objects.filter(name__in=period).annotate(due_in=F("next_run") - Now())
    return Claim(
        name="no job of the queue put off by a wrong clock",
        counted={"jobs": len(rows)},
        problems=tuple(
            f"{row.name} runs next in {row.due_in}" for row in rows if row.due_in > period[row.name]
        ),
    )


def harm_was_done(done: Mapping[str, int], seen: Counter[str]) -> Claim:
    """Hold what acts have come to against how many there were: one that was only begun proves nothing."""
    wanted = {
        # The first stop of a worker with a lease waits for no turn: one at least is lost, however short the storm.
        deeds.LEASES_LOST: max(done["stop"] // EVERY, min(seen[deeds.HELD], 1)),
        deeds.DECIDED_BY_WRONG_CLOCKS: seen[deeds.WRONG_CLOCKS] // EVERY_CLOCK,
        deeds.STOPPED_BY_WRONG_CLOCKS: seen[deeds.WRONG_CLOCKS] // EVERY_CLOCK,
        deeds.STRUCK: done["fault"] // EVERY,
        # A full outbox stops no trading: under half of them at least cycles move, and under an only one.
        deeds.TRADED_MEANWHILE: (seen[deeds.LONG_OUTBOXES] + 1) // 2,
    }
    counted = {word: seen[word] for word in wanted}
    return Claim(
        name="harm was done, not only begun",
        counted=counted,
        problems=tuple(
            f"{counted[word]} {word}, at least {least} were to be"
            for word, least in wanted.items()
            if counted[word] < least
        ),
    )


INVARIANTS: tuple[Callable[[Steered], Claim], ...] = (
    nothing_twice,
    journal_is_whole,
    cycles_are_final_or_explained,
    ledger_equals_venues,
    nothing_is_owned,
)


def examine(desk: Steered) -> list[Claim]:
    """Look at all five."""
    return [invariant(desk) for invariant in INVARIANTS]


def venues_with_orders(desk: Steered) -> set[str]:
    """Name the venues at which anything was bought or sold: where nothing was, nothing is proven."""
    return {row["venue"] for row in _orders(desk) if Decimal(row["executed"])}


def _orders(desk: Steered) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = desk.control("/control/orders")
    return rows


def _cancelled(desk: Steered) -> set[Pair]:
    """Give the orders that a request has ended: what an immediate order leaves expires by itself."""
    rows = [row for row in _orders(desk) if row["state"] == CANCELLED]
    return {(row["venue"], row["client_order_id"]) for row in rows}


def _withdrawals(desk: Steered) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = desk.control("/control/transfers")["withdrawals"]
    return rows


def done(operation: Operation, column: str) -> set[Pair]:
    """Give what the journal says that venues accepted."""
    calls = ExchangeCall.objects.filter(operation=operation, outcome=CallOutcome.DONE)
    return set(calls.values_list("venue", column))


def _of_bugs() -> Iterable[Retry]:
    return Retry.objects.filter(failure_class=FailureClass.BUG).select_related("cycle")
