"""What catching up has come to so far: written, left to a person, not there yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from cycles.domain.money import ZERO
from cycles.domain.shown import plain
from cycles.domain.words import AccountOwner, CycleStatus, FailureClass
from cycles.errors import UncoveredError
from cycles.models import Cycle
from cycles.models.fields import public_code
from cycles.services import booking, remaking, replaying, verifying
from cycles.services.locking import lock_cycle, locked
from cycles.services.recalling import History
from cycles.services.remaking import CapitalLacksError
from cycles.services.verifying import VenueLine

DESKS = (AccountOwner.DESK, AccountOwner.DUST)  # in the order in which the desk pays


@dataclass(slots=True, kw_only=True)
class Retraced:
    """What was written, and what was not: `left` in words, `to_park` by cycle with why.

    `remade`: codes of cycles that the backup does not know; `ended`: of those that came home since; `lacking`:
    by cycle which capital is not there; `concerned`: cycles with news of their withdrawals; `late`:
    those whose coins came back after they had left; `passed_over`: codes of those that somebody was at.
    `untold`: cycles that cannot be made again from what is shown; `not_ended`: cycles that are not made again before their purchases have ended; `brought_in`: what came in from outside,
    by a person's word, in words; `awaited`: withdrawals, by their venue's ids, that are or may be of cycles which are not there yet, or that a person told of.
    `unsettled`: requests, of those that lack capital, which have not ended. `suspected`: by venue and asset, how much of its own
    a cycle may have sent by transfers that are nobody's. `unpaid`: by cycle, of which asset that it does
    not trade a fee lacks. `unexplained`: cycles in which something misfits, or that are asked about what lacks.
    """

    found: list[replaying.Found] = field(default_factory=list)
    remade: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    lacking: dict[UUID, CapitalLacksError] = field(default_factory=dict)
    untold: set[UUID] = field(default_factory=set)
    not_ended: set[UUID] = field(default_factory=set)
    brought_in: list[str] = field(default_factory=list)
    awaited: set[str] = field(default_factory=set)
    concerned: set[UUID] = field(default_factory=set)
    late: set[UUID] = field(default_factory=set)
    left: list[str] = field(default_factory=list)
    to_park: dict[UUID, tuple[FailureClass, str]] = field(default_factory=dict)
    differences: list[VenueLine] = field(default_factory=list)
    suspected: dict[tuple[str, str], dict[UUID, Decimal]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    unpaid: dict[UUID, UncoveredError] = field(default_factory=dict)
    unexplained: set[UUID] = field(default_factory=set)
    unsettled: int = 0
    is_preview: bool = False
    busy: set[UUID] = field(default_factory=set)

    @property
    def is_whole(self) -> bool:
        """Say whether every cycle is there whose coins may be what differs."""
        return not (self.lacking or self.not_ended)

    @property
    def misfits(self) -> set[UUID]:
        """Give the cycles in which something did not fit: nothing more is concluded of those."""
        told = {cycle_id: why for cycle_id, (_, why) in self.to_park.items()}
        return {cycle_id for cycle_id, why in told.items() if why != remaking.REASON}

    @property
    def passed_over(self) -> list[str]:
        """Give the codes of the cycles that somebody was at."""
        return [public_code(cycle_id) for cycle_id in sorted(self.busy)]

    def copied(self) -> Retraced:
        """Give what it has come to so far, to go back to."""
        return replace(self, **{one.name: copy(getattr(self, one.name)) for one in fields(self)})

    def goes_back(self, so_far: Retraced) -> None:
        """Forget what has come since: it is not kept."""
        for one in fields(self):
            setattr(self, one.name, getattr(so_far, one.name))

    def hold(self, cycle_id: UUID) -> Cycle | None:
        """Lock a cycle; a preview passes over one that a worker holds or somebody has locked, once and for all."""
        if not self.is_preview:
            return lock_cycle(cycle_id)
        free = Cycle.objects.filter(pk=cycle_id).exclude(lease_expires_at__gt=Now())
        cycle = None if cycle_id in self.busy else locked(free, skip=True).first()
        if cycle is None:
            self.busy.add(cycle_id)
        return cycle

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Keep what a block locks, but in a preview only where something was written."""
        before = len(self.found), len(self.ended)
        with transaction.atomic():
            yield
            if self.is_preview and before == (len(self.found), len(self.ended)):
                transaction.set_rollback(True)

    def never_came(
        self,
        lacking: Mapping[UUID, CapitalLacksError],
        short: Mapping[tuple[str, str], Decimal],
    ) -> list[str]:
        """Give in words what venues would lack of what others hold, had come in what is `lacking`; `short`: what they would at all.

        Who was redriven since it was asked has it, by a person's word.
        """
        told = []
        for venue, asset in sorted({(e.lacking.venue, e.lacking.asset) for e in lacking.values()}):
            cycles = remaking.held_there(venue, asset)
            dead = {one.pk for one in cycles if one.status == CycleStatus.DEAD_LETTER}
            has_it = lacking.keys() | (remaking.redriven(list(cycles)).keys() - dead)
            others = sum((held for one, held in cycles.items() if one.pk not in has_it), ZERO)
            missing = min(short.get((venue, asset), ZERO), others)
            if missing > 0:
                told.append(f"{venue} has not got {plain(missing)} {asset}")
        return told

    def misfit(self, cycle: Cycle, failure: FailureClass, reason: str) -> None:
        """Leave a cycle to a person."""
        self.left.append(f"{cycle.code}: {reason}")
        self.to_park[cycle.pk] = failure, reason

    def takes_back(self, cycle: Cycle) -> None:
        """Leave a cycle that did not fit to a person no more: it is looked at again."""
        _, reason = self.to_park.pop(cycle.pk)
        self.left.remove(f"{cycle.code}: {reason}")
        if cycle.code in self.remade:
            self.to_park[cycle.pk] = FailureClass.POLICY_DENIED, remaking.REASON


def short_of(lines: Iterable[VenueLine]) -> dict[tuple[str, str], Decimal]:
    """Give what venues lack beyond what the desk itself holds there."""
    return {
        (line.venue, line.asset): -line.difference - owned_by_desk(line.venue, line.asset)
        for line in lines
    }


def owned_by_desk(venue: str, asset: str) -> Decimal:
    """Give what the desk itself holds of an asset at a venue, what it keeps there as dust too."""
    return sum((booking.desk_balance(venue, asset, owner) for owner in DESKS), ZERO)


def differences(history: History) -> Iterator[VenueLine]:
    """Give where the ledger does not say what the venue does, and nothing under way explains it."""
    for venue, held in history.balances.items():
        yield from (line for line in verifying.venue_lines(venue, held) if not line.is_explained)
