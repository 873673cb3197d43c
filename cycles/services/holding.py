"""What a worker holds: its leases, when each was renewed last, and whether its thread gets on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog

from cycles import conf
from cycles.models import Alert, Cycle
from cycles.services import leasing
from cycles.services.alerting import raise_alert
from cycles.services.locking import in_transaction
from cycles.services.moving import Lease
from cycles.services.outage import own_clock

log = structlog.get_logger(__name__)

# Whatever a unit waits for (a venue, a lock, a database that is away) ends long before: this is a defect.
HANGS_AFTER_LEASES = 10


@dataclass(slots=True, eq=False)
class _Held:
    """One lease, and its thread's instants on this process's own clock."""

    lease: Lease
    renewed_at: timedelta
    moved_at: timedelta
    hangs: bool = False
    is_told: bool = False  # that it hangs


class Holdings:
    """The leases of one process: one a thread, two of the same cycle where an older thread hangs."""

    def __init__(self, owner: str, clock: Callable[[], timedelta] = own_clock) -> None:
        self._owner, self._clock = owner, clock
        self._held: dict[tuple[UUID, int], _Held] = {}
        self._looked_at = clock()
        self._guard = threading.Lock()

    def __len__(self) -> int:
        """Count the threads that drive something."""
        with self._guard:
            return len(self._held)

    def take(self, lease: Lease) -> None:
        """Begin to hold what was just claimed."""
        now = self._clock()
        with self._guard:
            self._held[lease.cycle_id, lease.fence] = _Held(lease, renewed_at=now, moved_at=now)

    def drop(self, lease: Lease) -> int:
        """Hold it no more; gives how many were held until now."""
        with self._guard:
            before = len(self._held)
            self._held.pop((lease.cycle_id, lease.fence), None)
        return before

    def note_unit(self, lease: Lease) -> None:
        """Hear that a lease's thread begins its next unit."""
        with self._guard:
            held = self._held.get((lease.cycle_id, lease.fence))
            if held is not None:
                held.moved_at, held.hangs = self._clock(), False

    def clear(self) -> list[Lease]:
        """Give up all; gives what was held."""
        with self._guard:
            leases = [one.lease for one in self._held.values()]
            self._held.clear()
        return leases

    def renew(self) -> None:
        """Renew together what is due for it; what somebody has locked is due again at the next turn.

        A thread that hangs keeps its cycle no longer: the lease runs out, and whoever claims next reads the journal.
        """
        now, lasts = self._clock(), timedelta(seconds=conf.lease_seconds())
        self._find_hanging(now, lasts)
        with self._guard:
            due = [
                one
                for one in self._held.values()
                if not one.hangs and one.renewed_at <= now - lasts / leasing.RENEWALS
            ]
        renewed = leasing.renew(self._owner, [one.lease.cycle_id for one in due])
        for one in due:
            if one.lease.cycle_id in renewed:
                one.renewed_at = now
        # Last, and until it is written: what stops an alert stops no renewal, nor the next try.
        for one in self._untold():
            self._tell(one.lease)
            one.is_told = True

    def _find_hanging(self, now: timedelta, lasts: timedelta) -> None:
        """Mark the leases whose thread has been at one unit for too long."""
        with self._guard:
            slept, self._looked_at = now - self._looked_at > lasts, now
            for one in self._held.values():
                if slept:  # the whole process stood still: no thread of it hangs by that
                    one.moved_at = now
                elif not one.hangs and one.moved_at <= now - HANGS_AFTER_LEASES * lasts:
                    one.hangs = True

    def _untold(self) -> list[_Held]:
        """Give what hangs, and nobody has been told of."""
        with self._guard:
            return [one for one in self._held.values() if one.hangs and not one.is_told]

    def _tell(self, lease: Lease) -> None:
        """Tell people of a thread that hangs."""
        log.error("worker.thread_hangs", cycle_id=str(lease.cycle_id), fence=lease.fence)
        cycle = Cycle.objects.filter(pk=lease.cycle_id).first()
        name = cycle.code if cycle else lease.cycle_id
        in_transaction(
            lambda: raise_alert(
                key=f"hangs:{lease.cycle_id}:{lease.fence}",
                severity=Alert.Severity.CRITICAL,
                title=f"A thread hangs on {name}; its lease is renewed no more",
                body=(
                    f"Worker: {self._owner}\n"
                    f"One unit of {name} has not ended for {HANGS_AFTER_LEASES} leases. "
                    "Another worker goes on with the cycle, by its journal. "
                    "Restart this one: the thread is lost to it until then."
                ),
                cycle=cycle,
            )
        )
