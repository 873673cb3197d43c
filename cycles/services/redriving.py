"""Many dead letters go on at once: by filter, in batches that commit whole, taken up again after a kill.

What one redrive demands holds for each of them: permission, reason, the status and version under lock, an audit row.
The operator saw no versions but a filter, a count and an instant. A cycle that died later, or that anybody has acted
on since, is not what was seen and is left alone; so a second run with the same instant only does what is missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog
from django.db import connection
from django.db.models import (
    BooleanField,
    Count,
    Exists,
    F,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
)
from django.db.models.functions import Now

from cycles import metrics, selectors
from cycles.domain.shown import jsonable
from cycles.domain.words import CycleStatus, Verb
from cycles.errors import (
    InvalidInputError,
    NotAllowedNowError,
    StaleSelectionError,
)
from cycles.models import Cycle, Intervention
from cycles.services import desk
from cycles.services.correlating import correlation
from cycles.services.intervening import Actor, demand_reason
from cycles.services.locking import FREE_ROWS_ONLY, in_one_statement, in_transaction
from exchanges import registry
from exchanges.sentences import Sentence

log = structlog.get_logger(__name__)

BATCH = 250
# Cycles a second that become due: about what a pair of workers drives, so that what falls due meanwhile is not
# behind all of them. Venues' limits are kept by their budgets, whatever is due.
RATE = 10

# The statement of a batch, and its parameters: what each batch gives comes first, and A_BATCH among them stands for its ids.
_Composed = tuple[str, tuple[Any, ...]]
A_BATCH = "{a batch}"
# One statement locks what is free of a batch and still as it was seen, and moves it: the function reads by a snapshot that
# is taken after the locks, and refuses what is not as the locks found it. It does not wait for the disk: claims
# beside it wait for less of its log, and the run waits once, at its end.
MOVED = """SELECT kimp_redrive_v1(array_agg(id), array_agg(version), %s::jsonb, %s, %s),
       set_config('synchronous_commit', 'off', true)
  FROM ({free} {locked}) AS chosen (id, version)
"""
FLUSHED = "SELECT pg_logical_emit_message(true, 'kimp', 'redriven')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which dead letters; what is empty asks nothing."""

    failure_class: str = ""
    asset: str = ""
    venue: str = ""
    resume_status: str = ""
    most_krw: Decimal | None = None  # at risk in each

    def rows(self) -> QuerySet[Cycle]:
        """Give the dead letters that match."""
        wanted = Q(resume_status=self.resume_status) if self.resume_status else Q()
        if self.most_krw is not None:
            wanted &= Q(money_at_risk_krw__lte=self.most_krw)
        rows = selectors.cycles(
            failure_class=self.failure_class, asset=self.asset, venue=self.venue
        )
        return rows.filter(wanted, status="DEAD_LETTER").select_related(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What an operator saw. `count`: those that would go on; `taken_on` of others', left to them."""

    filter: Filter
    at: datetime
    count: int
    taken_on: int
    at_risk_krw: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Redriven:
    """What a run did. `left`: held by somebody at that moment, or changed; a second run sees."""

    count: int
    left: int


def look(chosen: Filter, *, actor: Actor | None = None, at: datetime | None = None) -> Seen:
    """Say what would be redriven, as of an instant of the database (now if none is given).

    Raises InvalidInputError where the filter names an asset or a venue that the desk does not know, or where
    the instant is still to come.
    """
    _demand_known(chosen)
    at = _past(at)
    free = _untouched(chosen.rows(), at).order_by()
    found = free.filter(_free_for(actor)).aggregate(
        count=Count("pk"), at_risk=Sum("money_at_risk_krw")
    )
    taken_on = free.exclude(_free_for(actor)).count()
    at_risk = found["at_risk"] or Decimal(0)
    return Seen(filter=chosen, at=at, count=found["count"], taken_on=taken_on, at_risk_krw=at_risk)


def objection(seen: Seen) -> Sentence:
    """Say why there is nothing to do, if so."""
    return Sentence("" if seen.count else "no dead letter matches: there is nothing to redrive")


def demand_matches(seen: Seen) -> None:
    """Raise unless something was seen that would go on."""
    if nothing := objection(seen):
        raise NotAllowedNowError(nothing)


def demand_rate(rate: int) -> None:
    """Raise unless cycles would become due at all."""
    if rate < 1:
        raise InvalidInputError("--rate: at least one cycle a second must go on")


def _past(at: datetime | None) -> datetime:
    """Give when something was seen, now if that is not said: nobody has seen what is still to come."""
    now = desk.database_now()
    if at is not None and at > now:
        raise InvalidInputError(
            "seen at %(seen)s? By the database's clock it is %(now)s: say when you looked",
            seen=jsonable(at),
            now=jsonable(now),
        )
    return at or now


def _demand_known(chosen: Filter) -> None:
    """Raise InvalidInputError for a name that no dead letter could ever have."""
    if chosen.venue and chosen.venue not in registry.VENUES:
        raise InvalidInputError(
            "there is no venue %(name)r: it is one of %(known)s",
            name=chosen.venue,
            known=", ".join(registry.VENUES),
        )
    if not chosen.asset or selectors.cycles(asset=chosen.asset).exists():
        return
    if chosen.asset not in desk.known_assets():
        raise InvalidInputError("the desk knows no asset %(name)r", name=chosen.asset)


def _untouched(rows: QuerySet[Cycle], at: datetime) -> QuerySet[Cycle]:
    """Narrow to those that are as they were at an instant: dead since before, and nobody has acted on them."""
    acts = Intervention.objects.filter(cycle=OuterRef("pk"), at__gt=at)
    return rows.filter(~Exists(acts), status_since__lte=at)


def _free_for(actor: Actor | None) -> Q:
    """What a person has taken on is theirs."""
    free = Q(assignee__isnull=True)
    return free | Q(assignee=actor.user) if actor is not None and actor.user is not None else free


def redrive_all(
    seen: Seen,
    *,
    actor: Actor,
    reason: str,
    rate: int = RATE,
    told: Callable[[int], None] = lambda _done: None,
) -> Redriven:
    """Redrive all that was seen, most money at risk first; `told` hears how many after each batch.

    All of it is on disk once this returns. Of a run that was cut short, batches of its last second may be undone
    whole, audit rows and all, by a crash of the server: those are dead letters still, and a second run takes them.
    Raises StaleSelectionError where more match by now than were seen, NotAllowedNowError where none was,
    InvalidInputError where they were seen in the future: what dies until then would go on unseen.
    """
    text = demand_reason(Verb.REDRIVE, actor, reason)
    demand_rate(rate)
    _past(seen.at)
    rows = seen.filter.rows().filter(_free_for(actor), status_since__lte=seen.at)
    untouched = _untouched(rows, seen.at)
    ids = list(
        untouched.order_by("-money_at_risk_krw", "status_since").values_list("pk", flat=True)
    )
    if len(ids) > seen.count:
        raise StaleSelectionError(
            "you saw %(seen)s, now %(found)s match: look again", seen=seen.count, found=len(ids)
        )
    demand_matches(seen)
    facts, behind = _facts(seen, actor, text, rate), _last_due_in(seen)
    moving, done = _moving(rows), 0
    for begin, batch in _batches(ids):
        begins_in, spread = (timedelta(seconds=number / rate) for number in (begin, len(batch)))
        done += _redrive(moving, batch, (facts, behind + begins_in, spread))
        told(done)
    in_transaction(_flush)
    log.info("dead_letters.redriven", cycles=done, of=len(ids), actor=actor.name)
    return Redriven(count=done, left=len(ids) - done)


def _batches(ids: list[UUID]) -> Iterator[tuple[int, list[UUID]]]:
    """Cut into batches, each with the number of its first."""
    for begin in range(0, len(ids), BATCH):
        yield begin, ids[begin : begin + BATCH]


def _array(ids: Sequence[UUID]) -> str:
    """Write an array as PostgreSQL reads it: one parameter, where IN has one for each."""
    return "{" + ",".join(map(str, ids)) + "}"


def _moving(rows: QuerySet[Cycle]) -> _Composed:
    """Compose the statement of a batch, which locks those that are free and still as they were seen; once for all."""
    is_of_batch = Func(
        F("pk"), Value(A_BATCH),
        arg_joiner=" = ANY(", template="%(expressions)s::uuid[])", output_field=BooleanField(),
    )  # fmt: skip
    chosen = rows.filter(is_of_batch).order_by().values_list("pk", "version")
    free, parameters = chosen.query.sql_with_params()
    return MOVED.format(free=free, locked=FREE_ROWS_ONLY), tuple(parameters)


def _last_due_in(seen: Seen) -> timedelta:
    """Give when the last becomes due of those that a run of the same words has moved, if one was cut short."""
    words = {f"payload__{name}": value for name, value in _words(seen).items()}
    acts = Intervention.objects.filter(cycle=OuterRef("pk"), verb=Verb.REDRIVE, **words)
    # As a value: as a join it would be planned by statistics, perhaps of a time with hardly any acts.
    left = Subquery(acts.filter(at__gt=seen.at).values_list(F("seen_version") + 1)[:1])
    waiting = Cycle.objects.filter(next_retry_at__isnull=False, wake_at__gt=Now(), version=left)
    last = waiting.order_by("-wake_at").values_list(F("wake_at") - Now(), flat=True).first()
    return last or timedelta(0)


def _words(seen: Seen) -> dict[str, Any]:
    """Give what the audit rows of all runs of one redrive have in common."""
    chosen = {name: value for name, value in asdict(seen.filter).items() if value not in ("", None)}
    return {"filter": jsonable(chosen), "seen_at": jsonable(seen.at)}


def _facts(seen: Seen, actor: Actor, reason: str, rate: int) -> str:
    """Give what every row of the run says, as the function reads it."""
    payload = {**_words(seen), "seen_count": seen.count, "rate": rate}
    facts = {
        "verb": Verb.REDRIVE.value,
        "user_id": actor.user.pk if actor.user is not None else None,
        "actor": actor.name,
        "channel": actor.channel.value,
        "reason": reason,
        "payload": jsonable(payload),
        "seen_at": jsonable(seen.at),
        **correlation(),
    }
    return json.dumps(facts)


def _flush() -> None:
    """Commit something that waits for the disk, and so for all that was committed before it."""
    with connection.cursor() as cursor:
        cursor.execute(FLUSHED)


def _redrive(moving: _Composed, batch: Sequence[UUID], own: tuple[Any, ...]) -> int:
    """Lock what is free and still as it was seen, move it, and commit; gives how many."""
    text, parameters = moving
    ids = _array(batch)
    values = [*own, *(ids if one == A_BATCH else one for one in parameters)]

    def work() -> int:
        with connection.cursor() as cursor:
            cursor.execute(text, values)
            found = cursor.fetchone()
        return int(found[0] or 0) if found else 0

    count = in_one_statement(work)
    if count:
        metrics.TRANSITIONS.labels(
            to_status=CycleStatus.RETRY_PENDING.value, event=Verb.REDRIVE.value
        ).inc(count)
    return count
