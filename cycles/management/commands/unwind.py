"""`manage.py unwind`: sell a dead letter's coins back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from cycles.domain.words import Verb
from cycles.management.verbs import VerbCommand
from cycles.services import intervening
from cycles.services.intervening import Actor


class Command(VerbCommand):
    name = "unwind"
    verb = Verb.UNWIND

    def do(
        self, cycle_id: UUID, actor: Actor, reason: str, version: int, options: dict[str, Any]
    ) -> None:
        """Unwind."""
        intervening.unwind(cycle_id, actor=actor, reason=reason, seen_version=version)
