"""A role's process: claims due cycles, drives them on threads, renews its leases, ends cleanly."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import structlog
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from cycles import conf, metrics
from cycles.domain.words import FailureClass, Role
from cycles.errors import CycleError, DatabaseBusyError
from cycles.models import Alert, Cycle
from cycles.models.fields import public_code
from cycles.services import advancing, foreseeing, leasing, retrying
from cycles.services.alerting import raise_alert
from cycles.services.correlating import bound
from cycles.services.crew import Aside, Crew
from cycles.services.desk import look_home
from cycles.services.holding import Holdings
from cycles.services.locking import in_transaction
from cycles.services.moving import Lease
from cycles.services.notices import Listener
from cycles.services.outage import (
    UNREACHABLE,
    Outage,
    drop_dead_connection,
    lend_connection,
    spare_connection,
)
from cycles.services.presence import beat, leave
from exchanges import recent, registry
from exchanges.errors import ModeError, StaleReferenceError, VenueError
from exchanges.trouble import Trouble, lasting

log = structlog.get_logger(__name__)

LONGEST_NAP_SECONDS = 1.0
SHORTEST_NAP_SECONDS = 0.02
IN_VAIN_SECONDS = 0.25  # the longest nap where what is due is locked by somebody
DUTY_SECONDS = 1.0
BEAT_SECONDS = 5.0
KEEP_SECONDS = 60.0  # then the pool may replace the connection that claims
REMEMBER_SECONDS = 1  # rules and samples, of the market's time
REFRESH_SECONDS = 0.3  # of a second that they may be used for
FORESEE_SECONDS = 4.0  # of five that names of assets may be
# From the moment in which a worker is told to stop, whatever hangs then: a venue, or a database that is away.
STOP_SECONDS = 4.0  # units under way have ended; a call may hang for longer
PARTED_SECONDS = 5.0  # what hangs is handed back, if the database answers
END_SECONDS = 5.5  # all has ended; the supervisor kills after 6.5
NOW = timedelta(0)


class Patience:
    """How long a process that is told to stop takes in all, from the first time that it is asked about."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._began_at = seconds, -1.0

    def left(self, until: float | None = None) -> float:
        """Give the seconds that are left of it, or of so many from its beginning."""
        if self._began_at < 0:
            self._began_at = time.monotonic()
        lasts = self._seconds if until is None else min(until, self._seconds)
        return max(self._began_at + lasts - time.monotonic(), 0.0)


@dataclass(slots=True)
class Worker:
    """One process of a role. `duty` runs once a second, on a thread of its own: no cycle waits for it.

    `when_let_go` is called, by any thread, once a cycle was driven as far as it went.
    """

    role: Role
    duty: Callable[[], None] | None = None
    when_let_go: Callable[[], None] | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    owner: str = ""
    is_napping: bool = False  # nothing was due when it last looked
    outage: Outage = field(default_factory=Outage)  # what this process knows of its database
    patience: Patience = field(default_factory=lambda: Patience(END_SECONDS))
    _held: Holdings = field(init=False)
    _is_wanted: threading.Event = field(default_factory=threading.Event)  # something may be due
    _has_looked: bool = False  # at whether the database is the one that this host knows
    _in_vain: int = 0  # claims in a row of nothing although something was due

    def __post_init__(self) -> None:
        """Name this run: the owner of its leases."""
        self.owner = f"{self.role.value}:{conf.session_id()[:16]}:{os.getpid()}"
        self._held = Holdings(self.owner)

    def run(self) -> None:
        """Work until `stop` is set; then finish the unit under way and hand the leases back."""
        with bound(session_id=conf.session_id()):
            readings_last = conf.scaled(REMEMBER_SECONDS).total_seconds()
            recent.remember(readings_last)
            registry.before_calls(lend_connection)
            registry.leave_outages_to(self.outage.is_near)
            keeper, *others = self._beside(readings_last)
            listener = Listener(self._is_wanted.set, self.stop).start()
            crew = Crew(conf.worker_threads(), self.role.value)
            claimer = Aside(partial(self._loop, crew), "claimer", self.stop)
            self.stop.wait()
            self._is_wanted.set()
            # Before the crew, which drives what it has just claimed.
            claimer.wait(self.patience.left(STOP_SECONDS))
            self._end(crew)
            recent.remember(0)
            registry.before_calls(None)
            registry.leave_outages_to(None)
            listener.join(self.patience.left(PARTED_SECONDS))
            keeper.wait(self.patience.left(PARTED_SECONDS))  # it beats no more
            self._part(partial(leave, self.owner), within=END_SECONDS)
            log.info("worker.stopped", role=self.role.value)
            for one in (claimer, keeper, *others):
                one.end(patience_seconds=min(self.patience.left(), 1.0))

    def _beside(self, readings_last: float) -> list[Aside]:
        """Begin what runs beside the crew; what keeps the leases first."""
        begun = [Aside(self._keep, "keeper", self.stop)]
        begun.append(Aside(self._look_home, "lookout", self.stop))
        if self.duty is not None:
            begun.append(Aside(partial(self._mind, self.duty), "duty", self.stop))
        if readings_last > 2 * REFRESH_SECONDS:  # in a market that runs faster nothing lasts
            begun.append(Aside(self._refresh, "reader", self.stop))
            begun.append(Aside(self._foresee, "foreseer", self.stop))
        return begun

    def _loop(self, crew: Crew) -> None:
        """Claim, hand out, nap, until `stop` is set.

        Whoever is woken claims sooner over a connection that is at hand.
        """
        kept_since = time.monotonic()
        while not self.stop.is_set():
            with bound(session_id=conf.session_id()):
                nap = self._claimed(crew)
            if time.monotonic() - kept_since < KEEP_SECONDS:
                lend_connection()
            else:
                spare_connection()
                kept_since = time.monotonic()
            self.is_napping = nap > SHORTEST_NAP_SECONDS and not self._in_vain
            self._rest(nap)

    def _claimed(self, crew: Crew) -> float:
        """Claim, and give how long to nap then; database trouble is said once and waited out."""
        if self._free() <= 0:
            return LONGEST_NAP_SECONDS
        known = self.outage.failures
        try:
            if self.outage.is_told:  # only a new session shows how the server is now
                connection.close()
            is_anew = drop_dead_connection() or self.outage.is_told or not self._has_looked
            if is_anew:  # it may be another one than before
                look_home()
                self._has_looked = True
            # What was claimed goes first, and more may be due: when the next is can be asked once nothing is.
            nap = self._moment() if self._claim(crew) else self._nap()
            self.outage.end(known)
        except UNREACHABLE as error:
            self.outage.tell(error)
            return self.outage.longer_pause().total_seconds()
        except DatabaseBusyError as error:  # somebody keeps the whole table: a migration
            log.warning("database.busy", error=str(error))
            return LONGEST_NAP_SECONDS
        return nap

    def _rest(self, nap: float) -> None:
        """Sleep until something may be due, or the worker is to stop: in an outage a nap outlasts a supervisor."""
        ends_at = time.monotonic() + nap
        while not self.stop.is_set() and (left := ends_at - time.monotonic()) > 0:
            if self._is_wanted.wait(min(left, LONGEST_NAP_SECONDS)):
                break
        if self._is_wanted.is_set():
            self._in_vain = 0
        self._is_wanted.clear()

    def _end(self, crew: Crew) -> None:
        """Let the units under way end; what hangs is handed back: the next worker reconciles it."""
        crew.end(patience_seconds=self.patience.left(STOP_SECONDS))
        leases = self._held.clear()
        for lease in leases:
            lease.given_up.set()  # first: who takes the cycle over counts on nothing being sent any more
            log.warning("worker.leaves_in_flight", cycle_id=str(lease.cycle_id), fence=lease.fence)
        if leases:
            self._part(partial(leasing.hand_back, leases), within=PARTED_SECONDS)

    def _part(self, act: Callable[[], object], *, within: float) -> None:
        """Let the database know of the end, if it answers in time: else leases run out, and beats grow old."""
        parting = Aside(partial(self._guarded, act), "parting", self.stop)
        parting.end(patience_seconds=self.patience.left(within))

    def _hand_back(self, lease: Lease, *, wake_in: timedelta = NOW) -> None:
        """Let anyone have the cycle; if the database is away, the lease runs out by itself."""
        self._guarded(lambda: leasing.release(lease, wake_in=wake_in))

    def _mind(self, duty: Callable[[], None]) -> None:
        """See to the role's own duty once a second."""
        trouble = Trouble("duty")
        while not self.stop.is_set():
            began = time.monotonic()
            self._turn(partial(self._see_to, duty), trouble)
            self.stop.wait(max(DUTY_SECONDS - (time.monotonic() - began), SHORTEST_NAP_SECONDS))

    def _see_to(self, duty: Callable[[], None]) -> None:
        """Run the role's own duty; what it is denied is no reason to stop."""
        try:
            duty()
        except DatabaseBusyError:
            raise
        except CycleError as error:
            log.info("worker.denied", code=error.code, error=str(error))
        except (ModeError, StaleReferenceError, VenueError) as error:
            log.warning("worker.denied", code=type(error).__name__, error=str(error))

    def _claim(self, crew: Crew) -> bool:
        """Lease as many due cycles as there are free threads; true if there were some."""
        leases = leasing.claim(self.role, self.owner, limit=self._free())
        claimed_at = self.outage.clock()
        if self.stop.is_set():  # who would drive them may be gone
            leasing.hand_back(leases)
            return False
        for lease in leases:
            self._held.take(lease)
            crew.submit(partial(self._drive, lease, claimed_at))
        if leases:
            self._in_vain = 0
        metrics.CLAIMS.labels(role=self.role.value).inc(len(leases))
        return bool(leases)

    def _free(self) -> int:
        """Count the threads that drive nothing."""
        return conf.worker_threads() - len(self._held)

    def _drive(self, lease: Lease, claimed_at: timedelta) -> None:
        """Drive one cycle on a thread of the crew: the boundary of this process."""
        wait: timedelta | None = NOW
        with bound(session_id=conf.session_id()):
            try:
                close_old_connections()
                wait = advancing.advance(lease, may_go_on=partial(self._may_go_on, lease))
            except DatabaseBusyError as error:
                log.warning("database.busy", cycle_id=str(lease.cycle_id), error=str(error))
                self._hand_back(lease)
            except UNREACHABLE as error:
                # Whoever claims next reads the journal. A claim may be taken where the rest is refused: by a full disk.
                self.outage.tell(error)
                wait = NOW if self.stop.is_set() else self.outage.refusal_pause(claimed_at)
                self._hand_back(lease, wake_in=wait)
            except Exception as error:  # noqa: BLE001  the process boundary
                self._bug(lease, error)
            finally:
                self._forget(lease, wait)

    def _may_go_on(self, lease: Lease) -> bool:
        """Hear that a thread begins a unit; say whether it may."""
        self._held.note_unit(lease)
        return not self.stop.is_set()

    def _forget(self, lease: Lease, wait: timedelta | None) -> None:
        """A thread is free again; a newer lease of the same cycle stays. What is due soon ends the nap."""
        had_no_thread = self._held.drop(lease) >= conf.worker_threads()
        if self.when_let_go is not None:
            self.when_let_go()
        if had_no_thread or (wait is not None and wait.total_seconds() < LONGEST_NAP_SECONDS):
            self._is_wanted.set()

    def _bug(self, lease: Lease, error: Exception) -> None:
        """Park a cycle whose driving raised what nobody foresaw."""
        park(lease, error)

    def _moment(self) -> float:
        """Give how long to sleep where more may be due: hardly, or until a thread is free."""
        return SHORTEST_NAP_SECONDS if self._free() > 0 else LONGEST_NAP_SECONDS

    def _nap(self) -> float:
        """Give how long to sleep: until the next cycle is due, a second at most, or a thread is free.

        What is due and could not be claimed is locked: longer each time, until something is claimed or told, or
        another falls due.
        """
        due = leasing.next_due_in(self.role)
        self._in_vain = self._in_vain + 1 if due is not None and due <= NOW else 0
        longest = LONGEST_NAP_SECONDS
        if self._in_vain:
            longest = min(SHORTEST_NAP_SECONDS * 2.0 ** min(self._in_vain - 1, 9), IN_VAIN_SECONDS)
            is_long = longest > SHORTEST_NAP_SECONDS
            due = leasing.next_due_in(self.role, is_later=True) if is_long else None
        if due is None:
            return longest
        return min(max(due.total_seconds(), SHORTEST_NAP_SECONDS), longest)

    def _keep(self) -> None:
        """Renew leases well before they run out, and give signs of life, until all is handed back."""
        last_beat = -1e9
        while not (self.stop.is_set() and not self._held):
            now = time.monotonic()
            self._guarded(self._held.renew)
            if now - last_beat >= BEAT_SECONDS:
                last_beat = now
                self._guarded(self._beat)
            spare_connection()
            time.sleep(0.2) if self.stop.is_set() else self.stop.wait(0.5)

    def _beat(self) -> None:
        """Give a sign of life, which names the threads that do not get on."""
        beat(self.owner, self.role, broken=lasting())

    def _look_home(self) -> None:
        """Keep what is in the journal, on a thread of its own: a disk that stalls costs no lease."""
        trouble = Trouble("lookout")
        while not self.stop.is_set():
            self._turn(look_home, trouble)
            self.stop.wait(BEAT_SECONDS)

    def _refresh(self) -> None:
        """Read ahead what cycles ask for again and again: the first one waits for it, the others do not."""
        trouble = Trouble("reader")
        while not self.stop.wait(REFRESH_SECONDS):
            self._turn(recent.refresh, trouble)

    def _foresee(self) -> None:
        """Have at hand what a cycle would have to wait for after a while in which there was none."""
        trouble = Trouble("foreseer")
        while not self.stop.is_set():
            self._turn(foreseeing.foresee, trouble)
            self.stop.wait(FORESEE_SECONDS)

    def _turn(self, act: Callable[[], object], trouble: Trouble) -> None:
        """Take a turn of a thread that no cycle depends on; what nobody foresaw is told and waited out."""
        try:
            self._guarded(act)
            spare_connection()
        except Exception as error:  # noqa: BLE001  told there
            connection.close()
            self.stop.wait(trouble.tell(error).total_seconds())
        else:
            trouble.over()

    def _guarded(self, act: Callable[[], object]) -> None:
        """Do something with the database that may wait for the next time."""
        try:
            act()
        except UNREACHABLE as error:
            self.outage.tell(error)
        except DatabaseBusyError as error:
            log.warning("database.busy", error=str(error))


def drive_due(role: Role, owner: str, *, limit: int = 50) -> int:
    """Claim what is due and drive it here and now: the sweep behind the roles' own claims."""
    leases = leasing.claim(role, owner, limit=limit)
    for lease in leases:
        advancing.advance(lease)
    return len(leases)


def park(lease: Lease, error: Exception) -> None:
    """Make a dead letter of a cycle whose driving raised what nobody foresaw.

    The reason keeps the error's first line: a database's details would tell whole rows.
    """
    with bound(cycle_id=str(lease.cycle_id)):
        log.error("cycle.bug", exc_info=error)
        told = next(iter(str(error).splitlines()), "")
        try:
            reason = f"{type(error).__name__}: {told}"
            retrying.fail(lease, FailureClass.BUG, reason, actor=lease.owner)
        except (CycleError, DatabaseError, InterfaceError) as second:
            log.warning("cycle.bug_not_noted", error=str(second))
        except Exception as second:  # often the same bug: it cannot be valued to be parked either
            log.exception("cycle.bug_not_noted")
            _tell_not_parked(lease, second)


def _tell_not_parked(lease: Lease, error: Exception) -> None:
    """Tell people once of a cycle that can be neither driven nor parked: it is tried again after each lease."""

    def tell() -> None:
        raise_alert(
            key=f"not-parked:{lease.cycle_id}",
            severity=Alert.Severity.CRITICAL,
            title=f"A bug stops {public_code(lease.cycle_id)}, and its dead letter as well",
            body=f"{type(error).__name__}; the log has it. It is tried again each time a lease runs out.",
            cycle=Cycle.objects.filter(pk=lease.cycle_id).first(),
        )

    try:
        in_transaction(tell)
    except (CycleError, DatabaseError, InterfaceError) as third:
        log.warning("cycle.bug_not_told", error=str(third))
