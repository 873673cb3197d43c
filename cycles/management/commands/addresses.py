"""`manage.py addresses`: our own deposit addresses, listed, confirmed and retired."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandParser

from cycles import selectors
from cycles.domain.words import Verb
from cycles.errors import InvalidInputError
from cycles.management.arguments import whole
from cycles.management.base import ActCommand
from cycles.management.printing import table
from cycles.services import addressing
from cycles.services.addressing import AddressPreview, Typed
from exchanges.models import RegisteredAddress

HEADINGS = ("code", "venue", "asset", "network", "address", "state", "confirmed by", "allowed by")
VERBS = {"confirm": Verb.CONFIRM_ADDRESS, "retire": Verb.RETIRE_ADDRESS}


class Command(ActCommand):
    name = "addresses"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what to do, and on which address."""
        super().add_arguments(parser)
        parser.add_argument("act", choices=["list", *VERBS], help="what to do")
        parser.add_argument("code", nargs="?", metavar="CODE", help="the address: ADR-...")
        parser.add_argument("--version", type=whole, metavar="N", help="the version you saw")
        parser.add_argument(
            "--ends-with", default="", metavar="TEXT",
            help="how the address ends on the venue's own page (confirm)",
        )  # fmt: skip
        parser.add_argument(
            "--memo", default="", help="the memo on the venue's own page (confirm; empty: none)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """List; or show what a verb would do, and with --yes do it."""
        if options["act"] == "list":
            rows = list(selectors.address_book())
            self.emit({"addresses": [facts(row) for row in rows]}, _listed(rows), options)
            return
        if not options["code"]:
            raise InvalidInputError("name an address: ADR-...")
        verb = VERBS[options["act"]]
        actor = self.actor(options) if options["yes"] or options["as_user"] else None
        seen = addressing.preview(verb, options["code"], actor.user if actor else None)
        if not options["yes"] or actor is None:
            whole = bool(actor and actor.user and addressing.may_see(actor.user))
            self.emit(_preview_facts(seen, whole=whole), _preview_text(seen, whole=whole), options)
            self.invite(options, f"--version {seen.address.version}", "--reason TEXT")
            return
        self._act(verb, seen, actor.user, options)

    def _act(
        self, verb: Verb, seen: AddressPreview, user: User | None, options: dict[str, Any]
    ) -> None:
        """Do the verb and show the address after it."""
        if options["version"] is None:
            raise InvalidInputError(
                f"say which version you saw: --version {seen.address.version} is the newest"
            )
        given = {
            "actor": self.actor(options, verb),
            "reason": self.reason(options),
            "seen_version": options["version"],
        }
        if verb is Verb.CONFIRM_ADDRESS:
            typed = Typed(ends_with=options["ends_with"], memo=options["memo"])
            addressing.confirm(seen.address.code, typed=typed, **given)
        else:
            addressing.retire(seen.address.code, **given)
        after = selectors.address_by_code(seen.address.code)
        self.emit({"verb": verb, "address": facts(after)}, _listed([after]), options)


def facts(row: Any, *, whole: bool = False) -> dict[str, Any]:
    """Give an address as data; both ends of it unless it may be shown whole."""
    names = ("code", "venue", "asset", "network", "state", "version", "proposed_at", "confirmed_at")
    return {
        **{name: getattr(row, name) for name in (*names, "retired_at", "retired_because")},
        "address": row.address if whole else row.masked,
        "memo": row.memo if whole or not row.memo else "•••",
        "confirmed_by": [one.user.get_username() for one in row.confirmations.all()],
        "allowed_by": [one.sender for one in row.allowances.all()],
    }


def _listed(rows: Sequence[RegisteredAddress]) -> str:
    """Write addresses as a table."""
    shown = [facts(row) for row in rows]
    return table(
        HEADINGS,
        [
            (
                *(str(one[name]) for name in HEADINGS[:6]),
                ", ".join(one["confirmed_by"]),
                ", ".join(one["allowed_by"]),
            )
            for one in shown
        ],
    )


def _preview_facts(seen: AddressPreview, *, whole: bool) -> dict[str, Any]:
    return {
        "verb": seen.verb,
        "address": facts(seen.address, whole=whole),
        "why_not": seen.why_not,
        "state_after": seen.state_after,
        "effects": seen.effects,
        "will_not": seen.will_not,
    }


def _preview_text(seen: AddressPreview, *, whole: bool) -> str:
    """Write what a verb would do."""
    row = facts(seen.address, whole=whole)
    memo = f" memo {row['memo']}" if row["memo"] else ""
    lines = [
        f"{row['code']} {row['asset']} on {row['network']} at {row['venue']}",
        f"{row['address']}{memo}",
        f"{row['state']} would become {seen.state_after}, version {row['version']}",
        *(f"+ {line}" for line in seen.effects),
        *(f"- {line}" for line in seen.will_not),
    ]
    if seen.why_not:
        lines.append(f"not possible now: {seen.why_not}")
    return "\n".join(lines)
