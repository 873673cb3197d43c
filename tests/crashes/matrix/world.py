"""Venues, a desk and a driver of workers: cycles whose worker dies where the test says."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models.functions import Now

from cycles.domain import postings
from cycles.domain.words import AccountOwner, Mode, PostingKind
from cycles.models import Cycle, ExchangeCall, VenueWatch
from cycles.services import booking, opening
from cycles.services.desk import current, set_mode
from cycles.services.intervening import Actor
from tests.crashes.matrix.child import TURN_SECONDS
from tests.crashes.matrix.drivers import Driver, Drivers
from tests.crashes.matrix.left import AWAY, assert_nothing_forgotten
from tests.crashes.matrix.ways import Ways
from tests.crashes.proof import assert_one_story, tend_dead_letters
from tests.desk import FRESH_SECONDS, TestDesk, operator, why

KILLED = 9
HAND_BACK = "leasing._write_releases"
ALERT = "alerting.raise_alerts"  # of a commit of its own: a machine that others load has one more, of what takes long
FIRST_LOOK = "looking.begin"
GIVEN_BACK = {"cancelled", "failed", "rejected"}  # withdrawals that came to nothing
PASSAGES = {"STARTED", "REBALANCING_IN_PROGRESS"}
# A role that is told to stop promises to be gone within 10 seconds: three times that on a machine which others load.
PROMISED_SECONDS, SLACK = 10.0, 3
# Deep books that stand still: every order fills whole, and no two runs differ.
BOOKS = (
    ("binance", "XRPUSDT", "2.2"),
    ("upbit", "KRW-XRP", "3300"),
    ("binance", "SOLUSDT", "230"),
    ("upbit", "KRW-SOL", "322000"),  # the cheapest way home
    ("upbit", "KRW-USDT", "1450"),
    ("bithumb", "KRW-XRP", "3300"),
    ("bithumb", "KRW-SOL", "322000"),
    ("bithumb", "KRW-USDT", "1450"),
)
NOTIONAL = Decimal(150)
# Two withdrawals alike would be a person's to tell apart. Each buys 3.2 XRP more, within its limit: all are rounded alike.
APART = 32 * Decimal("0.1") * Decimal("2.2014")
NOTIONAL_KRW = Decimal(200_000)  # of a cycle that only comes home
APART_KRW = Decimal(10_000)
FAR = 110  # such steps away: a cycle larger than those that are killed


@dataclass(frozen=True, slots=True)
class Point:
    """Where to die: the `nth` time that a worker reaches the place of that name."""

    name: str
    nth: int = 1

    def __str__(self) -> str:
        return self.name if self.nth == 1 else f"{self.name} ({self.nth})"


def one_side_each(points: Iterable[Point]) -> list[Point]:
    """Choose of the sides of each seam (before it, within, after it) one, by turns: all of them take the crash matrix."""
    seams: dict[str, list[Point]] = {}
    for point in points:
        seams.setdefault(point.name.rpartition(" | ")[0], []).append(point)
    return [sides[turn % len(sides)] for turn, sides in enumerate(seams.values())]


@dataclass(frozen=True, slots=True)
class Way:
    """Where an undisturbed one comes by, each place as often as it does, and what came of it."""

    points: Sequence[Point]
    shape: dict[str, Any] = field(default_factory=dict)
    far: dict[str, Any] = field(default_factory=dict)  # what came of a far larger one

    def share(self, number: int, of: int) -> list[Point]:
        """Give one of several shares of the places: together they are all of them."""
        return list(self.points[number::of])


@dataclass(frozen=True, slots=True)
class Ended:
    """What a worker did: the signal that ended it (0: none), and the places in order."""

    signal: int
    reached: tuple[str, ...]
    is_overdue: bool = False  # it was killed, since it had not ended in time

    @property
    def was_killed(self) -> bool:
        """Say whether it died where it was told to."""
        return self.signal == KILLED

    def points(self) -> Iterator[Point]:
        """Give every place as often as it was reached."""
        seen: Counter[str] = Counter()
        for name in self.reached:
            seen[name] += 1
            yield Point(name, seen[name])


@dataclass
class World:
    """The desk, and the process that forks its workers."""

    desk: TestDesk
    driver: Driver
    ways: Ways
    actor: Actor = field(default_factory=operator)
    opened: int = 0
    is_fed: bool = True  # by a feeder beside the worker
    missed: list[Point] = field(default_factory=list)

    def open(self) -> Cycle:
        """Open a cycle that is like no other."""
        self._keep_samples_fresh()
        notional, self.opened = NOTIONAL + APART * self.opened, self.opened + 1
        return opening.open_by_hand(
            asset="XRP", notional_usdt=notional, actor=self.actor, reason="a test"
        )

    def open_home(self) -> Cycle:
        """Open a cycle that only comes home, and is like no other."""
        self._keep_samples_fresh()
        notional, self.opened = NOTIONAL_KRW + APART_KRW * self.opened, self.opened + 1
        return opening.open_return_only(notional_krw=notional, actor=self.actor, reason="a test")

    @contextmanager
    def opening_large(self) -> Iterator[None]:
        """Let a cycle that is opened be far larger; those after it are as they would have been."""
        before, self.opened = self.opened, FAR
        try:
            yield
        finally:
            self.opened = before

    def drive(self, *cycles: Cycle, die_at: Point | None = None, halts_in: str = "") -> Ended:
        """Let one worker drive these cycles to their ends, or die; the desk may be halted once it sees a status."""
        place = None if die_at is None else [die_at.name, die_at.nth]
        ids = [str(cycle.pk) for cycle in cycles]
        return self._order(do="drive", cycles=ids, die_at=place, halts_in=halts_in)

    def drive_undisturbed(self, cycle: Cycle) -> list[Point]:
        """Let one worker drive a cycle to its end, alone, as the first that looks at the venues; gives where it came by."""
        _keep_others_away()
        VenueWatch.objects.all().delete()
        return list(self.drive(cycle).points())

    def act(
        self, dotted: str, *, die_at: Point | None = None, may_fail: bool = False, **facts: Any
    ) -> Ended:
        """Let a process do something by its dotted name."""
        self._keep_samples_fresh()
        place = None if die_at is None else [die_at.name, die_at.nth]
        return self._order(may_fail=may_fail, do=dotted, die_at=place, **{"with": facts})

    def work(
        self,
        role: str,
        cycle: Cycle,
        *,
        known: Collection[str],
        may: str,
        within: float = TURN_SECONDS + SLACK * PROMISED_SECONDS,
    ) -> str:
        """Let a role's process work on a cycle until it is told to stop: at the first new place that it `may` be.

        Gives that place, if it came to one. It must have ended so many seconds after its beginning.
        """
        self._keep_samples_fresh()
        order = {"role": role, "cycle": str(cycle.pk), "known": [*known], "may": may}
        ended = self._order(do="work", die_at=None, within=within, **order)  # type: ignore[arg-type]
        at = next((one for one in ended.reached if one not in known and re.search(may, one)), "")
        told = f"{role}, told to stop at {at or 'its end'}"
        assert not ended.is_overdue, f"{told}, had not ended {within:.0f} s after it began"
        assert ended.signal == 0, f"{told}, did not end well, or was not told"
        return at

    def die(self, point: Point, cycle: Cycle | None = None, *, may_miss: bool = False) -> Cycle:
        """Kill the worker that drives a cycle, a new one if none is given, at a point; nobody goes on yet.

        Looks that wait are not as many each time: one that came once more before may be missed now, and the hand-back
        that only they write. In a passage the desk is halted where that is to come, once coins travel: then its cycle
        has to wait.
        """
        _keep_others_away()
        cycle = cycle or self.open()
        if FIRST_LOOK in point.name:  # a venue's very first look commits where no other does
            VenueWatch.objects.all().delete()
        halts_in = _halts_in(point.name)
        try:
            ended = self.drive(cycle, die_at=point, halts_in=halts_in)
        finally:
            self._resume()
        if not ended.was_killed:
            comes_seldom = point.nth > 1 or (HAND_BACK in point.name and not halts_in)
            is_late = ALERT in point.name
            assert may_miss or comes_seldom or is_late, f"{point} was not reached"
            self.missed.append(point)
        _let_looks_run_out()
        return cycle

    def go_on(self, *cycles: Cycle) -> list[str]:
        """Let leases run out and another worker take over; a person tends what it leaves to people."""
        self.let_time_pass(*cycles)
        assert self.drive(*cycles).signal == 0
        tended = tend_dead_letters(self.desk)
        if tended:
            assert self.drive(*cycles).signal == 0
        return tended

    def let_time_pass(self, *cycles: Cycle) -> None:
        """Let these cycles be due, and what dead workers had taken be free."""
        mine = Cycle.objects.filter(pk__in=[cycle.pk for cycle in cycles])
        mine.filter(ended_at=None).exclude(status="DEAD_LETTER").update(wake_at=Now())
        mine.filter(lease_expires_at__isnull=False).update(lease_expires_at=Now())
        _let_looks_run_out()

    def shape(self, cycle: Cycle) -> dict[str, Any]:
        """Give how a cycle ended, and what it moved at the venues, one after the other, but for the ids."""
        cycle.refresh_from_db()
        calls = list(
            ExchangeCall.objects.filter(cycle=cycle, outcome="DONE").select_related("step")
        )
        done = Counter((c.operation, c.venue, c.step.passage, c.step.position) for c in calls)
        amounts: dict[tuple[str, str, str], list[Decimal]] = {}
        for key, amount in (*self._executed(calls), *self._sent(calls)):
            amounts.setdefault(key, []).append(Decimal(str(amount)))
        return {
            "status": cycle.status, "done": done, "why": why(cycle),
            "accepted": {key: len(moved) for key, moved in amounts.items()},
            "amounts": amounts, "notional": cycle.notional_usdt or cycle.notional_krw,
        }  # fmt: skip

    def _executed(
        self, calls: Sequence[ExchangeCall]
    ) -> Iterator[tuple[tuple[str, str, str], Any]]:
        """Give how much each order of these calls has traded, as the venues show it."""
        ours = {call.client_order_id for call in calls}
        for row in self.desk.control("/control/orders"):
            if row["client_order_id"] in ours:
                yield (row["venue"], row["symbol"], row["side"]), row["executed"]

    def _sent(self, calls: Sequence[ExchangeCall]) -> Iterator[tuple[tuple[str, str, str], Any]]:
        """Give how much each withdrawal of these calls has sent, but for what the venues gave back."""
        sent = {(call.venue, call.venue_order_id) for call in calls if call.operation == "WITHDRAW"}
        for row in self.desk.control("/control/transfers")["withdrawals"]:
            is_ours = (row["venue"], row["venue_withdrawal_id"]) in sent
            if is_ours and row["state"] not in GIVEN_BACK:
                yield (row["venue"], row["asset"], "WITHDRAW"), row["quantity"]

    def assert_whole(self) -> None:
        """Hold journal, ledger and venues against each other."""
        assert_one_story(self.desk)

    def _resume(self) -> None:
        seen = current()
        if seen.mode == Mode.HALT:
            set_mode(Mode.RUN, actor=self.actor, reason="a test", seen_version=seen.version)

    def _keep_samples_fresh(self) -> None:
        if self.is_fed and time.monotonic() - self.desk.sampled_at > FRESH_SECONDS / 2:
            self.desk.sample(finds_something=False)

    def _order(self, *, may_fail: bool = False, **order: Any) -> Ended:
        # A feeder goes on beside the worker, whatever it is kept waiting for.
        told = self.driver.obey(order, meanwhile=self._keep_samples_fresh)
        status = told["status"]
        assert may_fail or status in {0, KILLED}, (
            f"the worker failed ({status}): see the captured output"
        )
        assert_nothing_forgotten()  # before anybody touches what it has left
        return Ended(signal=status, reached=tuple(told["reached"]), is_overdue=told["is_overdue"])


def in_common(runs: Sequence[Sequence[Point]]) -> list[Point]:
    """Give the places that every one of these runs came by, each as often as the run that came by it least.

    A hand-back for which the desk is halted where a worker is to be killed counts once, if any run came by it.
    """
    counts = [Counter(point.name for point in run) for run in runs]
    most = {point: None for run in runs for point in run}  # in order, each once
    return [
        point
        for point in most
        if point.nth <= min(count[point.name] for count in counts)
        or (point.nth == 1 and _halts_in(point.name))
    ]


def halve(cycle: Cycle, asset: str) -> None:
    """Give the desk half of what a cycle holds of an asset at Binance, behind its worker's back."""
    half = booking.held_by_cycle(cycle, "binance", asset) / 2
    origin, target = AccountOwner.CYCLE, AccountOwner.DESK
    lines = postings.moved("binance", asset, half, origin=origin, target=target)
    booking.post(f"half of {cycle.code}", PostingKind.RESOLVED, lines, cycle=cycle)


def _halts_in(name: str) -> str:
    """Give the status in which the desk is halted so that a place is come by; none, if it is come by anyhow."""
    status = name.partition(": ")[0]
    return status if HAND_BACK in name and status in PASSAGES else ""


def _keep_others_away() -> None:
    """Let what else is under way be due later: the next worker has one cycle only."""
    under_way = Cycle.objects.filter(ended_at=None).exclude(status="DEAD_LETTER")
    under_way.update(wake_at=AWAY)


def _let_looks_run_out() -> None:
    """Let time pass for the looks at venues that a dead process had taken."""
    VenueWatch.objects.filter(expires_at__isnull=False).update(expires_at=Now())


@contextmanager
def world(desk: TestDesk, drivers: Drivers, ways: Ways) -> Iterator[World]:
    """Pin the books, and let a driver of these venues fork workers on the test's database."""
    for venue, symbol, mid in BOOKS:
        book = {"venue": venue, "symbol": symbol, "mid": mid, "quantity": "1000000"}
        desk.control("/control/book", book)
    yield World(desk=desk, driver=drivers.at(desk.running.control_url), ways=ways)
