"""What `halt` and `resume` share: the desk's mode, before and after."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from cycles import selectors
from cycles.domain import halts
from cycles.domain.words import Mode, Verb
from cycles.errors import NotAllowedNowError
from cycles.management.arguments import whole
from cycles.management.base import ActCommand
from cycles.management.printing import call_facts, calls_table, instant
from cycles.management.verbs import seen_version
from cycles.models import Desk, ExchangeCall
from cycles.services import desk

MEANINGS = {
    Mode.RUN: "cycles open and run",
    Mode.FINALIZE_ONLY: "no cycle opens; those that run are brought home",
    Mode.HALT: "nothing new that moves money is written; requests already written are finished",
}


class ModeCommand(ActCommand):
    """Sets the mode. What may let more happen is done at the version that its dry run showed."""

    needs_version: ClassVar[bool]

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the mode in between, and the version."""
        super().add_arguments(parser)
        parser.add_argument(
            "--finalize-only", action="store_true", help="let running cycles finish, open none"
        )
        if self.needs_version:
            parser.add_argument(
                "--version", type=whole, metavar="N",
                help="the desk's version you saw, as the dry run shows it with the reason",
            )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        """Show what the mode would mean; with --yes set it."""
        mode, now = self.wanted(options), desk.current()
        shown = f"{now.mode} would become {mode.value}: {MEANINGS[mode]}\n{_why(now)}"
        if not options["yes"]:
            self._preview(mode, now, shown, options)
            version = (f"--version {now.version}",) if self.needs_version else ()
            self.invite(options, *version, "--reason TEXT")
            return
        verb = Verb.HALT if desk.stops_more(mode, now.mode) else Verb.RESUME
        actor, reason = self.actor(options, verb), self.reason(options)
        seen = self._seen(mode, now, shown, options)
        changed = desk.set_mode(mode, actor=actor, reason=reason, seen_version=seen)
        calls = list(selectors.open_calls())
        text = f"{changed.mode}: {MEANINGS[mode]}"
        self.emit(_facts(changed, calls), _with(text, calls), options)

    def _preview(self, mode: Mode, now: Desk, shown: str, options: dict[str, Any]) -> None:
        """Show what the mode would mean; raises NotAllowedNowError where the act would be refused."""
        calls = list(selectors.open_calls())
        refusal = self._refusal(mode, now)
        why_not = str(refusal or "")
        facts = {"mode_after": mode, "is_possible": refusal is None, "why_not": why_not}
        lines = [shown, *([f"not possible: {why_not}"] if refusal else [])]
        self.emit(_facts(now, calls) | facts, _with("\n".join(lines), calls), options)
        if refusal:
            raise refusal

    def _refusal(self, mode: Mode, now: Desk) -> NotAllowedNowError | None:
        """Give why the mode cannot be set now, if so."""
        try:
            self._demand_fit(mode, now)
            if not desk.stops_more(mode, now.mode):
                desk.demand_at_home()
        except NotAllowedNowError as error:
            return error
        return None

    def _seen(self, mode: Mode, now: Desk, shown: str, options: dict[str, Any]) -> int | None:
        """Give the version that the operator saw; to stop takes none."""
        self._demand_fit(mode, now)
        if not self.needs_version:
            return None
        self.say(shown)
        return seen_version(options, now.version)

    def _demand_fit(self, mode: Mode, now: Desk) -> None:
        """Set no mode that the desk has, and let nothing more happen by a command that asks for no version."""
        if nothing := halts.mode_objection(mode, now.mode):
            raise NotAllowedNowError(nothing)
        if not (self.needs_version or desk.stops_more(mode, now.mode)):
            raise NotAllowedNowError(
                f"the desk is {now.mode}, which this would not stop more: "
                "what lets more happen is manage.py resume"
            )

    @abstractmethod
    def wanted(self, options: dict[str, Any]) -> Mode:
        """Give the mode to set."""


def _facts(row: Desk, calls: list[ExchangeCall]) -> dict[str, Any]:
    names = ("kind", "mode", "mode_reason", "mode_changed_by", "mode_changed_at", "version")
    return {
        **{name: getattr(row, name) for name in names},
        "open_calls": [call_facts(call) for call in calls],
    }


def _why(row: Desk) -> str:
    """Say why the desk is as it is, who said so, and the version that this was read at."""
    since = instant(row.mode_changed_at)
    who = f"{row.mode} by {row.mode_changed_by or 'nobody yet'} at {since} KST"
    return f"{who}: {row.mode_reason or 'no reason given'}\nversion {row.version}"


def _with(text: str, calls: list[ExchangeCall]) -> str:
    """Add the requests under way, which no mode takes back."""
    return f"{text}\nunder way:\n{calls_table(calls)}" if calls else text
