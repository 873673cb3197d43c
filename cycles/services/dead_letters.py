"""Dead letters: told once, recovered by themselves where that is cheap and safe, else a person's."""

from __future__ import annotations

import structlog
from django.db.models.functions import Now

from cycles import conf
from cycles.domain.recovery import OptionKind, cheapest_safe
from cycles.domain.words import CycleStatus, Plan
from cycles.errors import CycleError
from cycles.models import Alert, Cycle, Transition
from cycles.services import notices, quoting, recovering
from cycles.services.alerting import raise_alert
from cycles.services.locking import in_transaction, lock_cycle
from cycles.services.moving import move

log = structlog.get_logger(__name__)

AUTO_RECOVERED = "auto_recovery"
BATCH = 100


def announce(cycle: Cycle) -> None:
    """Raise the dead letter's alert, in the transaction that made it one."""
    link = f"{conf.public_url()}/admin/cycles/cycle/{cycle.pk}/change/"
    raise_alert(
        key=f"dead_letter:{cycle.code}:{cycle.version}",
        severity=Alert.Severity.CRITICAL,
        title=f"Dead letter {cycle.code}: {cycle.failure_class}",
        body=(
            f"Cycle: {cycle.code}\n"
            f"Class: {cycle.failure_class}\n"
            f"Reason: {cycle.failure_reason}\n"
            f"Retries: {cycle.retry_count} of {cycle.max_retries}\n"
            f"Money at risk: ₩{cycle.money_at_risk_krw:,.0f}\n"
            f"{link}"
        ),
        cycle=cycle,
    )
    log.error(
        "cycle.dead_letter",
        manual_intervention_required=True,
        code=cycle.code,
        failure_class=cycle.failure_class,
        reason=cycle.failure_reason,
        retry_count=cycle.retry_count,
        max_retries=cycle.max_retries,
        money_at_risk_krw=f"{cycle.money_at_risk_krw:.0f}",
    )


def process_dead_letters() -> int:
    """Try the cheapest safe option of each new dead letter, once; returns how many were recovered.

    What a person has taken on is theirs.
    """
    tried = Transition.objects.filter(event=AUTO_RECOVERED).values("cycle_id")
    fresh = Cycle.objects.filter(status="DEAD_LETTER", acknowledged_at__isnull=True)
    fresh = fresh.exclude(pk__in=tried).order_by("-status_since")  # old ones starve none
    return sum(_recover(cycle) for cycle in fresh[:BATCH])


def _prices_are_fresh(cycle: Cycle) -> bool:
    """Say whether each coin was priced just now: by an old price no loss can be foreseen."""
    quotes = quoting.latest_quotes(cycle.policy, cycle.korea_venue)
    fresh = {quote.asset for quote in quotes if quote.is_fresh}
    return all(coin.asset in fresh for coin in recovering.situation(cycle).coins)


def _recover(cycle: Cycle) -> bool:
    """Recover one dead letter if an option is safe and inside the policy's loss limit."""
    options = recovering.options(cycle)
    limit = recovering.loss_limit_krw(cycle)
    option = cheapest_safe(options, limit)
    if option is None or not _prices_are_fresh(cycle):
        return False

    def work() -> bool:
        locked = lock_cycle(cycle.pk)
        if locked.version != cycle.version or locked.status != CycleStatus.DEAD_LETTER:
            return False  # a person was quicker
        move(
            locked,
            CycleStatus.RETRY_PENDING,
            event=AUTO_RECOVERED,
            actor="system",
            reason=f"{option.kind.value}: expected loss ₩{option.loss_krw:,.0f}, limit ₩{limit:,.0f}",
            plan=Plan.UNWIND if option.kind is OptionKind.UNWIND else Plan.RESUME,
            retry_count=0,
            next_retry_at=Now(),
            wake_at=Now(),
        )
        notices.tell()
        return True

    try:
        recovered = in_transaction(work)
    except CycleError as error:
        log.warning("dead_letter.recovery_denied", code=cycle.code, error=str(error))
        return False
    if recovered:
        log.info("dead_letter.recovered", code=cycle.code, option=option.kind.value)
    return recovered
