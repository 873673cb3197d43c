"""What the commands that act on one cycle share: preview, seen version, act, result."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.core.management.base import CommandParser

from cycles import selectors
from cycles.domain.words import Verb
from cycles.errors import NotAllowedNowError, UnseenVersionError
from cycles.management.arguments import whole
from cycles.management.base import ActCommand
from cycles.management.printing import cycle_facts, preview_facts, preview_text
from cycles.services.correlating import bound
from cycles.services.intervening import Actor
from cycles.services.previewing import Preview, preview


def seen_version(options: dict[str, Any], newest: int) -> int:
    """Give the version that the operator saw; raises when they name none."""
    if options["version"] is None:
        raise UnseenVersionError(f"say which version you saw: --version {newest} is the newest")
    return int(options["version"])


def demand_possible(seen: Sequence[Preview]) -> None:
    """Raise NotAllowedNowError where none of what was shown can be done."""
    if seen and not any(one.is_possible for one in seen):
        raise NotAllowedNowError("; ".join(one.why_not for one in seen))


class VerbCommand(ActCommand):
    """One verb on one cycle, at the version that its dry run showed."""

    verb: ClassVar[Verb]

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the cycle and the version."""
        super().add_arguments(parser)
        parser.add_argument("code", metavar="CODE", help="the cycle's code: CYC-...")
        parser.add_argument(
            "--version",
            type=whole,
            metavar="N",
            help="the version you saw, as the dry run shows it",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Show what the verb would do; with --yes do it."""
        cycle = selectors.cycle_by_code(options["code"])
        with bound(cycle_id=cycle.code):
            seen = preview(self.verb, cycle.pk)
            if not options["yes"]:
                self.emit(preview_facts(seen), preview_text(seen), options)
                demand_possible([seen])
                self.invite(options, f"--version {seen.cycle.version}", "--reason TEXT")
                return
            actor, reason = self.actor(options, self.verb), self.reason(options)
            self.say(preview_text(seen))
            self.do(cycle.pk, actor, reason, seen_version(options, seen.cycle.version), options)
            self.tell(cycle.code, options)

    def tell(self, code: str, options: dict[str, Any]) -> None:
        """Show the cycle after the act."""
        after = selectors.cycle_by_code(code)
        text = f"{after.code} {after.status} version {after.version}"
        self.emit({"verb": self.verb, "cycle": cycle_facts(after)}, text, options)

    @abstractmethod
    def do(
        self, cycle_id: UUID, actor: Actor, reason: str, version: int, options: dict[str, Any]
    ) -> None:
        """Call the verb's service."""
