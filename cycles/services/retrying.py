"""Failures: the ladder decides between RETRY_PENDING and DEAD_LETTER, in one transaction."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from django.db.models import F
from django.db.models.functions import Now

from cycles import conf, metrics
from cycles.domain.backoff import Ladder, RetryDecision, retry_decision
from cycles.domain.progress import Progress
from cycles.domain.words import CycleStatus, FailureClass, Plan
from cycles.models import Alert, Cycle, PolicyVersion, Retry
from cycles.services import booking, valuing
from cycles.services.alerting import raise_alert
from cycles.services.correlating import correlation
from cycles.services.dead_letters import announce
from cycles.services.locking import in_transaction
from cycles.services.moving import Lease, lock_for_decision, move

JITTER = random.SystemRandom()


def ladders(policy: PolicyVersion) -> tuple[Ladder, Ladder]:
    """Give the policy's calm and urgent ladder."""
    calm = Ladder(
        base_seconds=policy.calm_base_seconds,
        cap_seconds=policy.calm_cap_seconds,
        attempts=policy.calm_attempts,
    )
    urgent = Ladder(
        base_seconds=policy.urgent_base_seconds,
        cap_seconds=policy.urgent_cap_seconds,
        attempts=policy.urgent_attempts,
    )
    return calm, urgent


def fail(
    lease: Lease,
    failure: FailureClass,
    reason: str,
    *,
    actor: str,
    context: dict[str, Any] | None = None,
) -> None:
    """Write a failure and what follows: a retry when due, or a dead letter with its alert."""

    def work() -> None:
        _write(lock_for_decision(lease), failure, reason, context or {}, actor=actor)

    in_transaction(work)


def fail_within(cycle: Cycle, progress: Progress, *, actor: str) -> Progress:
    """Write a failure in the transaction of what brought it about, which has locked the cycle under its lease.

    Whoever dies after that commit leaves nothing to the next worker that looks as if all were well.
    """
    _write(cycle, progress.failure, progress.reason, progress.context, actor=actor)
    return replace(progress, is_written=True)


def _write(
    cycle: Cycle, failure: FailureClass, reason: str, context: dict[str, Any], *, actor: str
) -> None:
    """Write a failure of a locked cycle, and what follows from it."""
    exposed = valuing.is_exposed(booking.holdings(cycle))
    decision = _decide(cycle, failure, exposed=exposed)
    number = cycle.retry_count + 1
    if decision.retry:
        _raise_count(cycle)
        _retry_later(cycle, failure, reason, decision, actor=actor)
    else:
        _give_up(cycle, failure, reason, decision, actor=actor)
    _write_history(cycle, failure, reason, context, number)
    if exposed and decision.retry and cycle.retry_count == 1:
        _warn_exposed(cycle, failure, reason)


def _decide(cycle: Cycle, failure: FailureClass, *, exposed: bool) -> RetryDecision:
    """Ask the ladder of the cycle's own policy version."""
    calm, urgent = ladders(cycle.policy)
    return retry_decision(
        failure,
        attempt=cycle.retry_count + 1,
        exposed=exposed,
        calm=calm,
        urgent=urgent,
        jitter=JITTER,
        time_scale=conf.time_scale(),
    )


def _raise_count(cycle: Cycle) -> None:
    """Raise the count in the database, not from a value read before."""
    Cycle.objects.filter(pk=cycle.pk).update(retry_count=F("retry_count") + 1)


def _facts(
    cycle: Cycle, failure: FailureClass, reason: str, decision: RetryDecision
) -> dict[str, Any]:
    """Give the columns that every failure writes."""
    return {
        "failure_class": failure,
        "failure_reason": reason[:2000],
        "max_retries": decision.max_retries,
        "resume_status": _status_to_resume(cycle),
        "money_at_risk_krw": valuing.money_at_risk_krw(cycle),
    }


def _status_to_resume(cycle: Cycle) -> str:
    """Give the status it failed in; one that failed while resuming keeps the one it had stored."""
    pending = cycle.status == CycleStatus.RETRY_PENDING
    return cycle.resume_status if pending else cycle.status


def _retry_later(
    cycle: Cycle, failure: FailureClass, reason: str, decision: RetryDecision, *, actor: str
) -> None:
    """Move to RETRY_PENDING; the lease goes, the wake-up comes from the database's clock."""
    due = Now() + decision.delay
    move(
        cycle,
        CycleStatus.RETRY_PENDING,
        event=f"failed:{failure.value}",
        actor=actor,
        reason=reason,
        next_retry_at=due,
        wake_at=due,
        lease_owner="",
        lease_expires_at=None,
        **_facts(cycle, failure, reason, decision),
    )
    metrics.RETRIES.labels(failure_class=failure.value).inc()


def _give_up(
    cycle: Cycle, failure: FailureClass, reason: str, decision: RetryDecision, *, actor: str
) -> None:
    """Move to DEAD_LETTER with its alert in the same transaction."""
    move(
        cycle,
        CycleStatus.DEAD_LETTER,
        event=f"dead:{failure.value}",
        actor=actor,
        reason=reason,
        next_retry_at=None,
        wake_at=None,
        assignee=None,
        acknowledged_at=None,
        **_facts(cycle, failure, reason, decision),
    )
    announce(cycle)


def _write_history(
    cycle: Cycle, failure: FailureClass, reason: str, context: dict[str, Any], number: int
) -> None:
    """Append the failure to the cycle's retry history; `number` counts from the last success."""
    Retry.objects.create(
        cycle=cycle,
        attempt=number,
        at=cycle.status_since,  # before the alert that tells of it
        failure_class=failure,
        error=reason,
        context=context,
        plan=Plan(cycle.plan),
        next_retry_at=cycle.next_retry_at,
        **correlation(),
    )


def _warn_exposed(cycle: Cycle, failure: FailureClass, reason: str) -> None:
    """Tell people at once: coins are held whose price moves."""
    raise_alert(
        key=f"exposed:{cycle.code}:{cycle.version}",
        severity=Alert.Severity.WARNING,
        title=f"{cycle.code} holds coins and has failed: {failure.value}",
        body=f"{reason}\nMoney at risk: ₩{cycle.money_at_risk_krw:,.0f}. It will be retried.",
        cycle=cycle,
    )
