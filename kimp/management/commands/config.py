"""Show the effective settings, secrets masked, and where each came from."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from kimp import settings_listing
from kimp.environment import Environment


class Command(BaseCommand):
    """manage.py config: what this process would run with."""

    help = "Shows the effective settings, secrets masked, and where each came from."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the forms of the answer."""
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true", help="one JSON object on stdout")
        form.add_argument("--example", action="store_true", help="the text of .env.example")
        form.add_argument("--markdown", action="store_true", help="the README's table of settings")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the settings in force, or the table they come from."""
        if options["example"] or options["markdown"]:
            text = settings_listing.example() if options["example"] else settings_listing.markdown()
            self.stdout.write(text, ending="")
            return
        loaded: Environment = settings.ENVIRONMENT
        rows = [
            (name, _shown(name, row.shown), row.origin) for name, row in sorted(loaded.rows.items())
        ]
        if options["json"]:
            shown = {name: {"value": value, "from": origin} for name, value, origin in rows}
            self.stdout.write(json.dumps(shown, indent=2))
            return
        width = max(len(name) for name, _, _ in rows)
        breadth = max(len(value) for _, value, _ in rows)
        for name, value, origin in rows:
            self.stdout.write(f"{name:<{width}}  {value:<{breadth}}  {origin}")


def _shown(name: str, text: str) -> str:
    """Fill in what the environment leaves to the role."""
    derived = {"KIMP_HOME", "KIMP_SESSION_ID", "KIMP_PORT", "KIMP_PUBLIC_URL"}
    derived |= {"KIMP_UPBIT_BASE_URL", "KIMP_BITHUMB_BASE_URL", "KIMP_BINANCE_BASE_URL"}
    derived |= {"KIMP_UPBIT_STREAM_URL", "KIMP_BITHUMB_STREAM_URL", "KIMP_BINANCE_STREAM_URL"}
    derived |= {"KIMP_BINANCE_WS_API_URL"}
    derived |= {"KIMP_FX_FRANKFURTER_URL", "KIMP_FX_ERAPI_URL", "KIMP_FX_EXIMBANK_URL"}
    if text or name not in derived:
        return text
    return str(getattr(settings, name))
