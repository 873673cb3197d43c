"""`manage.py write_off`: give up what a dead letter owns."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import CommandParser

from cycles.domain.words import Verb
from cycles.management.verbs import VerbCommand
from cycles.services import resolving
from cycles.services.intervening import Actor


class Command(VerbCommand):
    name = "write_off"
    verb = Verb.WRITE_OFF

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the evidence."""
        super().add_arguments(parser)
        parser.add_argument(
            "--evidence",
            default="",
            help="that an open request is over, or all that came of one not booked yet is lost; needed when there is one",
        )

    def do(
        self, cycle_id: UUID, actor: Actor, reason: str, version: int, options: dict[str, Any]
    ) -> None:
        """Write off."""
        resolving.write_off(
            cycle_id,
            actor=actor,
            reason=reason,
            seen_version=version,
            evidence=options["evidence"],
        )
