"""How a command names many dead letters at once: filters, and what its operator has seen of them."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.management.base import CommandParser

from cycles.domain.shown import jsonable
from cycles.domain.words import CycleStatus, FailureClass
from cycles.errors import InvalidInputError
from cycles.management.arguments import instant, sum_of_money, whole
from cycles.management.printing import won
from cycles.models.cycle import FINAL_STATUSES
from cycles.services.redriving import Filter, Seen

STOPPED_IN = sorted({*CycleStatus.values} - {*FINAL_STATUSES, "RETRY_PENDING", "DEAD_LETTER"})


def add_selection(parser: CommandParser) -> None:
    """Add the filters, and what was seen through them."""
    chosen = parser.add_argument_group("many at once")
    chosen.add_argument(
        "--all-matching", action="store_true", help="all dead letters that match these:"
    )
    chosen.add_argument("--class", dest="failure_class", choices=FailureClass.values, default="")
    chosen.add_argument("--asset", default="", help="carried out or back")
    chosen.add_argument("--venue", default="", help="either of the cycle's")
    chosen.add_argument("--stopped-in", choices=STOPPED_IN, default="", help="where they go on")
    chosen.add_argument("--max-krw", metavar="KRW", help="no more than this at risk in each")
    chosen.add_argument(
        "--count", type=whole, metavar="N", help="how many you saw; more than those are refused"
    )
    chosen.add_argument(
        "--seen-at",
        metavar="INSTANT",
        help="when you saw them: what died or was acted on since stays",
    )


def selection(options: Mapping[str, Any]) -> Filter:
    """Give the filter that the options name."""
    return Filter(
        failure_class=options["failure_class"],
        asset=options["asset"].upper(),
        venue=options["venue"],
        resume_status=options["stopped_in"],
        most_krw=_won(options["max_krw"]),
    )


def _won(text: str | None) -> Decimal | None:
    try:
        return None if text is None else sum_of_money(text)
    except ArgumentTypeError as error:
        raise InvalidInputError(f"--max-krw: {error}") from None


def seen_at(options: Mapping[str, Any]) -> datetime | None:
    """Give the instant that the options name; None: now."""
    text = options["seen_at"]
    if text is None:
        return None
    try:
        return instant(text)
    except ArgumentTypeError:
        raise InvalidInputError(
            "--seen-at: an instant as the dry run prints it, with its zone"
        ) from None


def seen_text(seen: Seen) -> str:
    """Write what would go on."""
    lines = [f"{seen.count} dead letters match, at risk {won(seen.at_risk_krw)}"]
    if seen.taken_on:
        lines.append(f"  {seen.taken_on} more are others', who have taken them on: left to them")
    lines += [
        "  each goes on where it stopped, with a new retry budget and an intervention of its own"
    ]
    return "\n".join(lines)


def seen_facts(seen: Seen) -> Mapping[str, Any]:
    """Give what would go on, for machines."""
    return {
        "count": seen.count,
        "taken_on": seen.taken_on,
        "at_risk_krw": seen.at_risk_krw,
        "seen_at": seen.at,
    }


def acting_on(seen: Seen) -> str:
    """Give the options that act on exactly what was seen; the same again go on after a kill."""
    return f"--count {seen.count} --seen-at {jsonable(seen.at)}"
