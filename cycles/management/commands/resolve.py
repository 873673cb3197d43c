"""`manage.py resolve`: state what happened outside of kimp."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import Any
from uuid import UUID

from django.core.management.base import CommandParser

from cycles.domain.words import Verb
from cycles.errors import InvalidInputError
from cycles.management.verbs import VerbCommand
from cycles.services import resolving, stating
from cycles.services.intervening import Actor
from cycles.services.resolving import Received, Resolution, ResolutionOutcome


def received(text: str) -> Received:
    """Read a part of the statement, as the admin's form reads a line."""
    try:
        return stating.part_in(text)
    except InvalidInputError as error:
        raise ArgumentTypeError(f"{text!r}: {error}") from None


class Command(VerbCommand):
    name = "resolve"
    verb = Verb.RESOLVE

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the statement."""
        super().add_arguments(parser)
        parser.add_argument(
            "--outcome", required=True, choices=ResolutionOutcome.values,
            help="CALL_ABSENT: the open request was never accepted; COMPLETED: settled by hand",
        )  # fmt: skip
        parser.add_argument("--evidence", required=True, help="an order id, a txid, a ticket")
        parser.add_argument(
            "--received", type=received, action="append", default=[],
            metavar="VENUE:ASSET:QUANTITY",
            help="what the holdings became (COMPLETED only), as binance:USDT:4990.5, or with commas or "
            "blanks; none: they go to the desk as they are",
        )  # fmt: skip

    def do(
        self, cycle_id: UUID, actor: Actor, reason: str, version: int, options: dict[str, Any]
    ) -> None:
        """Resolve."""
        resolution = Resolution(
            outcome=ResolutionOutcome(options["outcome"]),
            evidence=options["evidence"],
            received=tuple(options["received"]),
        )
        resolving.resolve(
            cycle_id, actor=actor, reason=reason, seen_version=version, resolution=resolution
        )
