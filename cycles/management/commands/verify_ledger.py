"""`manage.py verify_ledger`: the proof of the ledger."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from cycles.management.base import TRY_LATER, OperatorCommand
from cycles.management.printing import quantity, table
from cycles.services import proving, seeding, verifying
from cycles.services.verifying import LedgerReport

HEADINGS = (
    "venue",
    "asset",
    "ledger",
    "venue says",
    "locked",
    "in flight",
    "difference",
    "explained by",
)


class Command(OperatorCommand):
    name = "verify_ledger"

    def add_arguments(self, parser: CommandParser) -> None:
        """Take whether to read everything."""
        super().add_arguments(parser)
        parser.add_argument(
            "--all",
            action="store_true",
            help="read every entry from the first on, whatever was proven before: minutes on a large desk",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Prove; exit 0 only if everything adds up."""
        seeding.configure()
        self.say("reading the venues' balances")
        prove = proving.proof_of_all if options["all"] else proving.proof
        report = verifying.verify_ledger(prove=prove)
        self.emit(asdict(report), _text(report), options)
        if report.unread and report.is_balanced and report.matches_venues:
            self.fail(
                "the worker has not read all entries yet: try again later, or with --all", TRY_LATER
            )
        if report.is_balanced and report.matches_venues:
            return
        if report.is_balanced and not report.is_settled:
            self.fail("requests were in flight all the while: try again", TRY_LATER)
        self.fail("; ".join(report.problems) or "the ledger does not add up", 1)


def _text(report: LedgerReport) -> str:
    rows = [
        (line.venue, line.asset, *(quantity(value) for value in _numbers(line)), _why(line))
        for line in report.lines
    ]
    balanced = "balances" if report.is_balanced else "does NOT balance"
    if report.unread:
        balanced = f"was NOT proven by itself ({report.unread} entries are unread)"
    matches = "matches the venues" if report.matches_venues else "does NOT match the venues"
    if report.matches_venues and any(line.difference for line in report.lines):
        matches += ": differences are explained as shown"
    if not report.is_settled:
        matches = "was NOT held against the venues: requests were in flight"
    elif not report.lines:
        matches = "was NOT held against the venues: they did not answer"
    return f"{table(HEADINGS, rows)}\nthe ledger {balanced} and {matches}"


def _numbers(line: verifying.VenueLine) -> tuple[Any, ...]:
    return (line.ledger, line.venue_free, line.venue_locked, line.in_flight, line.difference)


def _why(line: verifying.VenueLine) -> str:
    """Say what a difference is, where there is one."""
    return line.explanation if line.is_explained else "NOTHING"
