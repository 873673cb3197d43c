"""What a demonstration proved: figures from the journal, the ledger and the venues, and the claims."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from cycles.domain.words import CallOutcome, Operation
from cycles.models import Account, Cycle, ExchangeCall, Retry, Transition
from cycles.services import verifying
from kimp import control

WANTED_COMPLETED = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The figures of one run."""

    figures: dict[str, Any]
    claims: dict[str, bool]
    problems: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Say whether every claim holds."""
        return all(self.claims.values())


def prove(control_url: str, *, redriven: set[str], seconds: float) -> Proof:
    """Read journal, ledger and venues; the figures are counted, never assumed."""
    report = verifying.verify_ledger()
    orders = _orders(control_url)
    retried = _codes(Cycle.objects.filter(pk__in=Retry.objects.values("cycle_id")))
    dead = _codes(Cycle.objects.filter(pk__in=_ever("DEAD_LETTER")))
    completed = _codes(Cycle.objects.filter(status="COMPLETED"))
    pnl = Cycle.objects.aggregate(usdt=Sum("realised_pnl_usdt"), krw=Sum("realised_pnl_krw"))
    figures = {
        "cycles": dict(Counter(Cycle.objects.values_list("status", flat=True))),
        "retried": len(retried),
        "dead_lettered": len(dead),
        "redriven": len(redriven),
        **orders,
        "realized_pnl_usdt": money_text(pnl["usdt"], "0.01"),
        "realized_pnl_krw": money_text(pnl["krw"], "1"),
        "ledger_balanced": report.is_balanced,
        "ledger_matches_venues": report.matches_venues and report.is_settled,
        "seconds": round(seconds, 1),
    }
    claims = {
        f"at least {WANTED_COMPLETED} cycles opened and ended": _ended() >= WANTED_COMPLETED,
        "every cycle has ended": not Cycle.objects.exclude(
            status__in=["COMPLETED", "FAILED"]
        ).exists(),
        "a cycle was retried and completed": bool((retried - dead) & completed),
        "a dead letter was redriven and completed": bool(dead & redriven & completed),
        "a cycle ended FAILED and flat": _failed_and_flat(),
        "orders sent are the orders at the venues": orders["orders_sent"]
        == orders["orders_at_venues"],
        "no order was doubled": orders["duplicate_orders"] == 0,
        "the ledger balances": report.is_balanced,
        "the ledger equals the venues": report.matches_venues and report.is_settled,
    }
    return Proof(figures=figures, claims=claims, problems=report.problems)


def _orders(control_url: str) -> dict[str, int]:
    """Hold the journal's orders against what the venues accepted."""
    calls = ExchangeCall.objects.filter(operation=Operation.PLACE_ORDER)
    sent = set(calls.filter(outcome=CallOutcome.DONE).values_list("venue", "client_order_id"))
    rows = control.ask(f"{control_url}/control/orders")
    accepted = Counter[tuple[str, str]]()
    for row in rows:
        accepted[row["venue"], row["client_order_id"]] += 1
    twice = sum(1 for count in accepted.values() if count > 1)
    unexplained = len(set(accepted) - sent)
    return {
        "orders_sent": len(sent),
        "orders_at_venues": sum(accepted.values()),
        "duplicate_orders": twice + unexplained,
    }


def _ever(status: str) -> Any:
    """Give the cycles that were in a status at some time."""
    return Transition.objects.filter(to_status=status).values("cycle_id")


def _codes(cycles: Any) -> set[str]:
    return set(cycles.values_list("code", flat=True))


def _ended() -> int:
    return Cycle.objects.filter(status__in=["COMPLETED", "FAILED"]).count()


def _failed_and_flat() -> bool:
    """Say whether some cycle failed, and every failed one owns nothing."""
    failed = Cycle.objects.filter(status="FAILED")
    owns = Account.objects.filter(cycle__in=failed).exclude(balance=0)
    return failed.exists() and not owns.exists()


def money_text(value: Decimal | None, step: str) -> str:
    """Write money as a decimal string."""
    return f"{(value or Decimal(0)).quantize(Decimal(step)):f}"
