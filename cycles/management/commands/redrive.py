"""`manage.py redrive`: dead letters go on, one by one, as a list, or all that match."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from django.core.management.base import CommandParser

from cycles import selectors
from cycles.domain.words import Verb
from cycles.errors import CycleError, InvalidInputError
from cycles.management.arguments import whole
from cycles.management.base import ActCommand
from cycles.management.printing import cycle_facts, preview_facts, preview_text
from cycles.management.selecting import (
    acting_on,
    add_selection,
    seen_at,
    seen_facts,
    seen_text,
    selection,
)
from cycles.management.verbs import demand_possible, seen_version
from cycles.services import intervening, redriving
from cycles.services.correlating import bound
from cycles.services.intervening import Actor
from cycles.services.previewing import preview

FROM_INPUT = "-"


class Command(ActCommand):
    name = "redrive"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the cycles."""
        super().add_arguments(parser)
        parser.add_argument(
            "codes", nargs="*", metavar="CODE", help="CYC-..., or - to read codes from the input"
        )
        add_selection(parser)
        parser.add_argument(
            "--rate", type=whole, default=redriving.RATE, metavar="N",
            help=f"of all that match, how many become due a second ({redriving.RATE})",
        )  # fmt: skip
        parser.add_argument(
            "--version", type=whole, metavar="N",
            help="the version you saw, as the dry run shows it (one cycle only)",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        """Show what would happen to each; with --yes redrive each, and go on after a refusal."""
        if options["all_matching"]:
            self._all_matching(options)
            return
        if FROM_INPUT in options["codes"]:
            self.say("reading codes from standard input")
        codes = list(dict.fromkeys(_codes(options["codes"])))
        if not codes:
            raise InvalidInputError("name at least one cycle, or say --all-matching")
        if options["version"] is not None and len(codes) > 1:
            raise InvalidInputError("--version belongs to one cycle")
        if not options["yes"]:
            self._show(codes, options)
            return
        actor, reason = self.actor(options, Verb.REDRIVE), self.reason(options)
        if len(codes) == 1 and FROM_INPUT not in options["codes"]:
            # A list is acted on as it is found; one cycle as it was seen.
            seen = preview(Verb.REDRIVE, selectors.cycle_by_code(codes[0]).pk)
            seen_version(options, seen.cycle.version)
        results = [self._redrive(code, actor, reason, options["version"]) for code in codes]
        self._tell(results, options)

    def _all_matching(self, options: dict[str, Any]) -> None:
        """Show what matches; with --yes redrive what was seen, in batches."""
        if options["codes"]:
            raise InvalidInputError("name cycles, or say --all-matching: not both")
        redriving.demand_rate(options["rate"])
        chosen, at = selection(options), seen_at(options)
        if not options["yes"]:
            seen = redriving.look(chosen, actor=self.named(options), at=at)
            self.emit(seen_facts(seen), seen_text(seen), options)
            redriving.demand_matches(seen)
            self.invite(options, acting_on(seen), "--reason TEXT")
            return
        if options["count"] is None:
            raise InvalidInputError("say how many you saw: --count N, as the dry run tells")
        if at is None:
            raise InvalidInputError(
                "say when you saw them: --seen-at INSTANT, as the dry run tells"
            )
        actor, reason = self.actor(options, Verb.REDRIVE), self.reason(options)
        seen = replace(redriving.look(chosen, actor=actor, at=at), count=options["count"])
        self.say("if it is cut short, say exactly the same again")
        done = redriving.redrive_all(
            seen,
            actor=actor,
            reason=reason,
            rate=options["rate"],
            told=lambda count: self.say(f"{count} redriven"),
        )
        text = f"{done.count} redriven, {done.left} left: changed, or held by others"
        self.emit({"redriven": done.count, "left": done.left}, text, options)

    def _show(self, codes: list[str], options: dict[str, Any]) -> None:
        seen = [preview(Verb.REDRIVE, selectors.cycle_by_code(code).pk) for code in codes]
        text = "\n".join(preview_text(one) for one in seen)
        self.emit({"previews": [preview_facts(one) for one in seen]}, text, options)
        demand_possible(seen)
        version = (f"--version {seen[0].cycle.version}",) if len(seen) == 1 else ()
        self.invite(options, *version, "--reason TEXT")

    def _redrive(self, code: str, actor: Actor, reason: str, version: int | None) -> dict[str, Any]:
        """Redrive one cycle; a refusal is a result, not an end."""
        try:
            cycle = selectors.cycle_by_code(code)
            with bound(cycle_id=cycle.code):
                seen = preview(Verb.REDRIVE, cycle.pk)
                self.say(preview_text(seen))
                intervening.redrive(
                    cycle.pk,
                    actor=actor,
                    reason=reason,
                    seen_version=seen.cycle.version if version is None else version,
                )
        except CycleError as error:
            self.stderr.write(f"{code}: {error}")
            return {"code": code, "is_done": False, "error": str(error), "exit": error.exit_code}
        after = selectors.cycle_by_code(code)
        return {"code": after.code, "is_done": True, "cycle": cycle_facts(after)}

    def _tell(self, results: list[dict[str, Any]], options: dict[str, Any]) -> None:
        """Print each result; the exit code is the refusals' own when they agree, else 1."""
        done = [row["cycle"] for row in results if row["is_done"]]
        text = "\n".join(f"{row['code']} {row['status']} version {row['version']}" for row in done)
        self.emit({"results": results}, text, options)
        exits = {int(row["exit"]) for row in results if not row["is_done"]}
        if exits:
            told = f"{len(done)} of {len(results)} redriven"
            self.fail(told, exits.pop() if len(exits) == 1 else 1)


def _codes(given: list[str]) -> Iterator[str]:
    """Give the codes in order; `-` stands for the lines of standard input."""
    for code in given:
        if code == FROM_INPUT:
            yield from (line.strip() for line in sys.stdin if line.strip())
        else:
            yield code
