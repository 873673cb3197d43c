"""Set a desk up: its kind, a starter policy, reference data, opening balances in the ledger."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from cycles.errors import CycleError
from cycles.services import seeding
from exchanges.errors import VenueError


class Command(BaseCommand):
    help = "Set up the desk once: kind, starter policy, reference data, opening balances."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Let machines read it."""
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Seed; running again changes nothing that stands."""
        try:
            seeded = seeding.seed()
        except (CycleError, VenueError) as error:
            raise CommandError(str(error)) from error
        for problem in seeded.problems:
            self.stderr.write(problem)
        if options["json"]:
            told = {
                "kind": seeded.kind,
                "policy": seeded.policy,
                "opening_balances": seeded.balances,
                "problems": seeded.problems,
            }
            self.stdout.write(json.dumps(told))
            return
        self.stdout.write(f"{seeded.kind} desk, policy v{seeded.policy}")
        for line in seeded.balances:
            self.stdout.write(f"opening balance: {line}")
