"""The sweeps: the roles' own services, run each minute behind their backs; running twice is harmless."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

import structlog
from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now

from cycles import conf
from cycles.domain.words import Role
from cycles.errors import DatabaseBusyError
from cycles.services import advancing, ending, leasing, working
from cycles.services.moving import Lease
from cycles.services.outage import UNREACHABLE

log = structlog.get_logger(__name__)

BATCH = 20
LOOK_SECONDS = 0.2
LEAVE_AFTER = timedelta(seconds=4)  # told to end, the queue leaves what hangs; it is killed after 6
EXPIRED_LEASES = Q(lease_expires_at__lte=Now()) & ~Q(lease_owner="")


def _owner() -> str:
    """Name the worker as an owner of leases."""
    return f"worker:{conf.session_id()[:16]}"


def claim_expired(role: Role, owner: str, *, limit: int) -> list[Lease]:
    """Lease up to `limit` due cycles of a role whose worker let its lease run out."""
    return leasing.claim(role, owner, limit=limit, only=EXPIRED_LEASES)


class _Claim(Protocol):
    def __call__(self, role: Role, owner: str, *, limit: int) -> list[Lease]: ...


def _sweep(claim: _Claim) -> int:
    """Claim and drive what the roles have left lying while there is time, by turns; returns how many cycles."""
    is_time_left = ending.time_for_more()
    driven, roles = 0, [Role.INITIATOR, Role.FINALIZER]
    for _ in range(BATCH):
        for role in tuple(roles):
            if not is_time_left():
                return driven
            # One at a time: nobody renews these leases, so none may wait for its turn.
            leases = claim(role, _owner(), limit=1)
            if not leases:
                roles.remove(role)
                continue
            _drive(leases[0], is_time_left)
            driven += 1
    return driven


def _drive(lease: Lease, is_time_left: Callable[[], bool]) -> None:
    """Drive one cycle for half a lease; one that raises a bug is parked and stops no other."""
    ends_at = time.monotonic() + conf.lease_seconds() / 2
    with _left_in_time(lease):
        try:
            advancing.advance(
                lease, may_go_on=lambda: is_time_left() and time.monotonic() < ends_at
            )
        except (DatabaseBusyError, *UNREACHABLE):
            raise  # not the cycle's fault: the next sweep looks again
        except Exception as error:  # noqa: BLE001  a boundary, as the worker's own
            working.park(lease, error)


@contextmanager
def _left_in_time(lease: Lease) -> Iterator[None]:
    """Hand a cycle back that hangs when the queue ends, for nobody ends the call: the next worker reconciles it."""
    is_done = threading.Event()
    threading.Thread(target=_watch, args=(lease, is_done), name="leaver", daemon=True).start()
    try:
        yield
    finally:
        is_done.set()


def _watch(lease: Lease, is_done: threading.Event) -> None:
    while not is_done.wait(LOOK_SECONDS):
        if ending.told_for() >= LEAVE_AFTER:
            _leave(lease)
            return


def _leave(lease: Lease) -> None:
    """Hand a cycle back, if the database answers: else the lease runs out."""
    lease.given_up.set()  # first: who takes the cycle over counts on nothing being sent any more
    log.warning("worker.leaves_in_flight", cycle_id=str(lease.cycle_id), fence=lease.fence)
    try:
        leasing.hand_back([lease])
    except (DatabaseBusyError, *UNREACHABLE) as error:
        log.warning("worker.lease_runs_out", error=type(error).__name__)
    finally:
        connection.close()


def sweep_retries() -> int:
    """Resume retries that fell due and that no role has taken."""
    return _sweep(leasing.claim_retries)


def sweep_expired_leases() -> int:
    """Take over cycles whose worker let its lease run out, through reconciliation."""
    return _sweep(claim_expired)
