"""`manage.py identities`: what venues' symbols are, listed, proven and blocked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandParser

from cycles import selectors
from cycles.domain.words import Verb
from cycles.errors import InvalidInputError
from cycles.management.arguments import whole
from cycles.management.base import ActCommand
from cycles.management.printing import table
from cycles.services import identifying
from cycles.services.identifying import Coin, IdentityPreview
from exchanges.models import AssetIdentity

HEADINGS = (
    "venue", "venue_symbol", "venue_network", "title", "told_contract",
    "state", "asset", "network", "because",
)  # fmt: skip
VERBS = {"prove": Verb.PROVE_ASSET, "block": Verb.BLOCK_ASSET}


class Command(ActCommand):
    name = "identities"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what to do, and on which name."""
        super().add_arguments(parser)
        parser.add_argument("act", choices=["list", *VERBS], help="what to do")
        parser.add_argument(
            "words",
            nargs="*",
            metavar="NAME",
            help="the name: VENUE SYMBOL NETWORK, as it has them",
        )
        parser.add_argument("--version", type=whole, metavar="N", help="the version you saw")
        parser.add_argument("--asset", default="", help="our code of what it is (prove)")
        parser.add_argument("--chain", default="", help="our code of the chain (prove)")
        parser.add_argument(
            "--contract", default="", help="its contract; none: the chain's own coin (prove)"
        )
        parser.add_argument("--decimals", type=whole, help="its decimal places (prove)")

    def handle(self, *args: Any, **options: Any) -> None:
        """List; or show what a verb would do, and with --yes do it."""
        if options["act"] == "list":
            rows = list(selectors.identities())
            self.emit({"identities": [facts(row) for row in rows]}, _listed(rows), options)
            return
        if len(options["words"]) != 3:
            raise InvalidInputError("name it whole: VENUE SYMBOL NETWORK, as in: binance USDT TRX")
        verb = VERBS[options["act"]]
        seen = identifying.preview(verb, selectors.identity_by_name(*options["words"]))
        if not options["yes"]:
            self.emit(_preview_facts(seen), _preview_text(seen), options)
            self.invite(options, f"--version {seen.identity.version}", "--reason TEXT")
            return
        self._act(verb, seen, options)

    def _act(self, verb: Verb, seen: IdentityPreview, options: dict[str, Any]) -> None:
        """Do the verb and show the name after it."""
        if options["version"] is None:
            raise InvalidInputError(
                f"say which version you saw: --version {seen.identity.version} is the newest"
            )
        given = {
            "actor": self.actor(options, verb),
            "reason": self.reason(options),
            "seen_version": options["version"],
        }
        if verb is Verb.PROVE_ASSET:
            identifying.prove(seen.identity, coin=_coin(options), **given)
        else:
            identifying.block(seen.identity, **given)
        after = selectors.identity_by_name(*options["words"])
        self.emit({"verb": verb, "identity": facts(after)}, _listed([after]), options)


def _coin(options: dict[str, Any]) -> Coin:
    """Read what it is said to be."""
    if not options["asset"] or not options["chain"] or options["decimals"] is None:
        raise InvalidInputError("say what it is: --asset, --chain, --decimals and its --contract")
    return Coin(
        asset=options["asset"].upper(),
        network=options["chain"].upper(),
        contract=options["contract"],
        decimals=options["decimals"],
    )


def facts(row: AssetIdentity) -> dict[str, Any]:
    """Give a name as data."""
    names = (*HEADINGS, "network_title", "contract", "decimals", "decided_by", "version")
    return {name: getattr(row, name) for name in names}


def _listed(rows: Sequence[AssetIdentity]) -> str:
    """Write names as a table."""
    return table(
        HEADINGS,
        [tuple(str(getattr(row, name) or "") for name in HEADINGS) for row in rows],
    )


def _preview_facts(seen: IdentityPreview) -> dict[str, Any]:
    return {
        "verb": seen.verb,
        "identity": facts(seen.identity),
        "why_not": seen.why_not,
        "state_after": seen.state_after,
        "effects": seen.effects,
        "will_not": seen.will_not,
    }


def _preview_text(seen: IdentityPreview) -> str:
    """Write what a verb would do."""
    row = seen.identity
    told = "none told" if row.told_contract is None else row.told_contract or "its own coin"
    lines = [
        f"{row}: called {row.title!r} on {row.network_title!r}, contract: {told}",
        f"{row.state} would become {seen.state_after}, version {row.version} ({row.because})",
        *(f"+ {line}" for line in seen.effects),
        *(f"- {line}" for line in seen.will_not),
    ]
    if seen.why_not:
        lines.append(f"not possible now: {seen.why_not}")
    return "\n".join(lines)
