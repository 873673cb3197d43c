"""The operators of a day: each dead letter is looked at, and what is done about it follows from what is seen.

They act through the services that the admin uses, each time as an intervention with its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from django.contrib.auth.models import Group, User
from django.db.models.functions import Now

from cycles.domain.recovery import OptionKind
from cycles.domain.words import (
    AccountOwner,
    Channel,
    CycleStatus,
    FailureClass,
    Operation,
    Plan,
    StepKind,
    StepState,
)
from cycles.errors import CycleError
from cycles.models import Cycle, ExchangeCall, Step
from cycles.services import booking, intervening, reconciling, recovering, resolving
from cycles.services.intervening import Actor
from cycles.services.resolving import Received, Resolution, ResolutionOutcome
from exchanges import reference
from kimp.demo.website import HELD, LOST, Website

NAME = "demo"
REDRIVES_BEFORE_UNWINDING = 3


def make_operator(name: str = NAME) -> Actor:
    """Make the person who acts: with a name and a group, as in the admin."""
    user, _ = User.objects.get_or_create(username=name)
    user.groups.add(Group.objects.get(name="administrator"))
    return Actor(user=User.objects.get(pk=user.pk), channel=Channel.COMMAND)


@dataclass(slots=True)
class Operator:
    """Tends dead letters by rule; `puzzles` are those that no rule explains, by code.

    For `patience` a new one is left to the desk's own recovery.
    """

    website: Website
    patience: timedelta
    say: Callable[[str], None]
    actor: Actor = field(default_factory=make_operator)
    redrives: Counter[UUID] = field(default_factory=Counter)
    puzzles: dict[str, str] = field(default_factory=dict)

    def tend(self) -> int:
        """Look at each dead letter once; returns how many there were."""
        letters = list(
            Cycle.objects.filter(
                status=CycleStatus.DEAD_LETTER, status_since__lt=Now() - self.patience
            ).order_by("status_since")
        )
        for cycle in letters:
            try:
                self._see_to(cycle)
            except CycleError as error:
                self.say(f"{cycle.code}: not now ({error})")  # the desk was quicker
        return len(letters)

    def _see_to(self, cycle: Cycle) -> None:
        open_call = next(iter(recovering.open_calls(cycle)), None)
        if cycle.failure_class == FailureClass.BUG:
            self.puzzles[cycle.code] = cycle.failure_reason
        elif open_call is not None:
            self._find_out(cycle, open_call)
        elif self._was_lost(cycle) or _is_shut(cycle):
            return
        elif cycle.failure_class == FailureClass.CREDIT_MISMATCH and _is_home(cycle):
            self._settle(cycle, "the venue's deposit page shows what was credited")
        elif self._should_unwind(cycle):
            self._unwind(cycle)
        else:
            self._redrive(cycle, f"looked at: {cycle.failure_class.lower()} has passed")

    def _find_out(self, cycle: Cycle, call: ExchangeCall) -> None:
        """Look at the venue for a request of unknown outcome; only what is not there is stated absent."""
        traces = self.website.traces_of(call)
        if not traces:
            shown = f"the venue's own page shows no {call.operation.lower()} {call.client_order_id}"
            self._state(cycle, ResolutionOutcome.CALL_ABSENT, evidence=shown)
            return
        reconciling.reconcile_cycle(cycle.pk)
        call.refresh_from_db()
        if call.outcome in recovering.OPEN_OUTCOMES:
            self.puzzles[cycle.code] = f"{call.venue} shows {call.client_order_id}: {traces}"[:500]
            return
        self.puzzles.pop(cycle.code, None)
        cycle.refresh_from_db()  # of another version, now that this is known
        self._redrive(cycle, "the venue's page shows the request, and so does the journal now")

    def _was_lost(self, cycle: Cycle) -> bool:
        """See to coins that the receiving venue holds, or never credits; False for anything else."""
        txid = _txid_under_way(cycle)
        deposit = self.website.deposit_of(txid) if txid else None
        if deposit is None or deposit["state"] not in {HELD, *LOST}:
            return False
        if deposit["state"] == HELD:
            self.website.apply_for(deposit)
            self._redrive(cycle, f"applied for at {deposit['venue']}: it is credited")
            return True
        self._settle(cycle, f"{deposit['venue']} shows the deposit of {txid} as {deposit['state']}")
        return True

    def _settle(self, cycle: Cycle, told: str) -> None:
        """Settle a cycle for what it has; what never came is lost.

        Writing it off would give up that too which lies at the venues still: only where there is nothing.
        """
        here = [h for h in booking.holdings(cycle) if h.owner is AccountOwner.CYCLE]
        missing = [h for h in booking.holdings(cycle) if h.owner is not AccountOwner.CYCLE]
        gone = ", ".join(f"{h.quantity:f} {h.asset} at {h.venue}" for h in missing)
        evidence = f"{told}; {gone} never came"
        if here:
            received = tuple(
                Received(venue=h.venue, asset=h.asset, quantity=h.quantity) for h in here
            )
            self._state(cycle, ResolutionOutcome.COMPLETED, evidence=evidence, received=received)
            return
        resolving.write_off(
            cycle.pk, actor=self.actor, reason="the coins are gone", seen_version=cycle.version,
            evidence=evidence,
        )  # fmt: skip
        self.say(f"{cycle.code} written off: {evidence}")

    def _should_unwind(self, cycle: Cycle) -> bool:
        """Say whether redriving has been tried often enough, and selling back is possible."""
        if self.redrives[cycle.pk] < REDRIVES_BEFORE_UNWINDING:
            return False
        options = {option.kind: option for option in recovering.options(cycle)}
        return options[OptionKind.UNWIND].is_possible

    def _unwind(self, cycle: Cycle) -> None:
        intervening.unwind(
            cycle.pk,
            actor=self.actor,
            reason=f"it died of {cycle.failure_class.lower()} again and again",
            seen_version=cycle.version,
        )
        self.say(f"{cycle.code} is to be unwound")

    def _redrive(self, cycle: Cycle, reason: str) -> None:
        intervening.redrive(cycle.pk, actor=self.actor, reason=reason, seen_version=cycle.version)
        self.redrives[cycle.pk] += 1
        self.say(f"{cycle.code} redriven ({cycle.failure_class}: {reason})")

    def _state(
        self,
        cycle: Cycle,
        outcome: ResolutionOutcome,
        *,
        evidence: str,
        received: tuple[Received, ...] = (),
    ) -> None:
        resolving.resolve(
            cycle.pk,
            actor=self.actor,
            reason="looked at the venue",
            seen_version=cycle.version,
            resolution=Resolution(outcome=outcome, evidence=evidence, received=received),
        )
        self.say(f"{cycle.code} resolved {outcome.value}: {evidence}")


def _is_home(cycle: Cycle) -> bool:
    """Say whether nothing is left to do but to close the books; an unwind's, once all is sold."""
    if cycle.plan == Plan.UNWIND:
        where = recovering.situation(cycle)
        return not where.coins and not where.in_flight
    return cycle.resume_status == CycleStatus.REBALANCE_TRADE_COMPLETED


def _is_shut(cycle: Cycle) -> bool:
    """Say whether its next withdrawal has a closed wallet before it, as the venues tell: then it waits."""
    step = Step.objects.filter(
        cycle=cycle, kind=StepKind.WITHDRAW, state__in=[StepState.PENDING, StepState.RUNNING]
    ).first()
    if step is None or cycle.failure_class != FailureClass.WALLET_CLOSED:
        return False
    return step.asset in reference.closed_ways(step.venue, step.to_venue)


def _txid_under_way(cycle: Cycle) -> str:
    """Give the transaction that the cycle waits for; empty if it waits for none."""
    step = Step.objects.filter(
        cycle=cycle, kind=StepKind.DEPOSIT, state__in=[StepState.PENDING, StepState.RUNNING]
    ).first()
    if step is None:
        return ""
    call = (
        ExchangeCall.objects.filter(
            cycle=cycle, operation=Operation.WITHDRAW, step__position=step.position - 1,
            report__isnull=False,
        )
        .order_by("-attempt")
        .first()
    )  # fmt: skip
    return str((call.report["txid"] if call is not None else None) or "")
