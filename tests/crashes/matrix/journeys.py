"""The ways that a worker is killed on: what leads there, and the seams that each must have reached.

`tests/meta/test_seams.py` holds these seams against our code: one that no journey reaches is never killed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from django.db.models import F
from django.db.models.functions import Least, Now

from cycles.models import Cycle
from cycles.services import intervening, leasing
from cycles.services.desk import current_policy
from exchanges.market_sync import READ_AGAIN_AFTER
from exchanges.models import MarketRule, NetworkRule
from tests.crashes.matrix import beginnings
from tests.crashes.matrix.amounts import assert_same_end
from tests.crashes.matrix.counting import TRIES, assert_few
from tests.crashes.matrix.losing import (
    MOVING,
    TELLING,
    Kind,
    Struck,
    assert_struck,
    losing,
    moved_at,
)
from tests.crashes.matrix.test_acts import dead
from tests.crashes.matrix.world import ALERT, HAND_BACK, Point, World
from tests.cycles.services.acts import set_policy

ORDER = {"venue": "binance", "method": "POST", "path_regex": "/order$", "when": "once"}
SALE = {"venue": "upbit", "method": "POST", "path_regex": "/orders$", "when": "once"}
# Commits of those who look, or come and go: what was lost is nothing to them.
LOOKING = re.compile(r"(looking|sighting|leasing|venue_health)\.")
SENDING = {"venue": "binance", "method": "POST", "path_regex": "/withdraw/apply$", "when": "once"}


def _leave_as_it_is(_matrix: World) -> None:
    """Mend nothing."""


@dataclass(frozen=True, kw_only=True)
class Journey:
    """One way: how it begins, what harms it once, what people mend, how it ends, and where it must have been."""

    seams: frozenset[str]
    begin: Callable[[World], Cycle] = World.open
    faults: tuple[dict[str, Any], ...] = ()
    mend: Callable[[World], None] = _leave_as_it_is
    ends: str = "COMPLETED"


def _unwinding(matrix: World) -> Cycle:
    """Give a cycle that is to sell its coins where they lie."""
    cycle = dead(matrix)
    intervening.unwind(cycle.pk, actor=matrix.actor, reason="a test", seen_version=cycle.version)
    return cycle


def _open_wallet(matrix: World) -> None:
    """Open a wallet that has closed, and let the desk know."""
    way = {"venue": "binance", "asset": "XRP", "network": "XRP"}
    matrix.desk.control("/control/wallet", {**way, "withdraw": True})
    NetworkRule.objects.filter(**way).update(withdraw_is_open=True, refused_at=None)


def _edge_gone(matrix: World) -> Cycle:
    """Give a cycle that was opened an hour ago, bought nothing, and whose edge no longer clears its own policy."""
    cycle, floor = matrix.open(), current_policy().min_open_edge_bps
    set_policy(min_open_edge_bps=90_000)
    strict = {"policy": current_policy(), "opening_rule": "LOCKED_EDGE"}
    set_policy(min_open_edge_bps=floor)
    Cycle.objects.filter(pk=cycle.pk).update(**strict)
    return _long_ago(cycle)


def _way_shut(matrix: World) -> Cycle:
    """Give one that was to buy its way home an hour ago by an asset that cannot leave any more."""
    sol = NetworkRule.objects.filter(venue="upbit", asset="SOL")
    sol.update(withdraw_is_open=True)
    cycle = matrix.open_home()
    lease = matrix.desk.lease(cycle)
    while cycle.status != "REBALANCING_IN_PROGRESS":
        matrix.desk.unit(lease)
        cycle.refresh_from_db()
    leasing.release(lease, wake_in=timedelta(0))
    sol.update(withdraw_is_open=False)
    assert cycle.return_asset == "SOL"
    return _long_ago(cycle)


def _long_ago(cycle: Cycle) -> Cycle:
    """Let what a cycle does have been decided an hour ago."""
    before = Now() - timedelta(hours=1)
    Cycle.objects.filter(pk=cycle.pk).update(started_at=before, status_since=before)
    cycle.refresh_from_db()
    return cycle


OUT_AND_HOME = "out and home"
JOURNEYS: dict[str, Journey] = {
    OUT_AND_HOME: Journey(
        seams=frozenset({
            "advancing._close", "advancing._move", "calling.book", "calling.intend", "calling.note",
            "leasing._leased", "looking.begin", "looking.begin#2",
            "rebalancing._start", "sighting.record", "trading._end", "trading._send",
            "trading.settle_open_order", "transferring._follow", "transferring._request",
            "transferring._settle", "venue_health._note_clock",
        }),
    ),
    "an order is refused, and tried again": Journey(
        seams=frozenset({"retrying.fail", "rule_sync.keep_markets"}),
        faults=({"fault": "F22", **ORDER},),
    ),
    "an order rests with a part of it, and is cancelled": Journey(
        seams=frozenset({"trading._cancel"}),
        faults=({"fault": "F13", "action": "rests", "args": {"value": "0.3"}, **ORDER},),
    ),
    "replies are lost, of what was accepted and of what was not": Journey(
        seams=frozenset({"reconciling.record", "transferring.settle_accepted"}),
        faults=({"fault": "F4", **ORDER}, {"fault": "F4", **SENDING}, {"fault": "F3", **SALE}),
    ),
    "a withdrawal is given back": Journey(
        seams=frozenset({"transferring._given_back"}), faults=({"fault": "F27", **SENDING},)
    ),
    "a wallet has closed": Journey(
        seams=frozenset({"rule_sync.note_closed"}),
        faults=({"fault": "F31", **SENDING},),
        mend=_open_wallet,
    ),
    "nothing was bought, and the edge is gone": Journey(
        seams=frozenset({"judging._end_flat"}), begin=_edge_gone, ends="FAILED"
    ),
    "nothing was bought, and the way home is shut": Journey(
        seams=frozenset({"judging._wait_again"}), begin=_way_shut
    ),
    "coins are sold where they lie": Journey(
        seams=frozenset({"unwinding._plan_sales", "unwinding._end"}),
        begin=_unwinding,
        ends="FAILED",
    ),
    "fees were taken from what the books do not have": Journey(
        seams=frozenset({"calling.note#2"}),
        begin=beginnings.fees_not_brought_in,
        mend=beginnings.bring_fees_in,
    ),
    "coins are sold while it waits for its way home": Journey(
        seams=frozenset({"unwinding.set_plan"}), begin=beginnings.unwinding_in_its_wait
    ),
    "a deposit is held until its sender is named": Journey(
        seams=frozenset({"travel_rule._ask"}), begin=beginnings.deposit_held
    ),
    "coins left again in another transaction": Journey(
        seams=frozenset({"transferring._with_newest_txid"}), begin=beginnings.sent_anew
    ),
    "coins are given back after they had left": Journey(
        seams=frozenset({"transferring._came_back_late"}), begin=beginnings.given_back_late
    ),
}  # fmt: skip
OTHERS = [name for name in JOURNEYS if name != OUT_AND_HOME]
OPENING = frozenset({"opening.open_if_decided"})  # the initiator's own


def go(
    matrix: World,
    journey: Journey,
    die_at: Point | None = None,
    *,
    then: Point | None = None,
    fault: str = "none",
    struck: Struck | None = None,
) -> tuple[Cycle, list[Point]]:
    """Let a worker go a journey, or die on it, and another go on; gives where the first has been, each place once.

    Its successor may die too, at another place, if it comes by there.
    While a `fault` loses replies, to both of them; what it `struck` is counted.
    """
    _age_rules()
    matrix.opened = (
        0  # as large as any other, of which none is under way: amounts are the same to the digit
    )
    cycle, points = journey.begin(matrix), []
    for trouble in journey.faults:
        matrix.desk.fault(**trouble)
    with losing(matrix, fault) as lost:
        if die_at is None:
            points = [point for point in matrix.drive(cycle).points() if point.nth == 1]
        else:
            # who rests is not always looked at, and what a lost reply leaves unknown is found by one look or another
            matrix.die(die_at, cycle, may_miss=only_asks(die_at) or fault != "none")
        if then is not None:
            matrix.let_time_pass(cycle)
            matrix.die(then, cycle, may_miss=True)
        journey.mend(matrix)
        matrix.go_on(cycle)
    if die_at is None:
        assert_struck(lost, fault, moved_at(points))
    if struck is not None:
        struck += lost
    return cycle, points


def _age_rules() -> None:
    """Let what was read of venues' rules be old enough to be read again: who was refused does, each time."""
    for rules in (MarketRule.objects.all(), NetworkRule.objects.all()):
        rules.update(fetched_at=Least(F("fetched_at"), Now() - 2 * READ_AGAIN_AFTER))


def kill_on(
    matrix: World,
    journey: Journey,
    points: Sequence[Point],
    undisturbed: Cycle,
    *,
    then: Mapping[Point, Point] = MappingProxyType({}),
    fault: str = "none",
    moved: AbstractSet[Kind] = frozenset(),
) -> list[Point]:
    """Kill a worker at each of these places of a journey; hold the ends against an undisturbed one's.

    `then`: where the successor of one that died at a place is killed as well; where it does not come by, a worker of a
    journey of its own is.
    While a `fault` loses replies it must have struck what the journey `moved`, undisturbed. Gives the places that were
    tried in vain: few, or it fails.
    """
    wanted = matrix.shape(undisturbed)
    assert wanted["status"] == journey.ends, wanted
    assert points
    missed, left = [], [*points]
    struck: Struck = Counter()
    for point in left:
        before, after = len(matrix.missed), then.get(point)
        tried = (_killed_at(matrix, journey, point, after, fault, struck) for _ in range(TRIES))
        cycle = next((one for one in tried if one is not None), None)
        if cycle is None:
            missed.append(point)
            continue
        if after in matrix.missed[before:]:
            left.append(after)
        assert_same_end(matrix.shape(cycle), wanted, at=point)
    assert all(only_asks(one) or HAND_BACK in one.name or ALERT in one.name for one in missed), (
        missed
    )
    assert_few(missed, points)
    assert_struck(struck, fault, moved)
    matrix.assert_whole()
    return missed


def _killed_at(
    matrix: World,
    journey: Journey,
    point: Point,
    then: Point | None,
    fault: str,
    struck: Struck,
) -> Cycle | None:
    """Go a journey on which a worker dies at a place; none if it was not reached."""
    before = len(matrix.missed)
    cycle, _ = go(matrix, journey, point, then=then, fault=fault, struck=struck)
    return None if point in matrix.missed[before:] else cycle


def without_status(names: Iterable[str]) -> set[str]:
    """Name places by where they lie only."""
    return {name.rpartition(": ")[2] for name in names}


def only_asks(point: Point) -> bool:
    """Say that a place lies at a call that only asks: whoever dies there has changed nothing."""
    stands, _, kind = point.name.rpartition(" | ")
    return not kind.endswith("the commit") and not stands.endswith((*MOVING, *TELLING))


def is_of_money(point: Point) -> bool:
    """Say that a place lies at a call that moves money, or at a commit of who sends it or learns what became of it."""
    return not only_asks(point) and not LOOKING.match(point.name.rpartition(": ")[2])
