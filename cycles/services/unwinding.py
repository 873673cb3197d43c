"""Unwinding: coins are sold back where they are, then the cycle ends, or waits on with KRW in hand."""

from __future__ import annotations

from collections.abc import Callable

from cycles.domain.plan import StepPlan
from cycles.domain.postings import Holding
from cycles.domain.progress import END, GO_ON, Progress, failed
from cycles.domain.recovery import is_dust
from cycles.domain.states import WAITS
from cycles.domain.words import (
    AccountOwner,
    CycleStatus,
    FailureClass,
    Passage,
    Plan,
    StepKind,
    StepState,
)
from cycles.models import Cycle, Step
from cycles.services import believing, booking, closing, rebalancing, valuing
from cycles.services.locking import in_transaction
from cycles.services.moving import Lease, lock_for_decision, move, touch
from cycles.services.trading import FRESH
from cycles.services.transferring import live_withdrawal
from exchanges import reference, registry
from exchanges.values import Market

RunStep = Callable[[Lease, Cycle, Step], Progress]


def quote_at(venue: str) -> str:
    """Give what coins are sold for at a venue."""
    return "USDT" if venue == registry.GLOBAL_VENUE else "KRW"


def unwind(lease: Lease, cycle: Cycle, run_step: RunStep) -> Progress:
    """Do the next unit of an unwind: finish what is in flight, sell what is left, then end."""
    step = _next_step(cycle)
    if step is not None and (step.passage == Passage.UNWIND or _has_left(cycle, step)):
        return run_step(lease, cycle, step)
    coins = tradable_coins(cycle)
    if coins:
        _plan_sales(lease, coins)
        return GO_ON
    missing = [held for held in booking.holdings(cycle) if held.owner is not AccountOwner.CYCLE]
    if missing:  # it is not there to be handed over: a person says what became of it
        reason = f"the unwind cannot end while it owns {closing.told(missing)}"
        return failed(FailureClass.CREDIT_MISMATCH, reason)
    if _goes_on(cycle):
        set_plan(lease, Plan.RESUME)
        return GO_ON
    _end(lease, goes_home=waits_in_korea(cycle))
    return END


def _goes_on(cycle: Cycle) -> bool:
    """Say whether what is left to do is there still once its coins are sold: to wait, or to close the books."""
    if cycle.status == CycleStatus.REBALANCE_TRADE_COMPLETED:
        return not closing.not_dust(cycle)
    return cycle.status in WAITS and waits_in_korea(cycle)


def set_plan(lease: Lease, plan: Plan) -> None:
    """Let a leased cycle go on by another plan, in the status that it has."""
    in_transaction(lambda: touch(lock_for_decision(lease), plan=plan))


def _next_step(cycle: Cycle) -> Step | None:
    """Give the cycle's next unfinished step; unwinding sales come before what they replace."""
    unfinished = Step.objects.filter(
        cycle=cycle, state__in=[StepState.PENDING, StepState.RUNNING]
    ).order_by("position")
    return unfinished.filter(passage=Passage.UNWIND).first() or unfinished.first()


def _has_left(cycle: Cycle, step: Step) -> bool:
    """Say whether coins are on their way: then their arrival comes first."""
    if step.kind == StepKind.WITHDRAW:
        return live_withdrawal(step) is not None
    in_flight = any(h.owner is AccountOwner.IN_FLIGHT for h in booking.holdings(cycle))
    return step.kind == StepKind.DEPOSIT and in_flight


def tradable_coins(cycle: Cycle) -> list[Holding]:
    """Give the coins the cycle holds that are worth an order; the rest is dust."""
    now = registry.utc_now()
    coins = []
    for held in booking.holdings(cycle):
        if held.asset in {"USDT", "KRW"} or held.owner is not AccountOwner.CYCLE:
            continue
        market = Market(held.asset, quote_at(held.venue))
        rules = reference.market_rules(held.venue, market, now)
        book = registry.book(held.venue, market, newest=FRESH)
        # A book that is not believed gives no price: the sale is planned, and waits for a sound one.
        if (
            believing.doubt_of(book, cycle.policy)
            or held.quantity * book.bids[0].price >= rules.minimum_notional
        ):
            coins.append(held)
    return coins


def _plan_sales(lease: Lease, coins: list[Holding]) -> None:
    """Abandon the passage and plan a sale of each coin where it lies."""

    def work() -> None:
        cycle = lock_for_decision(lease)
        Step.objects.filter(cycle=cycle, state__in=[StepState.PENDING, StepState.RUNNING]).update(
            state=StepState.ABANDONED
        )
        rebalancing.write_steps(
            cycle,
            [
                StepPlan(
                    passage=Passage.UNWIND,
                    kind=StepKind.SELL,
                    venue=held.venue,
                    asset=held.asset,
                    quote=quote_at(held.venue),
                )
                for held in coins
            ],
        )
        touch(cycle)

    in_transaction(work)


def _end(lease: Lease, *, goes_home: bool) -> None:
    """Leave the unwind: with KRW that goes home wait again, else end as FAILED, flat."""

    def work() -> None:
        cycle = lock_for_decision(lease)
        Step.objects.filter(cycle=cycle, state__in=[StepState.PENDING, StepState.RUNNING]).update(
            state=StepState.ABANDONED
        )
        if goes_home:
            move(
                cycle,
                CycleStatus.AWAITING_REBALANCE,
                event="unwound",
                actor=lease.owner,
                plan=Plan.RESUME,
                return_asset="",
                lease_owner="",
                lease_expires_at=None,
                wake_at=cycle.wake_at,
            )
            return
        held = closing.close(cycle, CycleStatus.FAILED, event="unwound", actor=lease.owner)
        rebalancing.tell_rest(cycle, held)

    in_transaction(work)


def waits_in_korea(cycle: Cycle) -> bool:
    """Say whether an unwound cycle waits, again or still, for a way home: of all that it has, or of a rest that is carried.

    Raises StaleReferenceError where it is not known what carries a rest.
    """
    if cycle.status in WAITS:
        return not is_dust(rebalancing.krw_in_hand(cycle))
    on_the_way_back = cycle.status == CycleStatus.REBALANCING_IN_PROGRESS
    return on_the_way_back and (_is_whole_in_krw(cycle) or bool(rebalancing.rest_to_carry(cycle)))


def _is_whole_in_krw(cycle: Cycle) -> bool:
    """Say whether most of what it has is in Korea: then it waits as after its way out, whatever carries it."""
    usdt = booking.held_by_cycle(cycle, cycle.global_venue, "USDT")
    rate = valuing.prices_for(cycle).krw_per_usdt or cycle.krw_per_usdt_at_open
    return rebalancing.krw_in_hand(cycle) > usdt * (rate or 0)
