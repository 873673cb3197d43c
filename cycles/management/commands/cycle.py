"""`manage.py cycle`: one cycle with its timeline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandParser

from cycles import selectors
from cycles.management.base import OperatorCommand
from cycles.management.printing import (
    at_risk,
    cycle_facts,
    holdings_lines,
    instant,
    quantity,
    timeline_facts,
    timeline_table,
    won,
)
from cycles.models import Cycle
from cycles.services import booking


class Command(OperatorCommand):
    name = "cycle"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the cycle."""
        super().add_arguments(parser)
        parser.add_argument("code", metavar="CODE", help="CYC-... or the cycle's UUID")

    def handle(self, *args: Any, **options: Any) -> None:
        """Show the cycle."""
        cycle = selectors.cycle_by_code(options["code"])
        holdings, items = booking.holdings(cycle), selectors.timeline(cycle)
        names = ("venue", "asset", "owner", "quantity")
        facts = {
            **cycle_facts(cycle),
            "holdings": [{name: getattr(row, name) for name in names} for row in holdings],
            "timeline": timeline_facts(items),
        }
        text = "\n".join([*_head(cycle), *holdings_lines(holdings), "", timeline_table(items)])
        self.emit(facts, text, options)


def _head(cycle: Cycle) -> Iterator[str]:
    """Write the facts that a person looks for first; what is empty is left out."""
    yield f"{cycle.code}  {cycle.status}  version {cycle.version}  {cycle.get_kind_display()}"
    facts = {
        "out / home": f"{cycle.outbound_asset or '-'} / {cycle.return_asset or '-'}",
        "notional": _notional(cycle),
        "at risk": _at_risk(cycle),
        "result": f"{quantity(cycle.realised_pnl_usdt)} USDT" if cycle.is_final else "",
        "started": instant(cycle.started_at),
        "ended": instant(cycle.ended_at),
        "retries": f"{cycle.retry_count} of {cycle.max_retries}",
        "next retry": instant(cycle.next_retry_at),
        "failure": f"{cycle.failure_class}: {cycle.failure_reason}" if cycle.failure_class else "",
        "resumes as": f"{cycle.resume_status}, plan {cycle.plan}" if cycle.resume_status else "",
        "assignee": cycle.assignee.get_username() if cycle.assignee else "",
    }
    yield from (f"  {name:<11} {text}" for name, text in facts.items() if text)


def _notional(cycle: Cycle) -> str:
    """Write what it was opened with; won are those of a cycle that begins in Korea."""
    usdt, krw = f"{quantity(cycle.notional_usdt)} USDT", won(cycle.notional_krw)
    return ", ".join(
        text for text, sum_ in ((usdt, cycle.notional_usdt), (krw, cycle.notional_krw)) if sum_
    )


def _at_risk(cycle: Cycle) -> str:
    """Write the sum with its date: it is counted when a cycle fails, and the holdings below are of now."""
    if cycle.is_final:
        return ""
    told = at_risk(cycle)
    return f"{told} when it last failed" if told else "none counted: it has not failed"
