"""A passage that has bought nothing yet is judged again: prices, wallets and addresses change while it waits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from cycles import conf
from cycles.domain import decision
from cycles.domain.decision import HOLDS, Limits, Quote, Verdict
from cycles.domain.premium import STABLE
from cycles.domain.progress import END, Progress, waiting
from cycles.domain.words import (
    AccountOwner,
    CycleStatus,
    Mode,
    OpeningRule,
    Passage,
    StepKind,
    StepState,
    Verb,
)
from cycles.models import Alert, Cycle, Intervention, Step
from cycles.services import (
    booking,
    closing,
    desk,
    homing,
    own_size,
    quoting,
    rebalancing,
    valuing,
)
from cycles.services.alerting import raise_alert
from cycles.services.locking import in_transaction
from cycles.services.moving import Lease, lock_for_decision, move
from exchanges.recent import recent

log = structlog.get_logger(__name__)

JUST_DECIDED = timedelta(seconds=2)  # so long a decision stands for itself, as a reading does
LONGEST_SILENCE_SECONDS = (
    900  # without a quote; then what would be bought out is not, and its capital is free
)

_quotes = recent(quoting.latest_quotes)
_policy_in_force = recent(desk.current_policy)
_paused = recent(desk.paused_assets)


def second_thoughts(lease: Lease, cycle: Cycle, step: Step) -> Progress | None:
    """Give what becomes of a passage that no longer holds; None where it holds, or has begun.

    On the way out it ends flat, its capital is the desk's again; on the way home it waits for another way back.
    Without a fresh quote it waits as it is, but not for ever: nothing is bought blindly, and no capital bound silently.
    """
    if not _is_to_begin(cycle, step) or _is_just_decided(cycle, step):
        return None
    mode = rebalancing.desk_lately().mode  # once: it may change meanwhile
    kept = rebalancing.kept_from_buying(cycle, mode)
    if kept:
        return waiting(rebalancing.look_delay(), kept)
    verdict = _judged(cycle, step, mode)
    if verdict.holds is None:
        return _without_quote(cycle, step, verdict.reason)
    if (
        verdict.holds or not homing.is_at_home()
    ):  # elsewhere the intent is refused, and the desk halts
        return None
    if step.passage == Passage.OUTBOUND:
        return _end_flat(lease, verdict.reason)
    return _wait_again(lease, verdict.reason)


def _without_quote(cycle: Cycle, step: Step, reason: str) -> Progress:
    """Wait as it is; on the way home a cycle may have waited for too long."""
    if step.passage == Passage.RETURN:
        return rebalancing.still_waiting(cycle, reason)
    return waiting(rebalancing.look_delay(), reason)


def _is_to_begin(cycle: Cycle, step: Step) -> bool:
    """Say whether this step's first request begins a passage: USDT goes out by a withdrawal.

    On the way home coins may be held all the same: what the way out could not sell. On the way out nothing is.
    """
    if step.quantity_out:
        return False
    if step.passage == Passage.RETURN:
        return step.kind == StepKind.BUY
    begins = step.kind == StepKind.BUY or (step.kind, step.asset) == (StepKind.WITHDRAW, STABLE)
    held = booking.holdings(cycle)
    is_all_here = all(one.owner is AccountOwner.CYCLE for one in held)
    return begins and is_all_here and not valuing.is_exposed(held)


def _is_just_decided(cycle: Cycle, step: Step) -> bool:
    """Say whether the decision is so young, by the database's clock as the lease last had it.

    Of a way back that was resumed it is not told when it was decided.
    """
    decided_at = cycle.status_since
    if step.passage == Passage.OUTBOUND:
        decided_at = cycle.started_at
    elif cycle.last_retry_at == cycle.status_since:
        return False
    leased_at = _leased_at(cycle)
    return leased_at is not None and leased_at - decided_at < JUST_DECIDED


def _leased_at(cycle: Cycle) -> datetime | None:
    """Give when the lease was taken or renewed last, by the database's clock."""
    ends = cycle.lease_expires_at
    return ends - timedelta(seconds=conf.lease_seconds()) if ends else None


def _judged(cycle: Cycle, step: Step, mode: str) -> Verdict:
    """Judge by what opening and coming home are judged by, and what the cycle's own policy promises."""
    if step.passage == Passage.OUTBOUND and mode != Mode.RUN:
        return Verdict(holds=False, reason=f"the desk's mode is {mode}")
    quotes = _quotes(cycle.policy, cycle.korea_venue)
    of = frozenset(cycle.policy.allowed_assets)
    paused = _paused(cycle.korea_venue, cycle.global_venue, of=of)
    if step.passage == Passage.RETURN:
        return rebalancing.still_clears(cycle, step.asset, quotes, paused)
    return _judged_out(cycle, step.asset, quotes, paused)


def _judged_out(
    cycle: Cycle, asset: str, quotes: Sequence[Quote], paused: frozenset[str]
) -> Verdict:
    """Judge a way out by the quotes, or at the cycle's own size: what it took itself makes the feeder measure for less."""
    if asset not in _policy_in_force().allowed_assets:  # who opens now would not either
        return Verdict(holds=False, reason=f"the desk's policy no longer allows {asset}")
    limits = replace(desk.limits(cycle.policy), rule=cycle.opening_rule)
    verdict = decision.still_opens(quotes, asset, limits, paused_back=paused)
    if verdict.holds is not None and _is_to_be_measured(cycle, asset, quotes):
        verdict = _judged_for_all(cycle, asset, quotes, limits, paused)
    if verdict.holds is None and _is_silent_for_long(cycle):
        return Verdict(holds=False, reason=f"{verdict.reason}, and was none for long")
    return verdict


def _judged_for_all(
    cycle: Cycle, asset: str, quotes: Sequence[Quote], limits: Limits, paused: frozenset[str]
) -> Verdict:
    """Judge a way out for all that the cycle takes; it is left unjudged where the books were read, and none carries that.

    A way back that cannot be read might be the cheapest, or the only one: without it an edge is neither gone nor there.
    """
    allowed = limits.allowed_assets - paused
    ways = [one for one in quotes if _is_way(one, asset, allowed)]
    sized = own_size.for_all_of(cycle, ways, asset)
    verdict = decision.still_opens(sized, asset, limits, paused_back=paused)
    read = {one.asset for one in sized if one.is_fresh}
    if verdict.holds or asset not in read:
        return verdict
    unread = [one.asset for one in decision.ways_back(quotes, allowed - read)]
    if verdict.holds is None:  # one that has been silent for longer might carry it, too
        unread += [one.asset for one in quotes if one.asset in allowed and _is_silent(one)]
    is_thin_out = any(one.asset == asset and one.out_rate is None for one in sized)
    if unread and not is_thin_out:
        return Verdict(holds=None, reason=f"no fresh way back by {', '.join(unread)}")
    return HOLDS if verdict.holds is None else verdict


def _is_silent(quote: Quote) -> bool:
    return not quote.is_fresh and not quote.back_is_barred


def _is_way(quote: Quote, asset: str, allowed: Collection[str]) -> bool:
    """Say whether a quote tells of a way, and how much KRW it is to carry."""
    is_told = quote.is_fresh and quote.krw_per_usdt is not None
    return is_told and (quote.asset == asset or quote.asset in allowed)


def _is_to_be_measured(cycle: Cycle, asset: str, quotes: Sequence[Quote]) -> bool:
    """Say whether the edge of so much as the cycle takes out is another than the quotes': fees weigh more in less."""
    mine = [quote for quote in quotes if quote.asset == asset and not quote.out_is_barred]
    is_for_less = any(own_size.is_for_less(cycle, quote) for quote in mine)
    return is_for_less and cycle.opening_rule == OpeningRule.LOCKED_EDGE


def _is_silent_for_long(cycle: Cycle) -> bool:
    """Say whether a cycle without a fresh quote has been so since it began, or was resumed, for too long."""
    leased_at, longest = _leased_at(cycle), conf.scaled(LONGEST_SILENCE_SECONDS)
    return leased_at is not None and leased_at - cycle.status_since > longest


def _end_flat(lease: Lease, reason: str) -> Progress:
    """End a cycle that has bought nothing: what it took goes back to the desk."""

    def work() -> str:
        cycle = lock_for_decision(lease)
        _abandon(cycle)
        closing.close(
            cycle, CycleStatus.FAILED, event="not_bought", actor=lease.owner, reason=reason
        )
        _tell(cycle, reason)
        return cycle.code

    log.info("cycle.not_bought", code=in_transaction(work), reason=reason)
    return END


def _wait_again(lease: Lease, reason: str) -> Progress:
    """Let a cycle whose way back has bought nothing wait for one that clears."""

    def work() -> None:
        cycle = lock_for_decision(lease)
        _abandon(cycle)
        move(
            cycle,
            CycleStatus.AWAITING_REBALANCE,
            event=rebalancing.NO_LONGER_CLEARS,
            actor=lease.owner,
            reason=reason,
            return_asset="",
        )
        _tell(cycle, reason)

    in_transaction(work)
    return waiting(rebalancing.look_delay(), reason)


def _abandon(cycle: Cycle) -> None:
    """Give up the steps that were planned; `cycle` must be locked."""
    unfinished = Step.objects.filter(cycle=cycle, state__in=[StepState.PENDING, StepState.RUNNING])
    unfinished.update(state=StepState.ABANDONED)


def _tell(cycle: Cycle, reason: str) -> None:
    """Tell why nothing was bought where a person wanted it: each time that one did."""
    wanted = Intervention.objects.filter(cycle=cycle, verb__in=[Verb.OPEN, Verb.REDRIVE])
    newest = wanted.order_by("-pk").first()
    if newest is None:
        return
    raise_alert(
        key=f"not_bought:{cycle.code}:{newest.pk}",
        severity=Alert.Severity.INFO,
        title=f"{cycle.code}: nothing was bought",
        body=f"{reason}\nAsked for by {newest.actor}. It is {cycle.status} now.",
        cycle=cycle,
    )
