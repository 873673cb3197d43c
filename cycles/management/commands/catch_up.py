"""`manage.py catch_up`: after a restore, ask the venues what the backup has forgotten."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from cycles.domain.words import Verb
from cycles.management.arguments import instant
from cycles.management.base import TRY_LATER, ActCommand
from cycles.management.printing import quantity, table
from cycles.services import catching_up, seeding
from cycles.services.catching_up import CaughtUp
from cycles.services.reconciling import ReconcileReport

FOUND = ("cycle", "venue", "client order id", "request", "did")
DIFFERENCES = ("venue", "asset", "ledger", "venue says", "difference")


class Command(ActCommand):
    name = "catch_up"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add how far back to ask, and what to do with what is left."""
        super().add_arguments(parser)
        parser.add_argument(
            "--since", type=instant, metavar="WHEN",
            help="the backup's instant or earlier (default: before the last request it knows)",
        )  # fmt: skip
        parser.add_argument("--dry-run", action="store_true", help="only show, also with --yes")
        parser.add_argument(
            "--accept", action="store_true",
            help="book what still differs as the desk's capital: it came or went outside of kimp",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        """Show what was forgotten; with --yes halt, write it down and compare."""
        seeding.configure()
        acts = options["yes"] and not options["dry_run"]
        if not acts:
            self.say("asking the venues")
            done = catching_up.preview(since=options["since"])
            self.invite(options, "--reason TEXT")
            self._tell(done, options)
            return
        actor, reason = self.actor(options, Verb.CATCH_UP), self.reason(options)
        self.say("halting the desk, then asking the venues")
        done = catching_up.catch_up(
            actor=actor,
            reason=reason,
            since=options["since"],
            accept=options["accept"],
            tell=self._tell_batch,
        )
        self._tell(done, options)

    def _tell_batch(self, report: ReconcileReport) -> None:
        """Say how far it has come."""
        self.say(f"asked about {report.looked_at} open requests: {report.resolved} are known now")

    def _tell(self, done: CaughtUp, options: dict[str, Any]) -> None:
        """Print what was found; the exit code says whether anything is left."""
        facts = {**asdict(done), "wants_a_person": done.wants_a_person}
        self.emit(facts, _text(done), options)
        if done.wants_a_person:
            self.fail(_what_is_left(done, options), 1)
        if done.unsettled:
            self.fail(_what_has_not_ended(done, options), TRY_LATER)
        if done.passed_over:
            self.fail(f"{len(done.passed_over)} cycles are at work: run it again", TRY_LATER)


def _text(done: CaughtUp) -> str:
    """Write the difference for people."""
    found = [(one.cycle, one.venue, one.own_id, one.what, one.did) for one in done.found]
    lines = [
        (row.venue, row.asset, *(quantity(n) for n in (row.ledger, row.venue_free, row.difference)))
        for row in done.differences
    ]
    parts = [
        table(FOUND, found)
        if found
        else "the venues show no request that the journal had forgotten",
        *(f"came home, ended: {code}" for code in done.ended),
        *(_made_again(code, done) for code in done.waiting if code in done.remade),
        *(f"not looked into, somebody is at it: {code}" for code in done.passed_over),
        *(f"left to a person: {told}" for told in done.left),
        *(f"dead letter: {code}" for code in done.parked if code not in done.remade),
        *(f"only a person can tell, resolve it: {told}" for told in done.undecided),
        *([table(DIFFERENCES, lines)] if lines else []),
        *(f"accepted as capital: {told}" for told in done.accepted),
        _verdict(done),
    ]
    return "\n".join(parts)


def _made_again(code: str, done: CaughtUp) -> str:
    """Say what to do with a cycle that was made again: it goes on, unless something of it is a person's to tell."""
    if any(told.startswith(f"{code}: ") for told in done.left):
        return f"made again, a dead letter, of which something is left to a person: {code}"
    return f"made again, a dead letter for a person to redrive: {code}"


def _verdict(done: CaughtUp) -> str:
    """Say where the desk stands now."""
    if done.is_in_step:
        return "the desk is in step with the venues, and halted until: manage.py resume"
    if done.differences:
        return "the ledger does NOT equal the venues: the desk cannot resume"
    if done.left or done.unsettled:
        return "the ledger equals the venues; something is left: the desk cannot resume"
    return "the ledger equals the venues"


def _what_has_not_ended(done: CaughtUp, options: dict[str, Any]) -> str:
    """Say of which cycles, and what brings those requests to an end."""
    told = f"{_requests(done)} ({_listed(done)})"
    if not options["yes"] or options["dry_run"]:
        return f"{told}: with --yes they are asked about first"
    return (
        f"{told}: run it again in two minutes. If they stay, let {_roles(done)} run (the desk is halted: nothing "
        "new begins) until their cycles have ended or are dead letters, stop that, resolve those, run it again"
    )


def _roles(done: CaughtUp) -> str:
    """Name the commands that look at what has not ended: each role has its own statuses."""
    return " and ".join(f"`manage.py {role}`" for role in done.roles)


def _requests(done: CaughtUp) -> str:
    one = done.unsettled == 1
    return "1 request has not ended" if one else f"{done.unsettled} requests have not ended"


def _listed(done: CaughtUp) -> str:
    return ", ".join(f"{code} {status}" for code, status in done.under_way.items())


def _what_is_left(done: CaughtUp, options: dict[str, Any]) -> str:
    """Say what a person has to do, and whether the desk may run before they have."""
    count = len(done.waiting)
    letters = f"{count} dead letter waits" if count == 1 else f"{count} dead letters wait"
    if done.is_in_step:
        return f"the desk may resume; {letters} for a person, before or after: see above"
    if done.stuck:
        return (
            f"resolve {', '.join(done.stuck)}, or redrive and let {_roles(done)} look: a request of a dead "
            "letter has not ended, and keeps the desk from resuming; then run it again"
        )
    if done.is_withheld:
        return (
            "nothing was accepted: requests turned up of which only a person can tell, and what they moved may be "
            "what differs. See what is left to a person, then run it again"
        )
    if done.left or (done.differences and not done.unsettled):
        return "what is left to a person comes first, then run it again: see above"
    if done.unsettled:  # what differs may be that: an order that rests locks what it may take
        told = _what_has_not_ended(done, options)
        return f"{told}; {letters} for a person: see above" if count else told
    return f"{letters} for a person then: see above"
