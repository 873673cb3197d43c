"""Hears the journal's facts and keeps what a private or a trade stream tells of them.

An order goes on changing within one request, so each happening holds the order as it was at its
own instant. Balances are compared with what was heard last; whatever changed is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from decimal import Decimal

from exchanges.simulator.core.numbers import ZERO
from exchanges.simulator.core.orders import Fill, Order
from exchanges.simulator.core.world import World

ACCEPTED = "order_accepted"
FILL = "fill"
CLOSED = "order_closed"
PREVENTED = "order_prevented"
_ORDER_FACTS = frozenset({ACCEPTED, FILL, CLOSED, PREVENTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One asset of an account after an event; `free_change` is what the event did to `free`."""

    asset: str
    free: Decimal
    locked: Decimal
    free_change: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One event of an account: an order's, if there is one, and what it did to the balances."""

    number: int
    venue: str
    kind: str
    at_ms: int
    order: Order | None = None
    fill: Fill | None = None
    changes: tuple[Change, ...] = ()


@dataclass(slots=True)
class Hearing:
    """Listens while somebody wants to know."""

    world: World
    heard: list[Happening] = field(default_factory=list)
    balances: dict[tuple[str, str], tuple[Decimal, Decimal]] = field(default_factory=dict)
    count: int = 0

    @property
    def is_on(self) -> bool:
        """Whether it listens."""
        return self.world.journal.listener is not None

    def start(self) -> None:
        """Listen from now on."""
        if self.is_on:
            return
        self.balances = {
            (venue, asset): (self.world.free(venue, asset), self.world.locked(venue, asset))
            for venue in self.world.orders
            for asset in self.world.vault.assets_at(venue)
        }
        self.world.journal.listener = self.note

    def stop(self) -> None:
        """Listen no longer."""
        self.world.journal.listener = None
        self.heard.clear()

    def take(self) -> list[Happening]:
        """Hand over what was heard."""
        heard, self.heard = self.heard, []
        return heard

    def note(self, kind: str, details: Mapping[str, object]) -> None:
        """Keep a fact that concerns an account."""
        venue = details.get("venue")
        if not isinstance(venue, str) or venue not in self.world.orders:
            return
        order = fill = None
        if kind in _ORDER_FACTS:
            order = self._as_it_is(venue, str(details["venue_order_id"]))
            fill = order.fills[-1] if kind == FILL else None
        changes = self._changes(venue)
        if order is None and not changes:
            return
        self.count += 1
        happening = Happening(
            number=self.count,
            venue=venue,
            kind=kind,
            at_ms=self.world.wall_ms,
            order=order,
            fill=fill,
            changes=changes,
        )
        self.heard.append(happening)

    def _as_it_is(self, venue: str, venue_order_id: str) -> Order:
        order = copy(self.world.orders[venue].by_id[venue_order_id])
        order.fills = list(order.fills)
        return order

    def _changes(self, venue: str) -> tuple[Change, ...]:
        found = []
        for asset in self.world.vault.assets_at(venue):
            now = (self.world.free(venue, asset), self.world.locked(venue, asset))
            before = self.balances.get((venue, asset), (ZERO, ZERO))
            if now != before:
                self.balances[venue, asset] = now
                found.append(
                    Change(asset=asset, free=now[0], locked=now[1], free_change=now[0] - before[0])
                )
        return tuple(found)
