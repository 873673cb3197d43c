"""Fetch identities, rules, deposit addresses and routes from the venues."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from cycles.services import refreshing


class Command(BaseCommand):
    help = "Fetch reference data from the venues. Exit status 1 if something could not be fetched."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")

    def handle(self, **options: Any) -> None:
        counts = refreshing.refresh_markets(timezone.now())
        if options["json"]:
            self.stdout.write(json.dumps(asdict(counts)))
        else:
            self.stdout.write(
                f"{counts.identities} names of assets, {counts.markets} markets, "
                f"{counts.networks} networks, {counts.addresses} addresses, {counts.routes} routes"
            )
            for problem in counts.problems:
                self.stderr.write(problem)
        if counts.problems:
            raise SystemExit(1)
