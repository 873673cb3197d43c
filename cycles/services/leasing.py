"""Claims: due cycles are leased with a growing fence, renewed together, handed back with a wake-up."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from cycles import conf
from cycles.domain.words import Role
from cycles.errors import DatabaseBusyError
from cycles.models import Cycle
from cycles.models.cycle import DUE_OUTBOUND, DUE_RETURN
from cycles.services.committing import Group
from cycles.services.locking import FREE_ROWS_ONLY, in_one_statement
from cycles.services.moving import Lease
from cycles.services.outage import UNREACHABLE
from cycles.services.standing import Glimpses, LastSeen
from exchanges.lasting import lasting

DUE = {Role.INITIATOR: DUE_OUTBOUND, Role.FINALIZER: DUE_RETURN}
# As the index of retries says it: who waits to be retried has a time for it, and nobody else. No status is named, else
# the planner may take a role's index instead and read all that is due.
IS_RETRIED = Q(next_retry_at__isnull=False)
RETRIES = {
    Role.INITIATOR: IS_RETRIED & Q(resume_status="STARTED"),
    Role.FINALIZER: IS_RETRIED & ~Q(resume_status="STARTED"),
}
RENEWALS = 3  # within one lease
BUSY = 3  # full claims in a row
HAND_BACK_TRIES = 3  # a row may be locked by a commit of its own thread
MARK_LASTS = timedelta(seconds=2)  # how long claims look above a mark only, at least
LOOK_COSTS = (
    200  # so many times as long as looking at everything took: half a hundredth of the time
)
MARK_LASTS_MOST = timedelta(seconds=10)  # what fell due below it waits no longer
SLACK = timedelta(seconds=0.05)  # longer than most transactions that wake a cycle


@dataclass(slots=True)
class _Mark:
    """Where a busy role's due cycles began: entries below are dead, and a snapshot held elsewhere keeps them.

    Of this process alone, and no rule: whoever comes up short above the mark looks below it.
    """

    oldest: datetime | None = None
    expires: timedelta = timedelta()  # by `lasting`
    full_claims: int = 0
    was_fair: bool = False  # the last claim below it took one that waits for a way home first


_marks = {role: _Mark() for role in DUE}

# A statement, and its parameters; LIMIT and MARK among them stand for what each claim gives.
_Compiled = tuple[str, tuple[Any, ...]]
_Found = tuple[Lease, datetime | None]
LIMIT, MARK = object(), object()
A_MARK = datetime(1, 1, 1, tzinfo=UTC)
ONE = 987654321  # as Django writes a limit, until it is made a parameter
CLAIM = """WITH {parts}, claimed AS (
    UPDATE cycles_cycle
       SET lease_owner = %s, lease_expires_at = statement_timestamp() + %s, fence = fence + 1
     WHERE id = ANY(ARRAY({union}))
    RETURNING id, fence, wake_at, started_at, status = 'AWAITING_REBALANCE' AS waits)
SELECT claimed.*, seen.* FROM claimed LEFT JOIN LATERAL kimp_standing_v3(claimed.id) seen ON true
"""
NEXT_DUE = """WITH oldest(wake_at, until) AS MATERIALIZED ({oldest})
SELECT LEAST(
    ({already}),
    (SELECT min(until) FROM oldest WHERE until > statement_timestamp()),
    ({later})
) - statement_timestamp() AS due_in"""
# The oldest due are read once: a snapshot held elsewhere may keep many dead entries before them.
ALREADY = "SELECT min(wake_at) FROM oldest WHERE until IS NULL OR until <= statement_timestamp()"
LOOK_THROUGH = 1000  # due cycles that may be leased
OWN_COLUMNS = 5  # before those of where a cycle stands


def claim(role: Role, owner: str, *, limit: int, only: Q | None = None) -> list[Lease]:
    """Lease up to `limit` due cycles of a role, by one statement; rows others hold are skipped.

    Waiting cycles (AWAITING_REBALANCE) come oldest started first, the rest as they fell due. What waits
    takes what the rest leaves; of a role that stays full, it takes a place first now and then. Of `only`
    some, the longest due come first.
    """
    if only is not None:
        return _claim_oldest(DUE[role] & only, owner, limit)
    return _claim_busy(role, owner, limit)


def claim_retries(role: Role, owner: str, *, limit: int) -> list[Lease]:
    """Lease up to `limit` retries of a role, those that fell due first."""
    return _claim_oldest(RETRIES[role], owner, limit)


def _claim_oldest(some: Q, owner: str, limit: int) -> list[Lease]:
    oldest = _locking(_due(some).order_by("wake_at"), "%s")
    return [lease for lease, _ in _leased(_composed(due=oldest), owner, limit)]


def _claim_busy(role: Role, owner: str, limit: int) -> list[Lease]:
    """Lease the oldest; while claims come back full, without reading what lies dead before them."""
    mark, now = _marks[role], lasting()
    above: list[_Found] = []
    if mark.oldest is not None and now < mark.expires:
        above = _leased(_statement(role, is_marked=True), owner, limit, mark.oldest)
        if len(above) == limit:
            # What it has just taken lies dead as well.
            mark.oldest = _just_before(above) or mark.oldest
            return [lease for lease, _ in above]
    # An only place is not given away each time: the others would come to nothing.
    is_fair = mark.full_claims > 0 and not (limit == 1 and mark.was_fair)
    statement, looked_at = _statement(role, is_marked=False, is_fair=is_fair), lasting()
    try:
        found = _leased(statement, owner, limit - len(above))
    except (*UNREACHABLE, DatabaseBusyError):  # the next claim tells of it
        lasted = lasting() - now
        if not above or lasted >= timedelta(seconds=conf.lease_seconds()) / RENEWALS:
            raise  # whoever is given a lease holds it as if it were new
        return [lease for lease, _ in above]  # else nobody drives them until they run out
    mark.was_fair = is_fair
    mark.full_claims = mark.full_claims + 1 if len(above) + len(found) == limit else 0
    mark.oldest = _just_before(found) if mark.full_claims >= BUSY else None
    mark.expires = now + _lasts(lasting() - looked_at)
    return [lease for lease, _ in above + found]


def _lasts(looked: timedelta) -> timedelta:
    """Give how long a mark lasts after a look at everything: beside an old snapshot that reads ever more dead entries."""
    return max(MARK_LASTS, min(looked * LOOK_COSTS, MARK_LASTS_MOST))


def _just_before(found: Sequence[_Found]) -> datetime | None:
    """Give a time a little before the oldest of a claim fell due; None where nothing was found by its time."""
    oldest = min((at for _, at in found if at), default=None)
    return oldest - SLACK if oldest else None


def _leased(
    compiled: _Compiled, owner: str, limit: int, mark: datetime | None = None
) -> list[_Found]:
    """Write owner, expiry and the next fence on free rows; gives the leases, and when each fell due.

    Without a time: it waits for a way home, and was chosen by its age.
    """
    text, parameters = compiled
    values: list[Any] = [
        mark if one is MARK else limit if one is LIMIT else one for one in parameters
    ]
    values += [owner, timedelta(seconds=conf.lease_seconds())]

    def work() -> tuple[list[tuple[Any, ...]], Glimpses]:
        with connection.cursor() as cursor:
            glimpses = Glimpses(after=OWN_COLUMNS)
            cursor.execute(text, values)
            return cursor.fetchall(), glimpses.told_by(cursor)

    rows, glimpses = in_one_statement(work)
    rows.sort(key=lambda row: (row[4], row[3] if row[4] else row[2]))
    found = []
    for row in rows:
        pk, fence, wake_at, _, waits = row[:OWN_COLUMNS]
        seen = LastSeen(glimpses.of(row))
        lease = Lease(cycle_id=pk, owner=owner, fence=fence, last_seen=seen)
        found.append((lease, None if waits else wake_at))
    return found


@cache
def _statement(role: Role, *, is_marked: bool, is_fair: bool = False) -> _Compiled:
    """Compose a claim of the same conditions as the partial indexes have; sending it costs less.

    A finalizer takes cycles that wait for a way home with what is left of its limit, but above no mark. A
    fair claim takes one of them first: that reads all that is due, so only who has been full asks for it.
    """
    due = _due(DUE[role])
    others = due.exclude(status="AWAITING_REBALANCE").order_by("wake_at")
    waiting = due.filter(status="AWAITING_REBALANCE").order_by("started_at")
    if is_marked:
        return _composed(due=_locking(others.filter(wake_at__gte=A_MARK), "%s"))
    if role is not Role.FINALIZER:
        return _composed(due=_locking(others, "%s"))
    if is_fair:
        left = _locking(others, "%s - (SELECT count(*) FROM waiting)")
        return _composed(waiting=_locking(waiting, "1"), due=left)
    left = _locking(waiting, "%s - (SELECT count(*) FROM due)")
    return _composed(due=_locking(others, "%s"), waiting=left)


def _due(some: Q) -> QuerySet[Cycle]:
    """Give what of some is due and free."""
    is_free = Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=Now())
    return Cycle.objects.filter(some, wake_at__lte=Now()).filter(is_free)


def _composed(**parts: _Compiled) -> _Compiled:
    """Compose the claim of what the parts lock, in their order."""
    text = ", ".join(f"{name} AS MATERIALIZED ({part})" for name, (part, _) in parts.items())
    union = " UNION ALL ".join(f"SELECT pk FROM {name}" for name in parts)  # noqa: S608  names of ours
    found = tuple(MARK if one == A_MARK else one for _, values in parts.values() for one in values)
    return CLAIM.format(parts=text, union=union), found


def _locking(due: QuerySet[Cycle], most: str) -> _Compiled:
    """Compose the SELECT that locks the first free rows, as many as `most` says when it is sent."""
    text, parameters = due.values_list("pk")[:ONE].query.sql_with_params()
    limit = (LIMIT,) if "%s" in most else ()
    return text.replace(f"LIMIT {ONE}", f"LIMIT {most} {FREE_ROWS_ONLY}"), (*parameters, *limit)


def renew(owner: str, cycle_ids: Sequence[UUID]) -> frozenset[UUID]:
    """Extend leases of one owner in one statement; returns those it extended.

    What somebody else has locked at this moment is passed over: one cycle costs the others no lease.
    """
    if not cycle_ids:
        return frozenset()

    def work() -> frozenset[UUID]:
        values: list[Any] = [list(cycle_ids), owner, timedelta(seconds=conf.lease_seconds())]
        with connection.cursor() as cursor:
            cursor.execute(RENEW.format(free_only=FREE_ROWS_ONLY), values)
            return frozenset(row[0] for row in cursor.fetchall())

    return in_one_statement(work)


RENEW = """WITH mine AS MATERIALIZED (
    SELECT id FROM cycles_cycle
     WHERE id = ANY(%s::uuid[]) AND lease_owner = %s AND lease_expires_at > statement_timestamp()
     ORDER BY id {free_only})
UPDATE cycles_cycle SET lease_expires_at = statement_timestamp() + %s
 WHERE id = ANY(ARRAY(SELECT id FROM mine))
RETURNING id
"""


def release(lease: Lease, *, wake_in: timedelta | None) -> bool:
    """Hand a cycle back, to be looked at again after `wake_in` (None: as it stands).

    Does nothing when the lease is lost already. One that was woken while it was in hand
    (`waking.wake`) stays due: a claimed cycle was due before its lease began. Where the lease was renewed
    since, its own wake-up finds what it was woken for.
    """
    return _release_together(_release_row(lease, wake_in))


def hand_back(leases: Sequence[Lease]) -> None:
    """Hand cycles back, due now, for a process that ends: by one statement, and waiting for nobody's lock.

    What somebody keeps locked is another's once its lease has run out.
    """
    newest = {lease.cycle_id: lease for lease in sorted(leases, key=lambda one: one.fence)}
    rows = [_release_row(lease, timedelta(0)) for lease in newest.values()]
    for tries_left in reversed(range(HAND_BACK_TRIES)):
        if not rows:
            return
        told = _write_releases(rows, waits=False)
        rows = [row for row, was in zip(rows, told, strict=True) if not was]
        if rows and tries_left:
            time.sleep(SLACK.total_seconds())


def _release_row(lease: Lease, wake_in: timedelta | None) -> dict[str, Any]:
    """Give a hand-back as the statement reads it."""
    row = {"cycle": lease.cycle_id, "owner": lease.owner, "fence": lease.fence}
    return row | {"wake_in": None if wake_in is None else wake_in.total_seconds()}


def _write_releases(rows: Sequence[dict[str, Any]], *, waits: bool) -> list[bool | None]:
    """Hand cycles back by one statement; None of one that was not, unless it waits: it may be locked."""
    text = msgspec.json.encode(rows).decode()

    def work() -> set[UUID]:
        with connection.cursor() as cursor:
            cursor.execute(RELEASE, [text, conf.lease_seconds(), waits])
            return {row[0] for row in cursor.fetchall()}

    released = in_one_statement(work)
    return [True if row["cycle"] in released else False if waits else None for row in rows]


RELEASE = "SELECT kimp_release_v1(%s::jsonb, %s, %s)"
_release_together: Group[dict[str, Any], bool] = Group(_write_releases, of=lambda row: row["cycle"])


def due_now() -> Now:
    """Give the instant that makes a cycle due: the database's own."""
    return Now()


def next_due_in(role: Role, *, is_later: bool = False) -> timedelta | None:
    """Give how long until the next cycle of a role is due and free, also by its lease's end; None when none waits.

    The next that falls due later, if asked for: what is due already may be locked.
    """
    with connection.cursor() as cursor:
        cursor.execute(*_next_due(role, is_later=is_later))
        row = cursor.fetchone()
    return row[0] if row else None


@cache
def _next_due(role: Role, *, is_later: bool) -> _Compiled:
    """Compose the statement once: a worker asks it after each claim that found nothing.

    Of what is due already so many of the oldest count: behind as many that are leased there is nobody's, or more than
    anybody has threads for.
    """
    cycles = Cycle.objects.filter(DUE[role]).order_by("wake_at")
    is_free = Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=Now())
    due = cycles.filter(wake_at__lte=Now()).values_list("wake_at", "lease_expires_at")
    oldest = due[:LOOK_THROUGH].query.sql_with_params()
    first = cycles.filter(is_free, wake_at__gt=Now()).values_list("wake_at")[:1]
    later = first.query.sql_with_params()
    already = "NULL::timestamptz" if is_later else ALREADY
    text = NEXT_DUE.format(oldest=oldest[0], already=already, later=later[0])
    return text, (*oldest[1], *later[1])
