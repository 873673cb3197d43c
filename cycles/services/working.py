"""A role's process: claims due cycles, drives them on threads, renews its leases, ends cleanly."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, close_old_connections, connection

from cycles import conf, metrics
from cycles.domain.words import FailureClass, Role
from cycles.errors import CycleError, DatabaseBusyError
from cycles.services import advancing, leasing, retrying
from cycles.services.correlating import bound
from cycles.services.moving import Lease
from cycles.services.presence import beat, leave

log = structlog.get_logger(__name__)

LONGEST_NAP_SECONDS = 1.0
SHORTEST_NAP_SECONDS = 0.02
BEAT_SECONDS = 5.0
STOP_SECONDS = 8.0
LONGEST_BACK_OFF_SECONDS = 10.0


@dataclass(slots=True)
class Worker:
    """One process of a role. `between` runs once a second in the main thread (opening, sampling)."""

    role: Role
    between: Callable[[], None] | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    owner: str = ""
    _held: dict[UUID, Lease] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Name this run: the owner of its leases."""
        self.owner = f"{self.role.value}:{conf.session_id()[:16]}:{os.getpid()}"

    def run(self) -> None:
        """Work until `stop` is set; then finish the unit under way and hand the leases back."""
        with bound(session_id=conf.session_id()):
            keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)
            keeper.start()
            with ThreadPoolExecutor(conf.worker_threads(), self.role.value) as pool:
                self._loop(pool)
            keeper.join(STOP_SECONDS)
            self._guarded(lambda: leave(self.owner))
            log.info("worker.stopped", role=self.role.value)

    def _loop(self, pool: ThreadPoolExecutor) -> None:
        """Claim, hand out, nap; database trouble is said once and waited out."""
        back_off, last_between = 0.0, -1.0
        while not self.stop.is_set():
            try:
                if time.monotonic() - last_between >= 1.0:
                    last_between = time.monotonic()
                    self._run_between()
                claimed = self._claim(pool)
                nap = 0.0 if claimed else self._nap()
                back_off = self._recovered(back_off)
            except (OperationalError, InterfaceError) as error:
                back_off = self._database_trouble(back_off, error)
                nap = back_off
            self.stop.wait(nap or SHORTEST_NAP_SECONDS)

    def _run_between(self) -> None:
        """Run the role's own duty; what it is denied is no reason to stop."""
        if self.between is None:
            return
        try:
            self.between()
        except CycleError as error:
            log.info("worker.denied", code=error.code, error=str(error))

    def _claim(self, pool: ThreadPoolExecutor) -> int:
        """Lease as many due cycles as there are free threads."""
        with self._guard:
            free = conf.worker_threads() - len(self._held)
        if free <= 0:
            return 0
        leases = leasing.claim(self.role, self.owner, limit=free)
        for lease in leases:
            with self._guard:
                self._held[lease.cycle_id] = lease
            done: Future[None] = pool.submit(self._drive, lease)
            done.add_done_callback(lambda _f, held=lease: self._forget(held))  # type: ignore[misc]
        metrics.CLAIMS.labels(role=self.role.value).inc(len(leases))
        return len(leases)

    def _forget(self, lease: Lease) -> None:
        """A thread is free again."""
        with self._guard:
            self._held.pop(lease.cycle_id, None)

    def _drive(self, lease: Lease) -> None:
        """Drive one cycle on a pool thread: the boundary of this process."""
        close_old_connections()
        with bound(session_id=conf.session_id()):
            try:
                advancing.advance(lease, may_go_on=lambda: not self.stop.is_set())
            except (OperationalError, InterfaceError, DatabaseBusyError) as error:
                # The lease runs out by itself; whoever claims next reads the journal.
                log.warning("database.unreachable", error=type(error).__name__)
                connection.close()
            except Exception as error:  # noqa: BLE001  the process boundary
                self._bug(lease, error)

    def _bug(self, lease: Lease, error: Exception) -> None:
        """Park a cycle whose driving raised what nobody foresaw."""
        log.error("cycle.bug", cycle_id=str(lease.cycle_id), exc_info=error)
        try:
            reason = f"{type(error).__name__}: {error}"
            retrying.fail(lease, FailureClass.BUG, reason, actor=self.owner)
        except (CycleError, OperationalError, InterfaceError) as second:
            log.warning("cycle.bug_not_noted", error=str(second))

    def _nap(self) -> float:
        """Give how long to sleep: until the next cycle is due, a second at most."""
        due = leasing.next_due_in(self.role)
        if due is None:
            return LONGEST_NAP_SECONDS
        return min(max(due.total_seconds(), SHORTEST_NAP_SECONDS), LONGEST_NAP_SECONDS)

    def _keep(self) -> None:
        """Renew all leases in one statement, and give signs of life, until the work is handed back."""
        renew_every = conf.lease_seconds() / 3
        last_beat = last_renewal = -1e9
        while not (self.stop.is_set() and not self._ids()):
            now = time.monotonic()
            if now - last_renewal >= renew_every:
                last_renewal = now
                self._guarded(lambda: leasing.renew(self.owner, self._ids()))
            if now - last_beat >= BEAT_SECONDS:
                last_beat = now
                self._guarded(lambda: beat(self.owner, self.role))
            time.sleep(0.2) if self.stop.is_set() else self.stop.wait(0.5)
        connection.close()

    def _ids(self) -> list[UUID]:
        """Give the cycles held now."""
        with self._guard:
            return list(self._held)

    def _guarded(self, act: Callable[[], object]) -> None:
        """Do something with the database that may wait for the next time."""
        try:
            act()
        except (OperationalError, InterfaceError) as error:
            log.warning("database.unreachable", error=type(error).__name__)
            connection.close()

    def _database_trouble(self, back_off: float, error: Exception) -> float:
        """Say once that the database does not answer; wait longer each time."""
        if not back_off:
            log.warning("database.unreachable", error=type(error).__name__)
        connection.close()
        longer = min(max(back_off * 2, 0.5), LONGEST_BACK_OFF_SECONDS)
        return longer * random.uniform(0.5, 1.0)  # noqa: S311  jitter

    def _recovered(self, back_off: float) -> float:
        """Say that the database answers again."""
        if back_off:
            log.info("database.answers_again")
        return 0.0


def drive_due(role: Role, owner: str, *, limit: int = 50) -> int:
    """Claim what is due and drive it here and now: the sweep behind the roles' own claims."""
    leases = leasing.claim(role, owner, limit=limit)
    for lease in leases:
        advancing.advance(lease)
    return len(leases)
