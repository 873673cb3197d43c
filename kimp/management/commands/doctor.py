"""Look at what the desk needs on this machine, and say what is missing."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kimp.diagnosis import findings


class Command(BaseCommand):
    """manage.py doctor: exit status 1 if anything is amiss."""

    help = "Says whether this machine has what the desk needs; starts and changes nothing."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare --json."""
        parser.add_argument("--json", action="store_true", help="one JSON array on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what was found."""
        found = list(findings())
        if options["json"]:
            self.stdout.write(json.dumps([asdict(finding) for finding in found], indent=2))
        else:
            for finding in found:
                mark = "ok  " if finding.is_well else "BAD "
                self.stdout.write(f"{mark} {finding.subject:<10} {finding.detail}")
        if not all(finding.is_well for finding in found):
            raise CommandError("Something is amiss.")
