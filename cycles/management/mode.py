"""What `halt` and `resume` share: the desk's mode, before and after."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from django.core.management.base import CommandParser

from cycles import selectors
from cycles.domain.words import Mode
from cycles.management.base import ActCommand
from cycles.management.printing import call_facts, calls_table
from cycles.models import Desk, ExchangeCall
from cycles.services import desk

MEANINGS = {
    Mode.RUN: "cycles open and run",
    Mode.FINALIZE_ONLY: "no cycle opens; those that run are brought home",
    Mode.HALT: "nothing new that moves money is written; requests already written are finished",
}


class ModeCommand(ActCommand):
    """Sets the mode."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the mode in between."""
        super().add_arguments(parser)
        parser.add_argument(
            "--finalize-only", action="store_true", help="let running cycles finish, open none"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Show what the mode would mean; with --yes set it."""
        mode, now = self.wanted(options), desk.current()
        calls = list(selectors.open_calls())
        if not options["yes"]:
            text = f"{now.mode} would become {mode.value}: {MEANINGS[mode]}"
            self.emit(_facts(now, calls) | {"mode_after": mode}, _with(text, calls), options)
            self.invite(options, "--reason TEXT")
            return
        actor, reason = self.actor(options), self.reason(options)
        changed = desk.set_mode(mode, actor=actor, reason=reason, seen_version=now.version)
        calls = list(selectors.open_calls())
        text = f"{changed.mode}: {MEANINGS[mode]}"
        self.emit(_facts(changed, calls), _with(text, calls), options)

    @abstractmethod
    def wanted(self, options: dict[str, Any]) -> Mode:
        """Give the mode to set."""


def _facts(row: Desk, calls: list[ExchangeCall]) -> dict[str, Any]:
    names = ("kind", "mode", "mode_reason", "mode_changed_by", "mode_changed_at")
    return {
        **{name: getattr(row, name) for name in names},
        "open_calls": [call_facts(call) for call in calls],
    }


def _with(text: str, calls: list[ExchangeCall]) -> str:
    """Add the requests under way, which no mode takes back."""
    return f"{text}\nunder way:\n{calls_table(calls)}" if calls else text
