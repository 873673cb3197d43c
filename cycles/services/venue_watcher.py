"""The watcher of the venues: looks at each once for all cycles, beside those of the other processes.

Which process looks is settled look by look in the database (`looking.begin`), so that there is nobody to
replace when one dies. What a private stream tells is a reason to look at once and never more than that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import structlog
from django.db import close_old_connections, connection

from cycles import conf
from cycles.domain.words import WatchKind
from cycles.errors import DatabaseBusyError
from cycles.models import VenueWatch
from cycles.selectors.awaited import Awaited, awaited
from cycles.services import looking
from cycles.services.correlating import bound
from cycles.services.crew import Crew
from cycles.services.hearing import Ears, Hints
from cycles.services.outage import UNREACHABLE, Outage, spare_connection
from exchanges import registry
from exchanges.errors import ModeError, VenueError
from exchanges.trouble import Trouble

log = structlog.get_logger(__name__)

TURN = timedelta(milliseconds=500)
IDLE_TURN = timedelta(seconds=1)  # of a desk that waits for nothing
# Longer than it takes until the order of a cycle that was let go is looked for by others (`awaited`).
AWAKE = timedelta(seconds=5)
HURRIED_TURN = timedelta(milliseconds=100)
OUTAGE_PAUSE = timedelta(seconds=2)
STOP_SECONDS = 2.0
Key = tuple[str, WatchKind]
Due = tuple[Awaited, timedelta]  # how long ago the last look must have been


@dataclass(slots=True)
class VenueWatcher:
    """One process's watcher; `ears` listen to private streams, without them looks alone find news."""

    ears: Ears | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    outage: Outage = field(default_factory=Outage)
    trouble: Trouble = field(default_factory=partial(Trouble, "watcher"))
    hints: Hints = field(default_factory=Hints)
    _busy: set[str] = field(default_factory=set)
    _troubles: dict[str, Trouble] = field(default_factory=dict)  # of the looks, by venue
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _awake_until: timedelta = timedelta()  # by the monotonic clock

    def run(self) -> None:
        """Look until `stop` is set."""
        with bound(session_id=conf.session_id()):
            crew = Crew(len(registry.desk_venues()), "watcher")
            try:
                while not self.stop.is_set():
                    self._take_turn(crew)
            finally:
                self._close_ears()
                crew.end(patience_seconds=STOP_SECONDS)
                connection.close()

    def _take_turn(self, crew: Crew) -> None:
        """Take a turn and rest, whatever it ends in: the boundary of a thread. A hint ends no rest after trouble."""
        try:
            pause = self._turned(crew)
            spare_connection()
        except UNREACHABLE as error:  # the worker, which is told of it too, says when it is over
            self.outage.tell(error)
            self._rest()
        except DatabaseBusyError as error:
            log.warning("database.busy", error=str(error))
            self._rest()
        except Exception as error:  # noqa: BLE001  told there
            connection.close()
            self.stop.wait(self.trouble.tell(error).total_seconds())
        else:
            self.trouble.over()
            self.hints.wait(pause.total_seconds())

    def _rest(self) -> None:
        """Leave a database alone that refused something, and its connection to threads that may have more luck."""
        spare_connection()
        self.stop.wait(OUTAGE_PAUSE.total_seconds())

    def _turned(self, crew: Crew) -> timedelta:
        """Hand out what is due; gives the pause until the next turn."""
        wanted = awaited()
        if self.ears is not None:
            self.ears.keep(self.hints)
        self.turn(wanted, crew.submit)
        if wanted:
            self._awake_until = _monotonic() + AWAKE
        if self.hints.are_about(wanted.values()):
            return HURRIED_TURN
        return TURN if self._is_awake() else IDLE_TURN

    def expect(self) -> None:
        """Hear from any thread that a cycle was let go: it may wait for what nobody waited for before."""
        was_awake = self._is_awake()
        self._awake_until = _monotonic() + AWAKE
        if not was_awake:  # else its next turn is near
            self.hints.wake()

    def _is_awake(self) -> bool:
        return _monotonic() < self._awake_until

    def _close_ears(self) -> None:
        """Let others listen; if that cannot be written, the lease runs out by itself."""
        if self.ears is None:
            return
        try:
            self.ears.close()
        except UNREACHABLE as error:
            self.outage.tell(error)
        except Exception as error:  # noqa: BLE001  told there
            self.trouble.tell(error)

    def turn(
        self, wanted: dict[Key, Awaited], submit: Callable[[Callable[[], None]], None]
    ) -> None:
        """Hand out the looks that are due: a venue's one after the other, venues beside each other."""
        for venue, looks in self.due(wanted).items():
            if self._takes(venue):
                submit(partial(self._look, venue, looks))

    def due(self, wanted: dict[Key, Awaited]) -> dict[str, list[Due]]:
        """Give what it is time to look at, by venue; nothing where nothing is waited for."""
        states = looking.states() if wanted else {}
        found: dict[str, list[Due]] = {}
        for key, what in wanted.items():
            last = states.get(key)
            if what.venue in registry.desk_venues() and self._is_due(what, last):
                found.setdefault(what.venue, []).append((what, self._apart(what, last)))
        return found

    def _is_due(self, what: Awaited, last: VenueWatch | None) -> bool:
        """Say whether it is time: by the pace, or for a reason that makes it urgent."""
        if last is None or last.looked_at is None or last.asked_since is None:
            return True
        if what.since < last.asked_since:
            return True
        age: timedelta = getattr(last, "age")  # noqa: B009  annotated
        return age >= self._apart(what, last)

    def _apart(self, what: Awaited, last: VenueWatch | None) -> timedelta:
        """Give how long to leave the venue alone since the last look."""
        if what.is_urgent or self.hints.is_about(what):
            return looking.hurry()
        calls = max(last.calls, 1) if last is not None else 1
        return looking.pace(what.kind) * calls

    def _takes(self, venue: str) -> bool:
        """Take a venue for a look, unless this process looks there still."""
        with self._guard:
            is_free = venue not in self._busy
            self._busy.add(venue)
            return is_free

    def _look(self, venue: str, due: Sequence[Due]) -> None:
        """Take what is due at a venue: the boundary of a thread."""
        trouble = self._troubles.setdefault(venue, Trouble(f"watcher:{venue}"))
        with bound(session_id=conf.session_id()):
            try:
                close_old_connections()
                for what, apart in due:
                    self.look(what, apart=apart)
                trouble.over()
            except UNREACHABLE as error:
                self.outage.tell(error)
                self._rest()  # nobody looks there meanwhile
            except DatabaseBusyError as error:
                log.warning("database.busy", venue=venue, error=str(error))
                self._rest()
            except Exception as error:  # noqa: BLE001  told there
                connection.close()
                self.stop.wait(trouble.tell(error).total_seconds())
            finally:
                with self._guard:
                    self._busy.discard(venue)

    def look(self, what: Awaited, *, apart: timedelta) -> bool:
        """Take one look, if nobody else has it; a hint that came before it is used up by it."""
        hinted = self.hints.of(what)
        look = looking.begin(what.venue, what.kind, apart=apart, since=what.since)
        if look is None:
            return False
        self.hints.use_up(what, hinted)
        try:
            recorded = looking.take(look)
        except (VenueError, ModeError) as error:
            log.warning(
                "watcher.look_failed", venue=what.venue, kind=what.kind.lower(), error=str(error)
            )
            return False
        if self.ears is not None and recorded.woken and not hinted:
            self.ears.missed(what.venue)
        return True


def _monotonic() -> timedelta:
    return timedelta(seconds=time.monotonic())
