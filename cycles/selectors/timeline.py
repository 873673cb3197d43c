"""Everything that happened to a cycle, in the order in which the desk wrote it down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext as _

from cycles import conf
from cycles.models import (
    Alert,
    Cycle,
    ExchangeCall,
    Fill,
    Intervention,
    Posting,
    Step,
    Transition,
)
from cycles.models.fields import Correlated
from cycles.selectors.rows import ledger_of, retry_history

Facts = Mapping[str, Any]


class TimelineKind(StrEnum):
    """What kind of row an item comes from, in the order in which they stand at one instant."""

    INTERVENTION = "intervention"
    TRANSITION = "transition"
    STEP = "step"
    CALL = "call"
    FILL = "fill"
    POSTING = "posting"
    RETRY = "retry"
    ALERT = "alert"


RANK = {kind: rank for rank, kind in enumerate(TimelineKind)}
RUNNING = "RUNNING"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineItem:
    """One fact: `status` is the machine's word, `detail` a sentence, `facts` JSON-ready values."""

    at: datetime
    kind: TimelineKind
    title: str
    detail: str = ""
    status: str = ""
    actor: str = ""
    facts: Facts = field(default_factory=dict)
    request_id: str = ""
    session_id: str = ""
    trace_id: str = ""


def timeline(cycle: Cycle) -> list[TimelineItem]:
    """Give a cycle's facts by the database's clock, in nine queries; what a venue stamped stands beside it."""
    postings = list(ledger_of(cycle))
    parts = (
        _interventions(cycle),
        _transitions(cycle),
        _steps(cycle),
        _calls(cycle),
        _fills(cycle, {posting.key: posting.at for posting in postings}),
        _postings(postings),
        _retries(cycle),
        _alerts(cycle),
    )
    items = [item for part in parts for item in part]
    return sorted(items, key=_place)


def _place(item: TimelineItem) -> tuple[datetime, int, bool]:
    """Order by time; in one instant a step ends with the posting that settles it."""
    ends = item.kind is TimelineKind.STEP and item.status != RUNNING
    return item.at, RANK[TimelineKind.POSTING if ends else item.kind], ends


def _ids(row: Correlated) -> dict[str, str]:
    """Give a row's correlation ids."""
    return {
        "request_id": row.request_id,
        "session_id": row.session_id,
        "trace_id": row.trace_id,
    }


def _interventions(cycle: Cycle) -> Iterator[TimelineItem]:
    for row in Intervention.objects.filter(cycle=cycle).order_by("id"):
        yield TimelineItem(
            at=row.at,
            kind=TimelineKind.INTERVENTION,
            title=_("%(actor)s: %(verb)s") % {"actor": row.actor, "verb": row.get_verb_display()},
            detail=row.reason,
            status=row.verb,
            actor=row.actor,
            facts={"channel": row.channel, "seen_version": row.seen_version, **row.payload},
            **_ids(row),
        )


def _transitions(cycle: Cycle) -> Iterator[TimelineItem]:
    for row in Transition.objects.filter(cycle=cycle).order_by("id"):
        yield TimelineItem(
            at=row.at,
            kind=TimelineKind.TRANSITION,
            title=str(row.get_to_status_display()),
            detail=row.reason,
            status=row.to_status,
            actor=row.actor,
            facts={"from": row.from_status, "event": row.event, "version": row.version},
            **_ids(row),
        )


def _steps(cycle: Cycle) -> Iterator[TimelineItem]:
    for step in Step.objects.filter(cycle=cycle).order_by("position"):
        if step.started_at is not None:
            yield _step(step, step.started_at, _("%(step)s began"), RUNNING)
        if step.settled_at is not None:
            yield _step(step, step.settled_at, _("%(step)s settled"), step.state)


def _step(step: Step, at: datetime, title: str, state: str) -> TimelineItem:
    name = f"{step.get_passage_display()} {step.position}: {step.get_kind_display()} {step.asset}"
    return TimelineItem(
        at=at,
        kind=TimelineKind.STEP,
        title=title % {"step": name},
        detail=f"{step.venue} > {step.to_venue}" if step.to_venue else step.venue,
        status=state,
        facts={"position": step.position, "given": step.quantity_in, "yielded": step.quantity_out},
    )


def _calls(cycle: Cycle) -> Iterator[TimelineItem]:
    for call in ExchangeCall.objects.filter(cycle=cycle).select_related("step").order_by("id"):
        yield TimelineItem(
            at=call.intended_at,
            kind=TimelineKind.CALL,
            title=f"{call.get_operation_display()} {call.step.asset} @ {call.venue}",
            detail=call.error,
            status=call.outcome,
            facts=_call_facts(call),
            **_ids(call),
        )


def _call_facts(call: ExchangeCall) -> Facts:
    """Give what the journal knows of a call; addresses and keys never stand in it."""
    return {
        "client_order_id": call.client_order_id,
        "venue_order_id": call.venue_order_id,
        "attempt": call.attempt,
        "position": call.step.position,
        "refusal": call.refusal_reason,
        "request": call.request,
        "report": call.report,
        "noted_at": call.noted_at,
        "duration_ms": call.duration_ms,
        "is_settled": call.is_settled,
    }


def _fills(cycle: Cycle, booked: Mapping[str, datetime]) -> Iterator[TimelineItem]:
    """Give fills when they were booked: a venue's clock is its own, and a simulated one runs faster."""
    for fill in Fill.objects.filter(cycle=cycle).select_related("call").order_by("id"):
        call = fill.call
        stamp = fill.at.astimezone(conf.display_time_zone())
        yield TimelineItem(
            at=booked.get(f"order:{call.client_order_id}", call.noted_at or call.intended_at),
            kind=TimelineKind.FILL,
            title=f"{fill.side} {fill.market} @ {fill.venue}",
            detail=_("at %(at)s by the venue's clock") % {"at": f"{stamp:%Y-%m-%d %H:%M:%S}"},
            facts=_fill_facts(fill),
        )


def _fill_facts(fill: Fill) -> Facts:
    return {
        "venue_at": fill.at,
        "price": fill.price,
        "quantity": fill.quantity,
        "notional": fill.notional,
        "fee": fill.fee,
        "fee_asset": fill.fee_asset,
        "venue_fill_id": fill.venue_fill_id,
    }


def _postings(postings: Iterable[Posting]) -> Iterator[TimelineItem]:
    for posting in postings:
        yield TimelineItem(
            at=posting.at,
            kind=TimelineKind.POSTING,
            title=_("posting: %(kind)s") % {"kind": posting.get_kind_display()},
            detail=posting.memo,
            status=posting.kind,
            facts={"key": posting.key, "entries": _entries(posting)},
            **_ids(posting),
        )


def _entries(posting: Posting) -> list[dict[str, Any]]:
    return [
        {
            "venue": entry.account.venue,
            "asset": entry.account.asset,
            "owner": entry.account.owner,
            "quantity": entry.quantity,
        }
        for entry in posting.entries.all()
    ]


def _retries(cycle: Cycle) -> Iterator[TimelineItem]:
    for row in retry_history(cycle):
        yield TimelineItem(
            at=row.at,
            kind=TimelineKind.RETRY,
            title=_("failure %(n)s: %(failure)s")
            % {"n": row.attempt, "failure": row.get_failure_class_display()},
            detail=row.error,
            status=row.failure_class,
            facts={"plan": row.plan, "next_retry_at": row.next_retry_at, "context": row.context},
            **_ids(row),
        )


def _alerts(cycle: Cycle) -> Iterator[TimelineItem]:
    for alert in Alert.objects.filter(cycle=cycle).order_by("id"):
        yield TimelineItem(
            at=alert.created_at,
            kind=TimelineKind.ALERT,
            title=alert.title,
            detail=alert.body,
            status=alert.state,
            facts={"severity": alert.severity, "attempts": alert.attempts},
            **_ids(alert),
        )
