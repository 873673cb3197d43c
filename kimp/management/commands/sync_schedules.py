"""Make django-q2's schedules match the code."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kimp import schedules


class Command(BaseCommand):
    """manage.py sync_schedules [--check] [--json]."""

    help = "Creates, mends and deletes the scheduled tasks of kimp, so that they match the code."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--check", action="store_true", help="write nothing; exit 1 if they differ"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        """Mend the rows, or only compare them."""
        difference = schedules.sync(dry_run=options["check"])
        if options["json"]:
            self.stdout.write(json.dumps(asdict(difference)))
        else:
            self._write(difference)
        if options["check"] and not difference.is_empty:
            raise CommandError("the schedules differ from the code; run sync_schedules")

    def _write(self, difference: schedules.Difference) -> None:
        for verb, names in asdict(difference).items():
            if names:
                self.stdout.write(f"{verb}: {', '.join(names)}")
        if difference.is_empty:
            self.stdout.write("the schedules match the code")
