"""Cycles and what hangs off them, as querysets or lists that need no further query per row."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db.models import F, Q, QuerySet
from django.db.models.fields.json import KT

from cycles.domain.words import CallOutcome, CycleStatus
from cycles.errors import NotFoundError
from cycles.models import (
    Cycle,
    ExchangeCall,
    Intervention,
    PolicyVersion,
    Posting,
    Retry,
    Transition,
)
from cycles.models.cycle import FINAL_STATUSES

MOST_NAMED = 1000
OPEN_OUTCOMES = (CallOutcome.INTENDED.value, CallOutcome.UNKNOWN.value)


def cycles(  # noqa: PLR0913  one keyword per filter
    *,
    status: Collection[str] = (),
    kind: str = "",
    asset: str = "",
    venue: str = "",
    failure_class: str = "",
    is_open: bool | None = None,
    started_from: datetime | None = None,
    started_before: datetime | None = None,
    search: str = "",
) -> QuerySet[Cycle]:
    """Give cycles, newest first; an empty filter asks nothing."""
    wanted = Q()
    if status:
        wanted &= Q(status__in=status)
    for column, text in (("kind", kind), ("failure_class", failure_class)):
        wanted &= Q(**{column: text}) if text else Q()
    if asset:
        wanted &= Q(outbound_asset=asset) | Q(return_asset=asset)
    if venue:
        wanted &= Q(global_venue=venue) | Q(korea_venue=venue)
    if is_open is not None:
        final = Q(status__in=FINAL_STATUSES)
        wanted &= ~final if is_open else final
    if started_from is not None:
        wanted &= Q(started_at__gte=started_from)
    if started_before is not None:
        wanted &= Q(started_at__lt=started_before)
    rows = Cycle.objects.filter(wanted).select_related("policy", "assignee").order_by("-id")
    return matching(rows, search)


def matching(rows: QuerySet[Cycle], search: str) -> QuerySet[Cycle]:
    """Narrow to a code (or how one begins, CYC- or not), a UUID, a client or venue order id, or a txid.

    Asks at once which cycles a name of a call belongs to: each name has its index, and joined to the list
    the planner takes them for many and walks through all cycles instead.
    """
    text = search.strip()
    if not text:
        return rows
    known = {one for one in (*_named_by_calls(text), _as_uuid(text)) if one}
    return rows.filter(Q(code__startswith=_code_of(text)) | Q(pk__in=known))


def cycles_named(text: str) -> list[UUID]:
    """Give the ids of the cycles that a UUID, a code, or how one begins, names; the newest, if those are too many."""
    begun = Cycle.objects.filter(code__startswith=_code_of(text)).order_by("-pk")
    ids = list(begun.values_list("pk", flat=True)[:MOST_NAMED])
    identifier = _as_uuid(text)
    return [*ids, identifier] if identifier else ids


def _named_by_calls(text: str) -> list[UUID]:
    """Give the cycles whose calls have this client or venue order id or txid; with OR no index would serve."""
    calls = ExchangeCall.objects.order_by().values_list("cycle_id", flat=True)
    by_client = calls.filter(client_order_id=text.lower())
    by_venue = calls.filter(venue_order_id=text).exclude(venue_order_id="")
    by_txid = calls.alias(txid=KT("report__txid")).filter(txid=text)
    return list(by_client.union(by_venue, by_txid))


def _code_of(text: str) -> str:
    """Write a code, or how one begins, the way it is kept."""
    return f"CYC-{text.upper().removeprefix('CYC-')}"


def cycle_by_code(code_or_uuid: str | UUID) -> Cycle:
    """Give the cycle of a public code or a UUID; raises NotFoundError."""
    text = str(code_or_uuid).strip()
    if not (text.isascii() and text.isprintable()):  # a NUL cannot even be asked for
        raise NotFoundError("there is no cycle %(name)r", name=text[:64])
    identifier = _as_uuid(text)
    wanted = Q(pk=identifier) if identifier else Q(code=text.upper())
    cycle = Cycle.objects.filter(wanted).select_related("policy", "assignee").first()
    if cycle is None:
        raise NotFoundError("there is no cycle %(name)r", name=text[:64])
    return cycle


def _as_uuid(text: str) -> UUID | None:
    """Read a UUID, None for anything else."""
    try:
        return UUID(text)
    except ValueError:
        return None


def dead_letters() -> QuerySet[Cycle]:
    """Give the cycles that wait for a person: most money at risk first, then the oldest."""
    return (
        Cycle.objects.filter(status=CycleStatus.DEAD_LETTER)
        .select_related("policy", "assignee")
        .order_by(F("money_at_risk_krw").desc(), "status_since", "id")
    )


def open_calls() -> QuerySet[ExchangeCall]:
    """Give the calls whose outcome is not known yet, oldest first."""
    return (
        ExchangeCall.objects.filter(outcome__in=OPEN_OUTCOMES)
        .select_related("cycle", "step")
        .order_by("intended_at")
    )


def ledger_of(cycle: Cycle) -> QuerySet[Posting]:
    """Give a cycle's postings with their entries and accounts, in order of writing."""
    return (
        Posting.objects.filter(cycle=cycle)
        .select_related("step")
        .prefetch_related("entries__account")
        .order_by("id")
    )


def retry_history(cycle: Cycle) -> QuerySet[Retry]:
    """Give every failure of a cycle and what was decided, oldest first."""
    return Retry.objects.filter(cycle=cycle).order_by("id")


def policy_history() -> QuerySet[PolicyVersion]:
    """Give the versions of the policy, newest first; the first is in force."""
    return PolicyVersion.objects.order_by("-number")


def changes_since(cycle: Cycle, version: int) -> tuple[list[Transition], list[Intervention]]:
    """Give what happened to a cycle after `version` was read: its transitions, then what people did."""
    transitions = Transition.objects.filter(cycle=cycle, version__gt=version).order_by("id")
    interventions = Intervention.objects.filter(cycle=cycle, seen_version__gte=version)
    return list(transitions), list(interventions.order_by("id"))
