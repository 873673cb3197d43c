"""What operators do: identity, permission, reason and seen version, checked in one place.

One function (`intervene`) opens an intervention; every verb runs in one transaction with it. Many at once are
written by `redriving`, under the same demands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from cycles.domain.states import WAITS
from cycles.domain.words import Channel, CycleStatus, Passage, Plan, StepState, Verb, word
from cycles.errors import (
    InvalidInputError,
    NotAllowedNowError,
    PermissionDeniedError,
    UnresolvedCallError,
)
from cycles.models import Cycle, Intervention, Step
from cycles.services import notices, recovering
from cycles.services.correlating import correlation
from cycles.services.locking import in_transaction
from cycles.services.moving import lock_for_operator, move, touch
from exchanges.sentences import Sentence

LONGEST_REASON = 2000

PERMISSIONS: dict[Verb, str] = {
    Verb.REDRIVE: "cycles.redrive_cycle",
    Verb.UNWIND: "cycles.unwind_cycle",
    Verb.RESOLVE: "cycles.resolve_cycle",
    Verb.WRITE_OFF: "cycles.write_off_cycle",
    Verb.ACKNOWLEDGE: "cycles.acknowledge_cycle",
    Verb.OPEN: "cycles.open_cycle",
    Verb.HALT: "cycles.halt_desk",
    Verb.PAUSE: "cycles.halt_desk",
    Verb.UNPAUSE: "cycles.halt_desk",
    Verb.RESUME: "cycles.resume_desk",
    Verb.SET_POLICY: "cycles.add_policyversion",
    Verb.CONFIRM_ADDRESS: "exchanges.confirm_registeredaddress",
    Verb.RETIRE_ADDRESS: "exchanges.retire_registeredaddress",
    Verb.PROVE_ASSET: "exchanges.prove_assetidentity",
    Verb.BLOCK_ASSET: "exchanges.block_assetidentity",
    Verb.CATCH_UP: "cycles.resume_desk",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts, and through which door. Only the system acts without a user."""

    user: User | None
    channel: Channel

    @property
    def name(self) -> str:
        """Give the name that rows carry."""
        return self.user.get_username() if self.user is not None else "system"

    def may(self, verb: Verb) -> bool:
        """Say whether this actor has the verb's permission."""
        if self.user is None:
            return self.channel is Channel.SYSTEM
        return self.user.is_active and self.user.has_perm(PERMISSIONS[verb])


def intervene(
    verb: Verb,
    *,
    actor: Actor,
    reason: str,
    cycle: Cycle | None = None,
    seen_version: int | None = None,
    payload: dict[str, Any] | None = None,
) -> Intervention:
    """Check who asks and why, and write the intervention, in the caller's transaction."""
    text = demand_reason(verb, actor, reason)
    return Intervention.objects.create(
        verb=verb,
        cycle=cycle,
        user=actor.user,
        actor=actor.name,
        channel=actor.channel,
        reason=text,
        seen_version=seen_version,
        payload=payload or {},
        at=Now(),
        **correlation(),
    )


def demand_reason(verb: Verb, actor: Actor, reason: str) -> str:
    """Give the reason as it is kept; raises unless this actor may do the verb, and says why."""
    if not actor.may(verb):
        raise PermissionDeniedError(
            "%(name)s may not %(verb)s: ask an administrator", name=actor.name, verb=word(verb)
        )
    text = reason.strip()
    if not text:
        raise InvalidInputError("give a reason: it is kept with what you do")
    if len(text) > LONGEST_REASON:
        raise InvalidInputError("the reason is longer than %(n)s characters", n=LONGEST_REASON)
    return text


def redrive(cycle_id: UUID, *, actor: Actor, reason: str, seen_version: int) -> Intervention:
    """Send a dead letter on where it stopped, with a new retry budget; it keeps its identity."""
    return _revive(Verb.REDRIVE, Plan.RESUME, cycle_id, actor, reason, seen_version)


def unwind(cycle_id: UUID, *, actor: Actor, reason: str, seen_version: int) -> Intervention:
    """Let a dead letter sell its coins back where they are."""
    return _revive(Verb.UNWIND, Plan.UNWIND, cycle_id, actor, reason, seen_version)


def _revive(
    verb: Verb, plan: Plan, cycle_id: UUID, actor: Actor, reason: str, seen_version: int
) -> Intervention:
    """Move a dead letter to RETRY_PENDING under a plan, due now."""

    def work() -> Intervention:
        cycle = lock_for_operator(cycle_id, seen_version=seen_version)
        made = intervene(verb, actor=actor, reason=reason, cycle=cycle, seen_version=seen_version)
        demand_dead_letter(cycle, verb)
        if plan is Plan.UNWIND:
            _demand_unwindable(cycle)
        left_to_do = Plan.UNWIND if _is_half_unwound(cycle) else plan
        move(
            cycle,
            CycleStatus.RETRY_PENDING,
            event=verb.value,
            actor=actor.name,
            reason=made.reason,
            plan=left_to_do,
            retry_count=0,
            next_retry_at=Now(),
            wake_at=Now(),
        )
        notices.tell()
        return made

    return in_transaction(work)


def _is_half_unwound(cycle: Cycle) -> bool:
    """Say whether the passage was given up for an unwind: nothing of it is left to resume. A wait always is.

    Its sales are planned behind it as it is given up; a way home that no longer cleared has none behind it.
    """
    if cycle.plan != Plan.UNWIND or cycle.resume_status in WAITS:
        return False
    of_cycle = Step.objects.filter(cycle=cycle)
    steps = of_cycle.exclude(passage=Passage.UNWIND)
    sales = of_cycle.filter(passage=Passage.UNWIND, position__gt=OuterRef("position"))
    is_given_up = steps.filter(Exists(sales), state=StepState.ABANDONED).exists()
    return (
        is_given_up and not steps.filter(state__in=[StepState.PENDING, StepState.RUNNING]).exists()
    )


def demand_dead_letter(cycle: Cycle, verb: Verb) -> None:
    """Raise NotAllowedNowError unless the cycle waits for a person."""
    if cycle.status != CycleStatus.DEAD_LETTER:
        raise NotAllowedNowError(
            "%(code)s is %(status)s, not a dead letter: %(verb)s does not apply",
            code=cycle.code,
            status=word(CycleStatus(cycle.status)),
            verb=word(verb),
        )


def _demand_unwindable(cycle: Cycle) -> None:
    """Raise unless the planner allows selling back."""
    unwinding = next(o for o in recovering.options(cycle) if o.kind.value == Verb.UNWIND.name)
    if recovering.open_calls(cycle):
        raise UnresolvedCallError(
            "%(code)s: %(why)s", code=cycle.code, why=Sentence(unwinding.why_not)
        )
    if not unwinding.is_possible:
        raise NotAllowedNowError(
            "%(code)s cannot be unwound: %(why)s", code=cycle.code, why=Sentence(unwinding.why_not)
        )


def acknowledge(cycle_id: UUID, *, actor: Actor, reason: str, seen_version: int) -> Intervention:
    """Take a dead letter on: others see whose it is."""

    def work() -> Intervention:
        cycle = lock_for_operator(cycle_id, seen_version=seen_version)
        made = intervene(
            Verb.ACKNOWLEDGE, actor=actor, reason=reason, cycle=cycle, seen_version=seen_version
        )
        demand_dead_letter(cycle, Verb.ACKNOWLEDGE)
        touch(cycle, assignee=actor.user, acknowledged_at=Now())
        return made

    return in_transaction(work)
