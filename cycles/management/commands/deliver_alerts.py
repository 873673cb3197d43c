"""Deliver the alerts that are due, as the worker does each minute."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from cycles.management.arguments import whole
from cycles.services.alerting import deliver_due


class Command(BaseCommand):
    """manage.py deliver_alerts [--limit 50] [--json]."""

    help = "Deliver alerts that are due; without a Telegram token they are logged."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--limit", type=whole, default=50, help="at most so many (50)")
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        """Deliver, and say how many were sent or logged."""
        handled = deliver_due(options["limit"])
        if options["json"]:
            self.stdout.write(json.dumps({"handled": handled}))
        else:
            self.stdout.write(f"{handled} alerts sent or logged")
