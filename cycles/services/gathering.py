"""What a sweep learns of many open calls at once, and what it marks on many at once: no statement for each call.

Whatever is told here was read before a venue is asked for a call alone, however long that takes of the others;
so an absence is written of no order that a look has shown meanwhile (`NEVER_LISTED`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from cycles.domain.money import ZERO
from cycles.domain.shown import plain
from cycles.domain.words import Operation
from cycles.models import ExchangeCall, SeenOrder
from cycles.services import agreeing, locked_funds, matching, seeing
from cycles.services.agreeing import Reading
from cycles.services.matching import OPEN, Traces
from exchanges.errors import VenueError
from exchanges.lasting import lasting

T = TypeVar("T")

SECOND_LOOK = timedelta(seconds=5)  # after the first "not found": a venue that comes back may lag
NEVER_LISTED = Q(
    ~Exists(
        SeenOrder.objects.filter(
            venue=OuterRef("venue"), client_order_id=OuterRef("client_order_id")
        )
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """By their keys: the requests whose order a look ever showed, and those about an order that stands as shown."""

    listed: frozenset[int] = frozenset()
    shown: frozenset[int] = frozenset()


@dataclass(slots=True)
class Gathered:
    """Some open calls, and what is read for all of a venue's when the first needs it.

    `now`, read when they are begun with, makes a call younger than it is, and so never absent too early; None
    where all begin to count now. A venue that could not be asked is not asked again for the rest of its calls.
    """

    calls: Sequence[ExchangeCall]
    now: datetime | None
    _seen: dict[str, Seen | VenueError] = field(default_factory=dict)  # by venue
    _traces: dict[str, Traces | VenueError] = field(default_factory=dict)
    _clocks: dict[str, Reading] = field(default_factory=dict)
    _locked: dict[str, Mapping[str, Decimal] | VenueError] = field(default_factory=dict)
    _locked_since: dict[str, timedelta] = field(default_factory=dict)  # by `lasting`
    _explained: dict[str, Decimal | VenueError] = field(default_factory=dict)  # by venue and asset
    _missed: list[int] = field(default_factory=list)  # for the first time
    _doubted: dict[datetime, list[int]] = field(default_factory=lambda: defaultdict(list))

    def seen(self, venue: str) -> Seen:
        """Give what looks have shown of all of a venue's orders. Raises VenueError when it cannot be asked."""
        return _once(self._seen, venue, self._read_seen)

    def traces(self, venue: str) -> Traces:
        """Give what a venue shows of all its withdrawals. Raises VenueError when it cannot be asked."""
        return _once(self._traces, venue, self._read_traces)

    def asked_at(self, venue: str) -> datetime:
        """Give a time before a venue is asked for any of its orders alone, and after what looks have shown was read."""
        return self.clock(venue).at

    def clock(self, venue: str) -> Reading:
        """Give the database's clock at that time, and whether a venue's agreed with it."""
        if venue not in self._clocks:
            self._clocks[venue] = agreeing.read(venue)
        return self._clocks[venue]

    def age(self, call: ExchangeCall) -> timedelta:
        """Give how long a call has been known to be unknown, by the database's clock.

        An intent whose worker is gone counts from our first look at it: it may have been sent at the
        last moment of its lease.
        """
        return self.now - call.noted_at if self.now and call.noted_at else timedelta(0)

    def is_missed_again(self, call: ExchangeCall, asked_at: datetime) -> bool:
        """Say whether the venue told long enough ago already that there is none; the first time is to be marked."""
        if call.missed_at is None:
            self._missed.append(call.pk)
            return False
        return asked_at - call.missed_at >= SECOND_LOOK

    def withheld(self, call: ExchangeCall) -> str:
        """Say what a venue has locked that may be for an order that it did not find just now, or nothing.

        One reading of a venue for all of its calls, and one of what explains it, where it could be; another after a
        few seconds: an order may have come meanwhile. Raises VenueError when it cannot be asked.
        """
        self._forget_locked(call.venue)
        would = locked_funds.of_order(call.request)
        locked = _once(self._locked, call.venue, locked_funds.locked).get(would.asset, ZERO)
        if not locked or locked < would.quantity:
            return ""
        key, as_of = f"{call.venue}:{would.asset}", self.asked_at(call.venue)
        explained = _once(
            self._explained,
            key,
            lambda _: locked_funds.explained(call.venue, would.asset, accepted_by=as_of),
        )
        if locked - explained < would.quantity:
            return ""
        return (
            f"{call.venue} does not find {call.client_order_id}, and has as much locked as it would lock, or more: "
            f"{would} of {plain(locked - explained)} that our other requests do not explain"
        )

    def _forget_locked(self, venue: str) -> None:
        """Let what a venue has locked be read again, if that was read some seconds ago."""
        now = lasting()
        if now - self._locked_since.setdefault(venue, now) <= SECOND_LOOK:
            return
        self._locked_since[venue] = now
        self._locked.pop(venue, None)
        for key in [key for key in self._explained if key.startswith(f"{venue}:")]:
            del self._explained[key]

    def doubt(self, call: ExchangeCall, asked_at: datetime) -> None:
        """Let be marked when the venue of an order that looks have shown was asked for it last, and found none."""
        self._doubted[asked_at].append(call.pk)

    def mark_missed(self) -> None:
        """Write what was not found, all of it at once: whoever dies before asks once more.

        A first "not found" counts from this moment, which is later than any of them was told.
        """
        is_open = ExchangeCall.objects.filter(outcome__in=OPEN)
        if missed := self._as_read(self._missed):
            first = is_open.filter(NEVER_LISTED, pk__in=missed, missed_at=None)
            first.update(missed_at=Now())
        for asked_at, doubted in self._doubted.items():
            is_open.filter(pk__in=self._as_read(doubted)).update(missed_at=asked_at)

    def _as_read(self, calls: Sequence[int]) -> Sequence[int]:
        """Give those whose cycles are as they were read: under a lease, all."""
        return calls

    def _read_seen(self, code: str) -> Seen:
        mine = [call for call in self.calls if call.venue == code]
        rows = seeing.orders_of([one for one in mine if one.operation != Operation.WITHDRAW])
        placed = {one.pk for one in mine if one.operation == Operation.PLACE_ORDER}
        shown = frozenset(pk for pk, row in rows.items() if seeing.stands(row))
        return Seen(listed=frozenset(placed & rows.keys()), shown=shown)

    def _read_traces(self, code: str) -> Traces:
        is_mine = (code, Operation.WITHDRAW)
        return matching.read([one for one in self.calls if (one.venue, one.operation) == is_mine])


def _once(read: dict[str, T | VenueError], key: str, ask: Callable[[str], T]) -> T:
    """Ask of a venue when the first needs it, and give the others what that came to, a venue's error as well."""
    if key not in read:
        try:
            read[key] = ask(key)
        except VenueError as error:
            read[key] = error
    told = read[key]
    if isinstance(told, VenueError):
        raise told
    return told
