"""What harm has come to: whose lease was lost while it slept, what was decided under a wrong clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models.functions import Now

from cycles.models import Cycle, Transition
from cycles.services.desk import database_now
from tests.crashes.running import LEASE_SECONDS

if TYPE_CHECKING:
    from tests.crashes.chaos.storm import Storm

SLEEP_SECONDS = 2.5 * LEASE_SECONDS
LEASES_LOST = "leases lost by who slept"
DECIDED_BY_WRONG_CLOCKS = "decisions under a wrong clock"
STOPPED_BY_WRONG_CLOCKS = "refusals to trade under a wrong clock, as they are logged"
WRONG_CLOCKS = "clocks set of processes that decide"
DECIDING = ("initiator", "finalizer")  # a feeder decides nothing, jobs write under no number
REFUSAL = b"venue.clock_stops_trading"  # once for each venue, until somebody finds its clock right
STRUCK = "requests struck by the faults that were set"
OUTBOX_SECONDS = (
    10  # as long as a desk that goes on needs for a change of status, whatever else harms it
)
LONG_OUTBOXES = f"outboxes that stayed full for {OUTBOX_SECONDS} s"
TRADED_MEANWHILE = "of them, some that cycles moved under"
MOVED_MEANWHILE = "transitions while the channel was ill"
HELD = "leases held by who was stopped"


def note_outbox(seen: Counter[str], *, moved: int, seconds: float) -> None:
    """Count a full outbox, and whether cycles went on under it."""
    seen[MOVED_MEANWHILE] += moved
    if seconds >= OUTBOX_SECONDS:
        seen[LONG_OUTBOXES] += 1
        seen[TRADED_MEANWHILE] += moved > 0


def stop_holders(storm: Storm) -> None:
    """Stop workers that hold leases now, as many as are wanted; what others have of these is counted when they wake."""
    for name in _holders(storm) if storm.to_stop else []:
        pid, held = storm.desk.children[name].pid, dict[UUID, int]()
        lasts = storm.to_stop[-1]
        storm.stop(name, lasts, before=partial(_count_lost, storm, name, pid, held, lasts))
        held |= _leases(pid)
        if held:
            storm.seen[HELD] += len(held)
            storm.to_stop.pop()
            return
        storm.forget_later(name)


def _holders(storm: Storm) -> list[str]:
    """Name the processes that hold a lease now."""
    held = Cycle.objects.filter(lease_expires_at__gt=Now()).values_list("lease_owner", flat=True)
    pids = {owner.rpartition(":")[2] for owner in held}
    return [
        name
        for name, child in storm.desk.children.items()
        if str(child.pid) in pids and not storm.sleeps(name)
    ]


def _leases(pid: int) -> dict[UUID, int]:
    """Give the cycles that a process holds, and the fence of each lease."""
    mine = Cycle.objects.filter(lease_owner__endswith=f":{pid}", lease_expires_at__gt=Now())
    return dict(mine.values_list("pk", "fence"))


def _count_lost(storm: Storm, name: str, pid: int, held: dict[UUID, int], lasts: float) -> None:
    """Count the leases that are others' by now, if the process is there to wake; of none, another is stopped."""
    child = storm.desk.children[name]
    now = Cycle.objects.filter(pk__in=held).values_list("pk", "fence")
    lost = sum(fence > held[pk] for pk, fence in now)
    if held and child.pid == pid and child.poll() is None and lost:
        storm.seen[LEASES_LOST] += lost
    elif held:
        storm.to_stop.append(lasts)


def counting_under_a_clock(storm: Storm, name: str) -> Callable[[], None]:
    """Give what counts the changes of status that a process has written since now, and its refusals to trade."""
    if not name.startswith(DECIDING):
        return lambda: None
    owner, since = f":{storm.desk.children[name].pid}", database_now()
    log = storm.desk.log(name)
    told = log.stat().st_size
    storm.seen[WRONG_CLOCKS] += 1

    def count() -> None:
        written = Transition.objects.filter(actor__endswith=owner, at__gte=since).count()
        storm.seen[DECIDED_BY_WRONG_CLOCKS] += written
        storm.seen[STOPPED_BY_WRONG_CLOCKS] += log.read_bytes()[told:].count(REFUSAL)

    return count
