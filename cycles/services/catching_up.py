"""After a restore: what the venues show since the backup becomes journal and ledger, and what does not fit a person's.

Nothing is sent. The desk is halted first and out of step until the ledger equals the venues, or a person
accepts what is left. Venues are asked outside of any transaction; all that follows is one, and only if nobody has
moved anything since.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Min, OuterRef, Subquery
from django.db.models.functions import Now

from cycles.domain.shown import jsonable
from cycles.domain.states import DRIVEN_BY, FINAL
from cycles.domain.words import CycleStatus, FailureClass, Mode, Role, Verb
from cycles.errors import DatabaseBusyError, InvalidInputError, PermissionDeniedError
from cycles.models import Cycle, ExchangeCall, Posting
from cycles.services import (
    accepting,
    desk,
    homing,
    recalling,
    reconciling,
    recovering,
    remaking,
    replanning,
    retracing,
    verifying,
)
from cycles.services.intervening import Actor, intervene
from cycles.services.locking import in_transaction, lock_cycle, locked, own_mode
from cycles.services.recalling import History
from cycles.services.reconciling import ReconcileReport
from cycles.services.replaying import CAUGHT_UP, Found
from cycles.services.retraced import Retraced
from cycles.services.verifying import VenueLine

log = structlog.get_logger(__name__)

Undecided = Mapping[UUID, tuple[FailureClass, str]]  # by cycle, with why only a person can tell
MARGIN = timedelta(minutes=10)  # before the last intent that the backup knows


@dataclass(frozen=True, slots=True, kw_only=True)
class CaughtUp:
    """What catching up came to: found and written, made again, brought to its end, left to a person.

    `unsettled`: requests that have not ended; the next run may find them ended. `under_way`: the status of their
    cycles, by code; `roles`: which drive those, were they redriven. `undecided`: requests of which only a person
    can tell, in words; their cycles are `parked`. `passed_over`: cycles that somebody was at when a preview came to
    them. `is_withheld`: what was to be accepted was not, since such requests turned up. `is_in_step`: the desk may resume.
    """

    since: datetime
    found: list[Found]
    remade: list[str]
    ended: list[str]
    left: list[str]
    differences: list[VenueLine]
    unsettled: int
    under_way: dict[str, str]
    roles: list[str]
    undecided: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    parked: list[str] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    is_withheld: bool = False
    is_in_step: bool = False

    @property
    def waiting(self) -> list[str]:
        """Give the cycles that wait for a person as dead letters, or would: each was, or is, made again, or misfits."""
        made_again = [code for code in self.remade if code not in self.ended]
        return [*made_again, *(code for code in self.parked if code not in made_again)]

    @property
    def stuck(self) -> list[str]:
        """Give the dead letters whose request has not ended: only a person brings it to an end."""
        dead = CycleStatus.DEAD_LETTER
        return [code for code, status in self.under_way.items() if status == dead]

    @property
    def wants_a_person(self) -> bool:
        """Say whether anything is left to a person, the queue of dead letters included."""
        is_open = bool(self.left or self.differences or self.stuck) and not self.is_in_step
        return is_open or bool(self.waiting)


def default_since() -> datetime:
    """Give an instant from which nothing is missed: before the last intent that the backup knows.

    No intent can be younger than the backup: the database refuses them until the desk has caught up. What
    was under way is asked for from its beginning on. Raises InvalidInputError when the journal tells nothing.
    """
    since = _newest_intent() or _first_posting()
    if since is None:
        raise InvalidInputError("the books are empty: say when the backup was made, --since WHEN")
    return since - MARGIN


def _newest_intent() -> datetime | None:
    """Give when the last request was intended that the desk wrote by itself; ids and instants are the database's, and grow together."""
    calls = ExchangeCall.objects.exclude(request__has_key=CAUGHT_UP).order_by("-pk")
    return calls.values_list("intended_at", flat=True).first()


def _first_posting() -> datetime | None:
    return Posting.objects.order_by("pk").values_list("at", flat=True).first()


def _first_intent_of_open_cycles() -> datetime | None:
    """Give it by each open cycle's own calls: joined to the journal the planner may read all that ever ended."""
    own = ExchangeCall.objects.filter(cycle=OuterRef("pk")).order_by().values("cycle")
    first = Subquery(own.annotate(first=Min("intended_at")).values("first"))
    running = Cycle.objects.exclude(status__in=sorted(FINAL))
    oldest: datetime | None = running.annotate(first=first).aggregate(at=Min("first"))["at"]
    return oldest


def _since(named: datetime | None) -> datetime:
    """Give how far back to ask: what is under way from its beginning on."""
    since = named or default_since()
    if since > desk.database_now():
        raise InvalidInputError("--since lies in the future")
    oldest = _first_intent_of_open_cycles()
    return min(since, oldest - MARGIN if oldest else since)


def preview(*, since: datetime | None = None) -> CaughtUp:
    """Show what catching up would find; writes nothing, and passes over the cycles that somebody is at."""
    history = recalling.recall(_since(since))

    def work() -> CaughtUp:
        told = _told(history, retracing.preview(history))
        transaction.set_rollback(True)
        return told

    return in_transaction(work)


def catch_up(
    *,
    actor: Actor,
    reason: str,
    since: datetime | None = None,
    accept: bool = False,
    tell: Callable[[ReconcileReport], None] = lambda report: None,
) -> CaughtUp:
    """Halt, ask, write, compare. The desk stays halted; it may resume once it is in step.

    `accept`: what still differs came or went outside of kimp, and is booked as the desk's capital; but not in a run
    that comes upon requests of which only a person can tell, or while one has not ended, or a cycle is not made again
    before it has: what they moved may be what differs. Nor where a venue lacks more than the desk itself holds there: who may
    not have it any more is a dead letter then, those that were made again for it too. `tell` hears of
    each batch of open requests that was asked about.
    """
    if not actor.may(Verb.CATCH_UP):
        raise PermissionDeniedError(f"{actor.name} may not catch up: ask an administrator")
    asked_since = _since(since)
    _step_out(actor, reason)
    undecided: dict[UUID, tuple[FailureClass, str]] = {}
    for batch in reconciling.reconcile_all_open_calls():
        tell(batch.report)
        undecided |= batch.undecided
    seen = in_transaction(_marker)
    history = recalling.recall(asked_since)

    def work() -> CaughtUp:
        if _marker() != seen:
            raise DatabaseBusyError(
                "the books moved while the venues were asked: stop all roles, then run it again"
            )
        return _caught_up(history, undecided, actor, reason, accept=accept)

    done = in_transaction(work)
    log.info("desk.caught_up", found=len(done.found), left=done.left, in_step=done.is_in_step)
    return done


def _step_out(actor: Actor, reason: str) -> None:
    """Halt, and be out of step from here on; raise DatabaseBusyError while workers hold cycles."""
    if not desk.is_halted_for(actor, reason):  # a run that was cut short has said so already
        desk.set_mode(Mode.HALT, actor=actor, reason=reason)

    def work() -> None:
        own_mode()
        homing.leave()

    in_transaction(work)
    _demand_free()


def _demand_free() -> None:
    """Raise DatabaseBusyError while workers hold cycles."""
    running = Cycle.objects.exclude(status__in=sorted(FINAL))  # the others have dropped theirs
    held = running.filter(lease_expires_at__gt=Now()).count()
    if held:
        raise DatabaseBusyError(
            f"workers hold {held} cycles: stop all roles, or wait until the leases have run out"
        )


def _marker() -> tuple[int, int, int]:
    """Give what tells whether the books have moved; nobody moves them before this transaction ends.

    Raises DatabaseBusyError while workers hold cycles, or when another run has put the desk back in step meanwhile.
    """
    own_mode()
    running = Cycle.objects.exclude(status__in=sorted(FINAL)).order_by("pk")
    list(locked(running).values_list("pk", flat=True))  # whoever is at one has committed by now
    _demand_free()
    row = desk.current()
    if row.mode != Mode.HALT or row.home:
        raise DatabaseBusyError("somebody else has caught up meanwhile: run it again")
    return verifying.journal_marker()


def _come_upon(undecided: Undecided) -> Undecided:
    """Give those that no person has been shown yet."""
    known = Cycle.objects.filter(status__in=sorted(FINAL | {CycleStatus.DEAD_LETTER}))
    shown = set(known.filter(pk__in=list(undecided)).values_list("pk", flat=True))
    return {cycle_id: why for cycle_id, why in undecided.items() if cycle_id not in shown}


def _park_undecided(undecided: Undecided, actor: Actor) -> dict[str, str]:
    """Make dead letters of the cycles whose open request only a person can tell of; gives why, by code.

    As workers would, who do not run: when the venues' lists have not shown it either, and before the ledger is
    compared, since what may have left explains what lacks.
    """
    told: dict[str, str] = {}
    for cycle_id, (failure, why) in sorted(undecided.items()):
        cycle = lock_cycle(cycle_id)
        if recovering.open_calls(cycle):
            remaking.park(cycle, failure, why, actor)
            told[cycle.code] = why
    return told


def _caught_up(
    history: History, undecided: Undecided, actor: Actor, reason: str, *, accept: bool
) -> CaughtUp:
    """Write what was shown, in one transaction with the intervention that says so."""
    undecided = _come_upon(undecided)
    may_accept = accept and not undecided
    retraced = retracing.retrace(history, actor=actor.name, accepts=may_accept)
    theirs = _park_undecided(undecided, actor)
    retracing.compare(history, retraced, actor=actor.name, accepts=may_accept)
    parked = retracing.park(retraced, actor)
    told = _told(history, retraced)
    accepts = may_accept and not told.unsettled and retraced.is_whole
    objections = accepting.objections(history, retraced) if accepts else []
    accepts = accepts and not objections
    accepted = [*retraced.brought_in, *(map(accepting.text, told.differences) if accepts else [])]
    is_in_step = accepts or not (told.left or told.differences or told.unsettled or objections)
    done = replace(
        told,
        left=[*told.left, *objections],
        parked=[*parked, *(code for code in theirs if code not in parked)],
        undecided=[f"{code}: {why}" for code, why in theirs.items()],
        accepted=accepted,
        is_withheld=accept and not (may_accept or is_in_step or told.unsettled),
        is_in_step=is_in_step,
    )
    made = intervene(Verb.CATCH_UP, actor=actor, reason=reason, payload=jsonable(asdict(done)))
    if accepts:
        accepting.accept(told.differences, made.pk, reason)
    if is_in_step:
        homing.settle()
    return done


def _told(history: History, done: Retraced) -> CaughtUp:
    under_way = verifying.cycles_in_flight()
    return CaughtUp(
        since=history.since,
        found=done.found,
        remade=done.remade,
        ended=done.ended,
        left=done.left,
        differences=done.differences,
        unsettled=verifying.in_flight() + done.unsettled,
        under_way={cycle.code: cycle.status for cycle in under_way},
        roles=sorted({role for cycle in under_way for role in _roles_of(cycle)}),
        passed_over=done.passed_over,
    )


def _roles_of(cycle: Cycle) -> set[Role]:
    """Give the role that drives a cycle where it stands, or from where it would go on; where that is not known, any."""
    at = cycle.resume_status if cycle.status in replanning.PARKED else cycle.status
    return {role for status, role in DRIVEN_BY.items() if status == at} or set(DRIVEN_BY.values())
