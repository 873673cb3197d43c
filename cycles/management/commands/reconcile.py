"""`manage.py reconcile`: what became of requests with an unknown outcome."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from cycles import selectors
from cycles.management.base import WITHOUT_YES, OperatorCommand
from cycles.management.printing import call_facts, calls_table
from cycles.models import Cycle
from cycles.services import reconciling, seeding


class Command(OperatorCommand):
    name = "reconcile"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the cycle."""
        super().add_arguments(parser)
        parser.add_argument("code", nargs="?", metavar="CODE", help="one cycle only: CYC-...")
        parser.add_argument("--yes", action="store_true", help="ask the venues and write it down")

    def handle(self, *args: Any, **options: Any) -> None:
        """List the open requests; with --yes ask about each."""
        cycle = selectors.cycle_by_code(options["code"]) if options["code"] else None
        if not options["yes"]:
            self._show(cycle, options)
            return
        seeding.configure()
        self.say("asking the venues")
        if cycle is None:
            report = reconciling.reconcile_open_calls()
        else:
            report = reconciling.reconcile_cycle(cycle.pk)
        text = (
            f"{report.looked_at} looked at, {report.resolved} resolved, "
            f"{report.still_unknown} still unknown"
        )
        self.emit(asdict(report), text, options)

    def _show(self, cycle: Cycle | None, options: dict[str, Any]) -> None:
        rows = selectors.open_calls()
        calls = list(rows if cycle is None else rows.filter(cycle=cycle))
        facts = {"open_calls": [call_facts(call) for call in calls]}
        self.emit(facts, calls_table(calls) if calls else "no request is open", options)
        self.say(WITHOUT_YES)
