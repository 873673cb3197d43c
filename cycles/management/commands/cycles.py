"""`manage.py cycles`: the list."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from cycles import selectors
from cycles.domain.words import CycleStatus
from cycles.management.arguments import whole
from cycles.management.base import OperatorCommand
from cycles.management.printing import at_risk, cycle_facts, instant, quantity, table
from cycles.models import Cycle

HEADINGS = ("code", "status", "out", "home", "USDT", "at risk", "failure", "since (KST)")


class Command(OperatorCommand):
    name = "cycles"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the filters."""
        super().add_arguments(parser)
        parser.add_argument(
            "--status", action="append", default=[], choices=CycleStatus.values, metavar="STATUS",
            help=f"one of {', '.join(CycleStatus.values)}; may be given several times",
        )  # fmt: skip
        parser.add_argument("--asset", default="", help="carried out or home")
        parser.add_argument("--search", default="", help="a code, order id or txid")
        parser.add_argument("--limit", type=whole, default=50, metavar="N", help="at most (50)")
        parser.add_argument(
            "--codes", action="store_true", help="print codes only, as `redrive -` reads them"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """List cycles; dead letters alone come by money at risk, then age."""
        rows = selectors.cycles(
            status=options["status"], asset=options["asset"].upper(), search=options["search"]
        )
        if options["status"] == [CycleStatus.DEAD_LETTER.value]:
            rows = selectors.dead_letters().filter(pk__in=rows.order_by().values("pk"))
        limit = options["limit"]
        found = list(rows[: limit + 1])
        has_more, found = len(found) > limit, found[:limit]
        facts = {"cycles": [cycle_facts(row) for row in found], "has_more": has_more}
        self.emit(facts, self._text(found, options), options)
        if has_more:
            self.say(f"these are the first {limit}; for more: --limit N, or a filter")

    def _text(self, found: list[Cycle], options: dict[str, Any]) -> str:
        if options["codes"]:
            return "\n".join(row.code for row in found)
        return table(HEADINGS, [_cells(row) for row in found])


def _cells(row: Cycle) -> tuple[str, ...]:
    return (
        row.code,
        row.status,
        row.outbound_asset,
        row.return_asset,
        quantity(row.notional_usdt),
        at_risk(row),
        row.failure_class,
        instant(row.status_since),
    )
