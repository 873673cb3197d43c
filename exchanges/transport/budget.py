"""What this process may ask of one venue: tokens from a store that all processes share, first come first served.

A thread that lacks tokens buys for all that wait, in one request to the store. A store that does not
answer in time is not waited for: the process then lives on a share of its own.
"""

from __future__ import annotations

import itertools
import threading
import time
from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from exchanges.metrics import note_hold, note_tokens_left, note_unshared
from exchanges.transport.limits import Pace, Priority, Scope, VenueLimits, Window, door
from exchanges.transport.shelves import Shelf
from exchanges.transport.windows import PARTS, Ask, BudgetStore, Grant, MemoryStore, StoreAwayError

OWN_SHARE = 8  # of the limits (1/8), while the shared store is away
ASK_AGAIN_SECONDS = 1.0  # a store that was away: what its own share lacks, it may have
LEAST_HASTE_SECONDS = 0.02  # from the store's answer to the first byte on the wire
CAUSES = {403: "walled_off", 418: "banned", 429: "turned_away"}
# A firewall and a ban do not say whether they mean the address or the account, and each call lengthens them.
CLOSES_ALL = frozenset({403, 418})
USED_UP = "used_up"

Key = tuple[str, Scope]
Bill = Sequence[tuple[Shelf, int]]


class UsedUpError(Exception):
    """There is no token for this call in the time it may wait; `seconds` until there may be one."""

    def __init__(self, group: str, seconds: float) -> None:
        super().__init__(group)
        self.group = group
        self.seconds = seconds


@dataclass(slots=True)
class Waiter:
    """One call that wants tokens: its place in the queue, and what it costs; whether the store knows of it."""

    priority: Priority
    ticket: int
    bill: Bill
    since: float
    is_told: bool = False

    def __lt__(self, other: Waiter) -> bool:
        """Stand before others of lower priority, and of the same in order of arrival."""
        return (self.priority, self.ticket) < (other.priority, other.ticket)


@dataclass(slots=True)
class Lack:
    """What calls of one priority lack of one window, call by call; the first waits longest."""

    since: float
    units: list[int] = field(default_factory=list)
    is_news: bool = False


class RateBudget:
    """The tokens of one venue for the threads of one process.

    Without `limits` it only remembers how long the venue asked us to pause.
    """

    def __init__(
        self,
        venue: str = "",
        limits: VenueLimits | None = None,
        *,
        store: BudgetStore | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._venue = venue
        self._limits = limits or VenueLimits()
        self._monotonic = monotonic
        self._own = MemoryStore(
            parts_of_limit=OWN_SHARE if store else 1,
            lets_money_pass=store is not None,
            monotonic=monotonic,
        )
        self._store: BudgetStore = store or self._own
        self._changed = threading.Condition()
        self._is_buying = False
        self._haste_seconds = LEAST_HASTE_SECONDS
        self._tickets = itertools.count()
        self._queue: list[Waiter] = []
        self._shelves: dict[Key, Shelf] = {}
        self._group_of: dict[str, str] = {}

    def take(self, operation: str, *, priority: Priority, patience_seconds: float) -> float:
        """Wait for the tokens of a call and take them; gives the seconds waited.

        Raises UsedUpError as soon as it is clear that waiting would outlast the patience.
        """
        began = self._monotonic()
        with self._changed:
            waiter = Waiter(priority, next(self._tickets), self._bill(operation), began)
            insort(self._queue, waiter)
            try:
                self._serve(waiter, began + patience_seconds)
            finally:
                self._queue.remove(waiter)
                self._changed.notify_all()
        return self._monotonic() - began

    def seconds_held(self, operation: str) -> float:
        """Give how long the venue asked us to leave this operation alone: 0 if it may go now."""
        with self._changed:
            held_until = max(shelf.held_until for shelf, _ in self._bill(operation))
            return max(held_until - self._monotonic(), 0.0)

    def seconds_shut(self) -> float:
        """Give how long the venue asked us to leave all alone: 0 if calls may go now."""
        with self._changed:
            doors = [shelf.held_until for shelf in self._shelves.values() if shelf.is_door]
            return max(max(doors, default=0.0) - self._monotonic(), 0.0)

    def group_of(self, operation: str) -> str:
        """Give the group that an operation is counted in first, for metrics."""
        costs = self._limits.costs_of(operation)
        return costs[0][0] if costs else self._group_of.get(operation, "")

    def note(self, operation: str, pace: Pace, *, status: int | None, epoch_seconds: float) -> None:
        """Note what a reply said: counts, and how long to pause (a ban closes every scope of the venue).

        `status` is that of a reply that turned the call away. `epoch_seconds` is the venue's clock: where it says that a window is used up, nothing goes
        until that window ends.
        """
        with self._changed:
            now = self._monotonic()
            if pace.group:
                self._group_of[operation] = pace.group
            for group, used in {**pace.used, **self._used(pace.left)}.items():
                shelf = self._shelf_of(group)
                if shelf.see(used, now) and group in pace.used:
                    span = shelf.window.span_seconds
                    self._hold(shelf, span - epoch_seconds % span, USED_UP, now)
            if pace.hold_seconds > 0:
                for shelf in self._paused(operation, pace.group, status):
                    cause = USED_UP if status is None else CAUSES[status]
                    self._hold(shelf, pace.hold_seconds, cause, now)

    def learn(self, limits: Mapping[str, int]) -> None:
        """Keep the limits that the venue tells, by group, for all processes."""
        for group, limit in limits.items():
            window = self._limits.named(group)
            if window is not None and limit > 0:
                self._own.learn(self._venue, window, limit)
                self._store.learn(self._venue, window, limit)

    def _serve(self, waiter: Waiter, ends_at: float) -> None:
        """Go on when every token is there, buying where nobody else does."""
        while True:
            now = self._monotonic()
            behind = self._behind(waiter, now, ends_at)
            if behind is None:
                for shelf, cost in waiter.bill:
                    shelf.tokens -= cost if shelf.limit else 0
                return
            group, due_at = behind
            if due_at > ends_at:
                raise UsedUpError(group, due_at - now)
            if due_at <= now and not self._is_buying:
                self._buy(now)
            elif now >= ends_at:
                raise UsedUpError(group, max(due_at - now, self._slot_seconds(waiter.bill)))
            else:
                self._changed.wait((due_at if due_at > now else ends_at) - now)

    def _behind(self, waiter: Waiter, now: float, ends_at: float) -> tuple[str, float] | None:
        """Give the group that keeps a call back, and when to look again; None: it may go.

        A window that has nothing yet is asked once more for a call that the store knows nothing of:
        else only those that came before it would have a place in line.
        """
        held = max((shelf for shelf, _ in waiter.bill), key=lambda shelf: shelf.held_until)
        if held.held_until > now:
            return held.window.group, held.held_until
        lacking = [
            shelf
            for shelf, cost in waiter.bill
            if shelf.limit and shelf.live_tokens(now) < cost + self._promised(shelf, waiter)
        ]
        if not lacking:
            return None
        last = max(lacking, key=lambda shelf: shelf.closed_until[waiter.priority])
        due_at = last.closed_until[waiter.priority]
        is_for_the_line = not waiter.is_told and due_at <= ends_at
        return last.window.group, waiter.since if is_for_the_line else due_at

    def _promised(self, shelf: Shelf, waiter: Waiter) -> int:
        """Give the tokens of a shelf that are for those before us."""
        before = itertools.takewhile(lambda one: one is not waiter, self._queue)
        return sum(cost for one in before for its, cost in one.bill if its is shelf)

    def _slot_seconds(self, bill: Bill) -> float:
        """Give how long a queue that did not move may need to: a slot."""
        return max(shelf.window.span_seconds for shelf, _ in bill) / PARTS

    def _buy(self, now: float) -> None:
        """Buy what all waiting calls lack, in one request, while others may come and go."""
        asks = self._asks(now)
        for waiter in self._queue:
            waiter.is_told = True
        self._is_buying = True
        self._changed.release()
        try:
            grants = self._bought([ask for _, ask in asks])
        finally:
            self._changed.acquire()
            self._is_buying = False
            self._haste_seconds = max(2 * (self._monotonic() - now), LEAST_HASTE_SECONDS)
        for (shelf, ask), grant in zip(asks, grants, strict=True):
            shelf.put_away(ask, grant, now)
            if ask.wanted:
                left = max(shelf.limit - grant.used, 0)
                note_tokens_left(venue=self._venue, group=shelf.window.group, left=left)
        self._changed.notify_all()

    def _bought(self, asks: Sequence[Ask]) -> Sequence[Grant]:
        try:
            return self._store.take(self._venue, asks)
        except StoreAwayError:
            note_unshared(venue=self._venue)
            own = self._own.take(self._venue, asks)
            return [replace(grant, seconds=min(grant.seconds, ASK_AGAIN_SECONDS)) for grant in own]

    def _asks(self, now: float) -> list[tuple[Shelf, Ask]]:
        """Say what is lacking, by window and priority, in the order of the queue; doors besides."""
        lacks: dict[tuple[Key, Priority], Lack] = {}
        rest = {key: shelf.live_tokens(now) for key, shelf in self._shelves.items()}
        for waiter in self._queue:
            for shelf, cost in waiter.bill:
                key = shelf.window.key
                lack = max(cost - max(rest[key], 0), 0) if shelf.limit else 0
                rest[key] -= cost
                if lack or not shelf.limit:
                    known = lacks.setdefault((key, waiter.priority), Lack(waiter.since))
                    known.units.append(lack)
                    known.is_news |= not waiter.is_told
        shelves = self._shelves
        return [
            (shelves[key], self._ask(shelves[key], priority, lack, now))
            for (key, priority), lack in lacks.items()
            if lack.is_news or shelves[key].closed_until[priority] <= now
        ]

    def _ask(self, shelf: Shelf, priority: Priority, lack: Lack, now: float) -> Ask:
        return shelf.ask(
            priority,
            lack.units,
            now,
            haste_seconds=self._haste_seconds,
            waited_seconds=now - lack.since,
        )

    def _bill(self, operation: str) -> Bill:
        """Give what a call draws on: its windows, the group its replies name, and their doors."""
        costs = dict(self._limits.costs_of(operation))
        learned = self._group_of.get(operation)
        if learned:
            costs.setdefault(learned, 1)
        bill = [(self._shelf_of(group), cost) for group, cost in costs.items()]
        scopes = {shelf.window.scope for shelf, _ in bill} or {Scope.ACCOUNT}
        return [*bill, *((self._shelf(door(scope)), 0) for scope in sorted(scopes))]

    def _shelf_of(self, group: str) -> Shelf:
        """Give the shelf of a group; of one that no limit names too: it can be held."""
        window = self._limits.named(group)
        return self._shelf(window or Window(group=group, scope=Scope.ACCOUNT, limit=0))

    def _shelf(self, window: Window) -> Shelf:
        return self._shelves.setdefault(window.key, Shelf(window, window.limit))

    def _paused(self, operation: str, group: str, status: int | None) -> list[Shelf]:
        """Say what a pause is for: a ban for every door there is, else the group named, or the call's own."""
        bill = [shelf for shelf, _ in self._bill(operation)]
        doors = [shelf for shelf in bill if shelf.is_door]
        if status in CLOSES_ALL:
            others = self._limits.scopes - {one.window.scope for one in doors}
            return [*doors, *(self._shelf(door(scope)) for scope in sorted(others))]
        if group:
            return [self._shelf_of(group)]
        return [shelf for shelf in bill if not shelf.is_door] or doors

    def _hold(self, shelf: Shelf, seconds: float, cause: str, now: float) -> None:
        shelf.hold(seconds, now)
        self._store.hold(self._venue, shelf.window, seconds=seconds, cause=cause)
        note_hold(venue=self._venue, group=shelf.window.group, cause=cause)
        self._changed.notify_all()

    def _used(self, left: Mapping[str, int]) -> dict[str, int]:
        """Turn what is left into what is used, where the limit is known."""
        shelves = {group: self._shelf_of(group) for group in left}
        return {g: shelf.limit - left[g] for g, shelf in shelves.items() if shelf.limit}
