"""What the planner says of a cycle now, from its journal, its ledger and the newest prices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db.models import Q, QuerySet

from cycles.domain import recovery
from cycles.domain.words import CallOutcome, CycleStatus, Operation
from cycles.models import Account, Cycle, ExchangeCall
from cycles.services import booking, valuing
from cycles.services.committing import Group
from cycles.services.valuing import Prices

OPEN_OUTCOMES = (CallOutcome.INTENDED, CallOutcome.UNKNOWN)
_IS_OPEN = Q(outcome__in=OPEN_OUTCOMES)
_IS_UNSETTLED = Q(
    outcome=CallOutcome.DONE,
    is_settled=False,
    operation__in=[Operation.PLACE_ORDER, Operation.WITHDRAW],
)


def open_calls(cycle: Cycle) -> list[ExchangeCall]:
    """Give the cycle's calls whose outcome is not known."""
    return list(ExchangeCall.objects.filter(_IS_OPEN, cycle=cycle).select_related("step"))


def unsettled_calls(cycle: Cycle) -> list[ExchangeCall]:
    """Give accepted calls whose effect is not in the ledger yet."""
    return list(ExchangeCall.objects.filter(_IS_UNSETTLED, cycle=cycle).select_related("step"))


def first_loose_call(cycle: Cycle) -> ExchangeCall | None:
    """Give what must be seen to before anything else: a call that is open, else one not settled."""
    return _first(list(_loose_calls([cycle.pk])))


def first_loose_call_together(cycle_id: UUID) -> ExchangeCall | None:
    """Give the same outside of any transaction, read with what other threads ask for at this moment."""
    return _first(read_together(cycle_id))


def _first(rows: Sequence[ExchangeCall]) -> ExchangeCall | None:
    return next((row for row in rows if row.outcome in OPEN_OUTCOMES), rows[0] if rows else None)


def _loose_calls(cycle_ids: Sequence[UUID]) -> QuerySet[ExchangeCall]:
    # No joins for what is seldom needed.
    return ExchangeCall.objects.filter(_IS_OPEN | _IS_UNSETTLED, cycle__in=cycle_ids)


def _read_loose_calls(cycle_ids: Sequence[UUID], *, waits: bool) -> list[list[ExchangeCall]]:
    found: defaultdict[UUID, list[ExchangeCall]] = defaultdict(list)
    for call in _loose_calls(cycle_ids):
        found[call.cycle_id].append(call)
    return [found[cycle_id] for cycle_id in cycle_ids]


read_together: Group[UUID, list[ExchangeCall]] = Group(
    _read_loose_calls, of=lambda one: one, reads=True
)


def situation(cycle: Cycle) -> recovery.Situation:
    """Gather what the planner needs."""
    return recovery.Situation(
        status=CycleStatus(cycle.status),
        resume_status=cycle.resume_status,
        holdings=booking.holdings(cycle),
        has_open_call=bool(open_calls(cycle)),
        has_unsettled_call=bool(unsettled_calls(cycle)),
        krw_of=valuing.prices_for(cycle).krw,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """What was read of many cycles at once: their accounts, and which of them have loose calls."""

    held: Mapping[UUID, Sequence[Account]]
    is_open: frozenset[UUID]
    is_unsettled: frozenset[UUID]

    def situation(self, cycle: Cycle, prices: Prices) -> recovery.Situation:
        """Give what the planner needs of one of them."""
        return recovery.Situation(
            status=CycleStatus(cycle.status),
            resume_status=cycle.resume_status,
            holdings=booking.held_in(self.held.get(cycle.pk, ())),
            has_open_call=cycle.pk in self.is_open,
            has_unsettled_call=cycle.pk in self.is_unsettled,
            krw_of=prices.krw,
        )


def together(cycles: Sequence[Cycle]) -> Together:
    """Read what the planner needs of many cycles, in three statements."""
    held: defaultdict[UUID | None, list[Account]] = defaultdict(list)
    for account in Account.objects.filter(cycle__in=cycles).exclude(balance=0).order_by("id"):
        held[account.cycle_id].append(account)
    return Together(
        held={cycle.pk: held[cycle.pk] for cycle in cycles},
        is_open=_owners(_IS_OPEN, cycles),
        is_unsettled=_owners(_IS_UNSETTLED, cycles),
    )


def _owners(calls: Q, cycles: Sequence[Cycle]) -> frozenset[UUID]:
    """Give the cycles that have such a call."""
    found = ExchangeCall.objects.filter(calls, cycle__in=cycles)
    return frozenset(found.values_list("cycle_id", flat=True))


def options(cycle: Cycle) -> tuple[recovery.Option, ...]:
    """List what can be done with the cycle."""
    return recovery.options(situation(cycle))


def loss_limit_krw(cycle: Cycle) -> Decimal:
    """Give the policy's limit for automatic recovery in KRW; 0 without a rate."""
    return limit_krw(cycle, valuing.prices_for(cycle))


def limit_krw(cycle: Cycle, prices: Prices) -> Decimal:
    """Give that limit by prices that are known; 0 without a rate."""
    rate = prices.krw_per_usdt or Decimal(0)
    limit: Decimal = cycle.policy.auto_recovery_loss_limit_usdt
    return (limit * rate).quantize(Decimal(1))
