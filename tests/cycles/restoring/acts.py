"""What the tests of a restore do again and again, through the product's own doors."""

from __future__ import annotations

import io
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

from django.core.management import CommandError, call_command

from cycles.domain.progress import Turn
from cycles.domain.words import Mode
from cycles.models import Cycle, Desk, ExchangeCall
from cycles.services import booking, desk as desk_service, intervening, leasing, verifying
from cycles.services.resolving import Resolution, ResolutionOutcome, resolve
from exchanges.values import Market
from tests import builders
from tests.cycles.services.acts import give_back
from tests.desk import DEADLINE_SECONDS, TestDesk, eventually, operator, why

WORDS = ("--yes", "--as", "alice", "--reason", "the dump of three o'clock was restored")
ACCEPT = ("--accept", *WORDS)
MILLION = Decimal(1_000_000)
WON = 3 * MILLION
XRP = Market("XRP", "KRW")


def catch_up(*words: str) -> dict[str, Any]:
    """Run the command; its facts, and how it ended."""
    operator()
    said, code = io.StringIO(), 0
    try:
        call_command("catch_up", "--json", *words, stdout=said, stderr=io.StringIO())
    except CommandError as error:
        if not said.getvalue():
            raise
        code = error.returncode
    facts: dict[str, Any] = json.loads(said.getvalue())
    return {**facts, "code": code}


def sent(desk: TestDesk) -> Counter[str]:
    """Count what reached each venue and moves money."""
    rows = desk.control("/control/requests")
    return Counter(
        f"{row['venue']} {row['path']}"
        for row in rows
        if row["method"] == "POST"
        and row["path"].split("?")[0].endswith(("order", "orders", "apply", "coin"))
    )


def times_placed(desk: TestDesk) -> int:
    """Give how often the most frequent order of ours was accepted."""
    ids = Counter((row["venue"], row["client_order_id"]) for row in desk.control("/control/orders"))
    return max(ids.values())


def resume() -> None:
    """Let the desk run again."""
    desk_service.set_mode(
        Mode.RUN, actor=operator(), reason="caught up", seen_version=Desk.objects.get().version
    )


def credited(desk: TestDesk, venue: str, asset: str, quantity: Decimal | int) -> None:
    """Let a venue have more of an asset, or less, of which kimp is told nothing."""
    credit = {"venue": venue, "asset": asset, "credit": f"{quantity:f}"}
    desk.control("/control/balances", credit)


def has(desk: TestDesk, venue: str, asset: str, quantity: Decimal) -> None:
    """Let the desk itself have so much of an asset, by a person's word."""
    credited(desk, venue, asset, quantity - booking.desk_balance(venue, asset))
    assert catch_up(*ACCEPT)["is_in_step"]
    resume()


def won_paid_in(desk: TestDesk, won: int) -> None:
    """Pay in after the backup."""
    credited(desk, "upbit", "KRW", won)
    builders.capital("upbit", "KRW", won)


def settled_by_hand(cycle: Cycle) -> None:
    """State of a dead letter that it was settled by hand: what it holds is the desk's."""
    cycle.refresh_from_db()
    resolve(
        cycle.pk,
        actor=operator(),
        reason="it was settled by hand",
        seen_version=cycle.version,
        resolution=Resolution(outcome=ResolutionOutcome.COMPLETED, evidence="the book of the desk"),
    )


def redrive(cycle: Cycle) -> None:
    """Send a dead letter on."""
    cycle.refresh_from_db()
    intervening.redrive(cycle.pk, actor=operator(), reason="looked at", seen_version=cycle.version)


def assert_ledger_equals_venues() -> None:
    report = verifying.verify_ledger()
    assert report.problems == ()
    assert report.is_balanced
    assert report.matches_venues
    assert report.is_settled


def assert_in_step(*remade: Cycle, words: Sequence[str] = WORDS) -> dict[str, Any]:
    """Catch up for the last time: these alone are made again, nobody else is parked, and the ledger equals the venues.

    Nothing is left either, unless a person accepts it.
    """
    done, codes = catch_up(*words), [one.code for one in remade]
    assert (done["remade"], done["is_in_step"]) == (codes, True)
    assert {*done["parked"]} <= {*codes}
    assert words == ACCEPT or done["left"] == []
    assert_ledger_equals_venues()
    return done


def assert_ends(
    desk: TestDesk, *redriven: Cycle, beside: Iterable[Cycle] = (), ends: str = "COMPLETED"
) -> None:
    """Let the desk run again and send dead letters on: they and those beside them end, nothing of it twice or missing."""
    resume()
    for cycle in redriven:
        redrive(cycle)
    for cycle in (*beside, *redriven):
        desk.drive_until(cycle, ends)
    assert times_placed(desk) == 1
    assert_ledger_equals_venues()


def is_settled(cycle: Cycle, position: int) -> bool:
    calls = ExchangeCall.objects.filter(cycle=cycle, is_settled=True)
    return calls.filter(step__position=position, step__quantity_out__gt=0).exists()


def driven_to(desk: TestDesk, cycle: Cycle, position: int) -> Cycle:
    """Drive a cycle, unit by unit, until the request of a step is settled, and no further.

    One that comes home as USDT has no eighth step: it has ended.
    """
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (is_settled(cycle, position) or cycle.is_final):
        assert time.monotonic() < deadline, why(cycle)
        desk.keep_samples_fresh()
        lease = desk.lease(cycle)
        while desk.unit(lease).turn is Turn.GO_ON and not is_settled(cycle, position):
            pass
        leasing.release(lease, wake_in=None)
        cycle.refresh_from_db()
    return cycle


def looked_at(desk: TestDesk, cycle: Cycle, is_seen: Callable[[], bool]) -> None:
    """Let a worker look at a cycle of a halted desk."""

    def look() -> bool:
        lease = desk.lease(cycle)
        desk.unit(lease)
        give_back(lease)
        return is_seen()

    eventually(look)
