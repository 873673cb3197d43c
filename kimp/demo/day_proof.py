"""What a day proved: journal, ledger and venues tell one story, nothing is doubled, lost or left over."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.db.models import Sum

from cycles.domain.states import FINAL
from cycles.domain.words import CallOutcome, CycleStatus, FailureClass, Operation
from cycles.models import Account, Alert, Cycle, ExchangeCall, Intervention, Retry, Transition
from cycles.services import verifying
from cycles.services.dead_letters import AUTO_RECOVERED
from cycles.services.verifying import LedgerReport
from exchanges import registry
from kimp import control
from kimp.demo.day import Day, market_hours
from kimp.demo.housekeeper import Housekeeper
from kimp.demo.proof import Proof, money_text

# Venues go for minutes of the market, and their reads trail by seconds, until the very end.
VENUES_ANSWER_WITHIN_SECONDS = 60
Pairs = Counter[tuple[str, str]]


def prove_day(day: Day, keeper: Housekeeper, *, seconds: float) -> Proof:
    """Read journal, ledger and venues; the figures are counted, never assumed."""
    report = _last_report()
    orders = _orders(day.control_url)
    withdrawals = _withdrawals(day)
    pnl = Cycle.objects.aggregate(usdt=Sum("realised_pnl_usdt"), krw=Sum("realised_pnl_krw"))
    figures = {
        "cycles": _counted(Cycle.objects.values_list("status", flat=True)),
        "market_hours": round(market_hours(day.control_url), 1),
        "orders": sum(orders.values()),
        "withdrawals": sum(withdrawals.values()),
        "calls": _counted(ExchangeCall.objects.values_list("outcome", flat=True)),
        "retries": _counted(Retry.objects.values_list("failure_class", flat=True)),
        "dead_letters": _dead_letters(),
        "recovered_by_the_desk": Transition.objects.filter(event=AUTO_RECOVERED).count(),
        "interventions": _counted(Intervention.objects.values_list("verb", flat=True)),
        "alerts": _counted(Alert.objects.values_list("severity", flat=True)),
        **_played(day.control_url),
        "kills": _counted(day.harm.done),
        "ledger_proofs": keeper.ran["verify_ledger"],
        "failed_jobs": _counted(keeper.failed.elements()),
        "halts": len(day.halts),
        "realized_pnl_usdt": money_text(pnl["usdt"], "0.01"),
        "realized_pnl_krw": money_text(pnl["krw"], "1"),
        "seconds": round(seconds, 1),
    }
    return Proof(
        figures=figures,
        claims=_claims(day, report, orders, withdrawals),
        problems=(*report.problems, *_differences(report), *_told(day)),
    )


def _last_report() -> LedgerReport:
    """Compare ledger and venues; again while one of them does not answer, or shows a moment ago."""
    ends_at = time.monotonic() + VENUES_ANSWER_WITHIN_SECONDS
    report = verifying.verify_ledger()
    while not _is_exact(report) and time.monotonic() < ends_at:
        report = verifying.verify_ledger()
    return report


def _claims(day: Day, report: LedgerReport, orders: Pairs, withdrawals: Pairs) -> dict[str, bool]:
    final = sorted(FINAL)
    return {
        f"at least {day.wanted} cycles opened": Cycle.objects.count() >= day.wanted,
        "every cycle has ended": not Cycle.objects.exclude(status__in=final).exists(),
        "no order was doubled": max(orders.values(), default=1) == 1,
        "every order at a venue stands in the journal, and no other": set(orders)
        == _done(Operation.PLACE_ORDER, "client_order_id"),
        "no withdrawal was doubled": max(withdrawals.values(), default=1) == 1,
        "every withdrawal at a venue stands in the journal, and no other": set(withdrawals)
        == _done(Operation.WITHDRAW, "venue_order_id"),
        "no request is left of unknown outcome": not ExchangeCall.objects.filter(
            outcome__in=[CallOutcome.INTENDED, CallOutcome.UNKNOWN]
        ).exists(),
        "nothing is owned by a cycle that has ended": not Account.objects.filter(
            cycle__status__in=final
        )
        .exclude(balance=0)
        .exists(),
        "every dead letter was explained, none by a bug": _is_explained(day),
        "the desk never had to halt itself": not day.halts,
        "the ledger balances": report.is_balanced,
        "the ledger equals the venues to the last digit": _is_exact(report),
        "the simulated world is conserved": control.ask(f"{day.control_url}/control/invariants")[
            "ok"
        ],
    }


def _is_exact(report: LedgerReport) -> bool:
    """Say whether each line of each venue agrees by itself, with nothing in flight to explain a difference."""
    told = {line.venue for line in report.lines}
    return (
        report.is_settled
        and told.issuperset(registry.desk_venues())
        and not any(line.difference or line.venue_locked for line in report.lines)
    )


def _differences(report: LedgerReport) -> list[str]:
    """Say which lines do not agree by themselves, though something may explain them."""
    return [
        f"{line.venue} {line.asset}: ledger {line.ledger}, venue {line.venue_free} free and "
        f"{line.venue_locked} locked, {line.in_flight} on the way there"
        for line in report.lines
        if line.difference or line.venue_locked
    ]


def _is_explained(day: Day) -> bool:
    """Say whether each dead letter has a class, a reason and an alert, and met no bug."""
    died = Transition.objects.filter(to_status=CycleStatus.DEAD_LETTER)
    met_bug = Retry.objects.filter(failure_class=FailureClass.BUG).exists()
    told = Alert.objects.filter(key__startswith="dead_letter:", severity=Alert.Severity.CRITICAL)
    return not (met_bug or day.operator.puzzles or died.filter(reason="").exists()) and (
        told.count() == died.count()
    )


def _orders(control_url: str) -> Pairs:
    """Count how often each client order id was accepted at its venue."""
    rows = control.ask(f"{control_url}/control/orders")
    accepted: Pairs = Counter()
    for row in rows:
        accepted[row["venue"], row["client_order_id"]] += 1
    return accepted


def _withdrawals(day: Day) -> Pairs:
    """Count the withdrawals that venues accepted, an id of ours twice as two of them."""
    rows = day.operator.website.withdrawals()
    accepted: Pairs = Counter((row["venue"], row["venue_withdrawal_id"]) for row in rows)
    ours = Counter((row["venue"], row["client_id"]) for row in rows if row["client_id"])
    twice = [row for row in rows if row["client_id"] and ours[row["venue"], row["client_id"]] > 1]
    for row in twice:
        accepted[row["venue"], row["venue_withdrawal_id"]] += 1
    return accepted


def _done(operation: Operation, column: str) -> set[tuple[str, str]]:
    calls = ExchangeCall.objects.filter(operation=operation, outcome=CallOutcome.DONE)
    return set(calls.values_list("venue", column))


def _dead_letters() -> dict[str, int]:
    died = Transition.objects.filter(to_status=CycleStatus.DEAD_LETTER)
    return _counted(event.partition(":")[2] for event in died.values_list("event", flat=True))


def _played(control_url: str) -> dict[str, Any]:
    told = control.ask(f"{control_url}/control/scenario")
    return {"scenario": told["scenario"], "faults": told["faults"], "spells": told["spells"]}


def _counted(words: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items()))


def _told(day: Day) -> list[str]:
    left = Cycle.objects.exclude(status__in=sorted(FINAL))
    rows = [
        f"{one.code} {one.status} {one.failure_class} {one.failure_reason}" for one in left[:20]
    ]
    return [*rows, *(f"{code}: {puzzle}" for code, puzzle in day.operator.puzzles.items())]
