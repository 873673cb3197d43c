"""Dead letters: told once, recovered by themselves where that is cheap and safe, else a person's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from cycles import conf
from cycles.domain.recovery import (
    A_PERSONS,
    SETTLED_ASSETS,
    Option,
    OptionKind,
    cheapest_safe,
    options,
)
from cycles.domain.words import AccountOwner, CycleStatus, Mode, Plan
from cycles.errors import CycleError, DatabaseBusyError
from cycles.models import Account, Alert, Cycle, Desk, PremiumSample, Transition
from cycles.services import desk, homing, notices, quoting, recovering, rotating, valuing
from cycles.services.alerting import raise_alert
from cycles.services.locking import in_transaction, lock_cycle
from cycles.services.moving import move
from cycles.services.recovering import Together
from exchanges.lasting import lasting

log = structlog.get_logger(__name__)

AUTO_RECOVERED = "auto_recovery"
BATCH = 100
SWEEP = "process_dead_letters"


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
    """Recover the dead letters whose cheapest safe option is inside the limit; returns how many.

    Each has its turn: a run takes a batch of those that own coins, the next goes on behind it. A cycle
    recovers by itself once; one that could not is looked at again in its next turn, since prices move.
    What a person has taken on, or has to decide, is theirs. Nothing moves while the desk is halted, or was
    restored and has not caught up.
    """
    if not _may_act():
        return 0
    cycles = rotating.batch(SWEEP, _candidates(), BATCH)
    if not cycles:
        return 0
    read = _read(cycles)
    return rotating.each_in_turn(SWEEP, cycles, lambda cycle: _recover(cycle, read)).done


def _may_act() -> bool:
    """Say whether the desk lets anything begin: it is not halted, and in step with its venues."""
    return not Desk.objects.filter(mode=Mode.HALT).exists() and homing.is_at_home()


def _candidates() -> QuerySet[Cycle]:
    """Choose the dead letters that own coins, are no person's, and did not recover by themselves before."""
    fresh = Cycle.objects.filter(status="DEAD_LETTER", acknowledged_at__isnull=True)
    fresh = fresh.exclude(failure_class__in=A_PERSONS)
    tried = Transition.objects.filter(cycle=OuterRef("pk"), event=AUTO_RECOVERED)
    coins = Account.objects.filter(cycle=OuterRef("pk"), owner=AccountOwner.CYCLE, balance__gt=0)
    coins = coins.exclude(asset__in=SETTLED_ASSETS)
    return fresh.filter(Exists(coins), ~Exists(tried)).select_related("policy")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What is read once for the dead letters of a run: journals and ledgers, and the newest samples by venue."""

    together: Together
    samples: Mapping[str, Mapping[str, PremiumSample]]
    began: timedelta  # by the lasting clock
    at: datetime

    def option(self, cycle: Cycle) -> tuple[Option | None, Decimal]:
        """Give what may be done without a person, if anything, and the limit of its loss."""
        samples = self.samples[cycle.korea_venue]
        prices = valuing.prices_of(samples, cycle.global_venue)
        limit = recovering.limit_krw(cycle, prices)
        situation = self.together.situation(cycle, prices)
        now = self.at + (lasting() - self.began)
        priced = [samples.get(coin.asset) for coin in situation.coins]
        if not all(one and not quoting.staleness(one, cycle.policy, now) for one in priced):
            return None, limit  # by an old price no loss can be foreseen
        failure = cycle.failure_class
        return cheapest_safe(options(situation), limit, failure_class=failure), limit


def _read(cycles: Sequence[Cycle]) -> _Read:
    """Read what the dead letters of a run stand on, however many they are."""
    venues = sorted({cycle.korea_venue for cycle in cycles})
    samples = {venue: valuing.latest_samples(venue) for venue in venues}
    together = recovering.together(cycles)
    return _Read(together=together, samples=samples, began=lasting(), at=desk.database_now())


def _recover(cycle: Cycle, read: _Read) -> bool:
    """Recover one dead letter if an option is safe and inside the policy's loss limit.

    In a transaction of its own: one that cannot be written stops no other, and a halt that comes meanwhile
    waits for one of them only. What it is judged by was read for all, and must be new enough still.
    """
    judged = option, limit = read.option(cycle)
    if option is None:
        return False
    reason = f"{option.kind.value}: expected loss ₩{option.loss_krw:,.0f}, limit ₩{limit:,.0f}"
    plan = Plan.UNWIND if option.kind is OptionKind.UNWIND else Plan.RESUME
    try:
        recovered = in_transaction(
            lambda: _sent_on(cycle, plan, reason, still=lambda: read.option(cycle) == judged)
        )
    except DatabaseBusyError:
        raise
    except CycleError as error:
        log.warning("dead_letter.recovery_denied", code=cycle.code, error=str(error))
        return False
    if recovered:
        log.info("dead_letter.recovered", code=cycle.code, option=option.kind.value)
    return recovered


def _sent_on(cycle: Cycle, plan: Plan, reason: str, *, still: Callable[[], bool]) -> bool:
    """Let a dead letter go on by a plan, in the caller's transaction; false if it is not as it was seen, or not `still` judged so.

    Raises HaltedError when the desk has been halted meanwhile.
    """
    desk.refuse_if_halted()
    locked = lock_cycle(cycle.pk)
    if locked.version != cycle.version or locked.status != CycleStatus.DEAD_LETTER or not still():
        return False  # a person was quicker, or its prices have grown old while this process slept
    move(
        locked,
        CycleStatus.RETRY_PENDING,
        event=AUTO_RECOVERED,
        actor="system",
        reason=reason,
        plan=plan,
        retry_count=0,
        next_retry_at=Now(),
        wake_at=Now(),
    )
    notices.tell()
    return True
