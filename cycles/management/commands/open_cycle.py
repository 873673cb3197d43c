"""`manage.py open_cycle`: open by hand."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from cycles import selectors
from cycles.domain.words import Verb
from cycles.errors import InvalidInputError, PolicyDeniedError
from cycles.management.arguments import sum_of_money
from cycles.management.base import ActCommand
from cycles.management.printing import cycle_facts, quantity, won
from cycles.models import Cycle
from cycles.services import opening
from cycles.services.opening import OpeningPreview
from exchanges import registry


class Command(ActCommand):
    name = "open_cycle"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what to open."""
        super().add_arguments(parser)
        parser.add_argument("--asset", default="", help="what to carry out")
        parser.add_argument("--notional", type=sum_of_money, metavar="USDT", help="with --asset")
        parser.add_argument(
            "--return-only", action="store_true", help="send KRW that the desk holds home instead"
        )
        parser.add_argument(
            "--notional-krw", type=sum_of_money, metavar="KRW", help="with --return-only"
        )

        parser.add_argument(
            "--korea-venue",
            choices=registry.KOREAN_VENUES,
            default="",
            help="where to sell; the best one if not given, and needed with --return-only if the desk has several",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Show what opening would mean; with --yes open."""
        _demand_whole(options)
        if not options["yes"]:
            self._show(options)
            return
        self.actor(options, Verb.OPEN)
        made = selectors.cycle_by_code(self._open(options).code)
        text = f"{made.code} {made.status} version {made.version}"
        self.emit({"cycle": cycle_facts(made)}, text, options)

    def _show(self, options: dict[str, Any]) -> None:
        """Print the dry run."""
        if options["return_only"]:
            krw = options["notional_krw"]
            facts = {"kind": "RETURN_ONLY", "notional_krw": krw}
            self.emit(facts, f"return only: {won(krw)} of the desk goes home", options)
        else:
            seen = opening.preview_by_hand(
                asset=options["asset"].upper(),
                notional_usdt=options["notional"],
                korea_venue=options["korea_venue"],
            )
            self.emit(asdict(seen), _told(seen), options)
            if seen.objections:
                raise PolicyDeniedError("; ".join(seen.objections))
        self.invite(options, "--reason TEXT")

    def _open(self, options: dict[str, Any]) -> Cycle:
        """Call the service."""
        actor, reason = self.actor(options, Verb.OPEN), self.reason(options)
        if options["return_only"]:
            return opening.open_return_only(
                notional_krw=options["notional_krw"],
                korea_venue=options["korea_venue"],
                actor=actor,
                reason=reason,
            )
        return opening.open_by_hand(
            asset=options["asset"].upper(),
            notional_usdt=options["notional"],
            korea_venue=options["korea_venue"],
            actor=actor,
            reason=reason,
        )


def _demand_whole(options: dict[str, Any]) -> None:
    """Raise unless what belongs together was given."""
    if options["return_only"] and options["notional_krw"] is None:
        raise InvalidInputError("--return-only needs --notional-krw")
    if not options["return_only"] and not (options["asset"] and options["notional"]):
        raise InvalidInputError("say what to open: --asset and --notional")


def _told(seen: OpeningPreview) -> str:
    """Write the dry run."""
    edge = "not known" if seen.edge_bps is None else f"{quantity(seen.edge_bps)} bps"
    lines = [
        f"open {seen.asset} to {seen.korea_venue} with {quantity(seen.notional_usdt)} USDT",
        f"  edge now: {edge}",
        f"  KRW expected in Korea: {won(seen.expected_krw) or 'not known'}",
        *(f"  against it: {text}" for text in seen.objections),
    ]
    return "\n".join(lines)
