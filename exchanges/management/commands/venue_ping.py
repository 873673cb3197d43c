"""Ask each venue for its clock and our balances: are address, network and keys right?"""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand

from exchanges import registry
from exchanges.errors import ModeError, VenueError

Row = dict[str, Any]


class Command(BaseCommand):
    help = "Call every venue and rate source once. Exit status 1 if one of them fails."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")

    def handle(self, **options: Any) -> None:
        try:
            mode = "live" if registry.is_live() else "simulated"
        except ModeError as error:
            self.stderr.write(str(error))
            raise SystemExit(1) from None
        rows = [ping_venue(code) for code in registry.desk_venues()]
        rows += [ping_source(number) for number in range(len(registry.rate_sources()))]
        self._show(mode, rows, as_json=options["json"])
        if not all(row["is_well"] for row in rows):
            raise SystemExit(1)

    def _show(self, mode: str, rows: Sequence[Row], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"mode": mode, "venues": rows}))
            return
        for row in rows:
            word = "well" if row["is_well"] else "FAILS"
            self.stdout.write(f"{row['name']:<12} {mode:<10} {word:<6} {row['detail']}")


def ping_venue(code: str) -> Row:
    """Ask a venue for its clock, then, signed, for our balances."""
    started = time.monotonic()
    try:
        venue = registry.venue(code)
        venue.server_time()
        took = round((time.monotonic() - started) * 1000)
        held = venue.balances()
        clock = registry.clock_state(code)
    except VenueError as error:
        return {"name": code, "is_well": False, "detail": str(error)}
    ahead, doubt = clock.ahead_seconds or 0.0, clock.doubt_seconds
    told = clock.objection or f"clock {ahead:+.2f} s (±{doubt:.2f})"
    return {
        "name": code,
        "is_well": not clock.objection,
        "detail": f"{took} ms, {told}, {len(held)} assets held",
        "skew_seconds": round(ahead, 3),
        "doubt_seconds": round(doubt, 3),
    }


def ping_source(number: int) -> Row:
    """Ask a source of the official rate."""
    source = registry.rate_sources()[number]
    try:
        quote = source.usd_krw()
    except VenueError as error:
        return {"name": source.code, "is_well": False, "detail": str(error)}
    detail = f"{quote.krw_per_usd} KRW per USD, quoted {quote.quoted_at:%Y-%m-%d %H:%M} UTC"
    return {"name": source.code, "is_well": True, "detail": detail}
