"""The wait between the passages: when a way back clears, which asset it takes, and its steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Exists, Max, Min, OuterRef, Q, Sum
from django.db.models.functions import Now

from cycles import conf
from cycles.domain import decision, plan
from cycles.domain.decision import HOLDS, Limits, Quote, Verdict
from cycles.domain.money import ZERO
from cycles.domain.plan import StepPlan
from cycles.domain.postings import Holding
from cycles.domain.progress import GO_ON, Progress, failed, waiting
from cycles.domain.recovery import is_dust
from cycles.domain.shown import plain
from cycles.domain.words import (
    CycleStatus,
    FailureClass,
    Mode,
    Operation,
    Passage,
    StepKind,
    StepState,
    Verb,
)
from cycles.errors import VenueClockError
from cycles.models import Alert, Cycle, ExchangeCall, Step, Transition
from cycles.services import (
    barring,
    booking,
    charging,
    desk,
    own_size,
    quoting,
    valuing,
    venue_health,
)
from cycles.services.alerting import raise_alert
from cycles.services.locking import in_transaction
from cycles.services.moving import Lease, lock_for_decision, move
from exchanges import reference, registry
from exchanges.errors import VenueError
from exchanges.recent import recent

LOOK_SECONDS = Decimal(15)
QUICKEST_LOOK = timedelta(milliseconds=500)
LARGE_REST = Decimal("0.05")  # of a cycle: for so much left in Korea it waits, with what came home
# All of a step but its place: what is written over was planned, and has asked for nothing.
PLANNED = (
    "passage", "kind", "state", "venue", "to_venue", "asset", "quote", "network", "attempt",
    "reference_price", "quantity_in", "quantity_out", "started_at", "settled_at",
)  # fmt: skip
NO_LONGER_CLEARS = "no_longer_clears"  # a way back, before anything was bought for it
RESUMED = "resumed"  # what had failed, where it stopped
STILL_WAITS = (NO_LONGER_CLEARS, RESUMED)

desk_lately = recent(desk.current)


def look_delay() -> timedelta:
    """Give how long a waiting cycle sleeps between two looks at the way back."""
    return max(conf.scaled(LOOK_SECONDS), QUICKEST_LOOK)


def own_out_rate(cycle: Cycle) -> Decimal | None:
    """Give what this cycle itself got out: KRW received per USDT given, from its steps, fees in a third asset too."""
    outbound = Step.objects.filter(
        cycle=cycle, passage__in=[Passage.OUTBOUND], state=StepState.DONE
    ).aggregate(
        krw=Sum("quantity_out", filter=Q(kind=StepKind.SELL, quote="KRW")),
        paid=Sum("quantity_in", filter=Q(kind=StepKind.BUY)),
        # USDT itself was carried out: what was sent is what was paid.
        sent=Min("quantity_in", filter=Q(kind=StepKind.WITHDRAW)),
    )
    krw, usdt = outbound["krw"], outbound["paid"] or outbound["sent"]
    if not krw or not usdt:
        return None
    own: Decimal = krw / (
        usdt + charging.fees_apart_usdt(cycle, call__step__passage=Passage.OUTBOUND)
    )
    return own


def rebalance(lease: Lease, cycle: Cycle) -> Progress:
    """Start the return passage when the cheapest way back clears the policy; else wait."""
    kept = kept_from_buying(cycle, desk_lately().mode)
    if kept:
        return waiting(look_delay(), kept)
    ways = _ways_home(cycle)
    if not ways:
        return still_waiting(cycle, "no fresh way back")
    own = own_out_rate(cycle)
    asset = _best(cycle, own, ways)
    if asset is None and own is None:
        return failed(
            FailureClass.REFUSED_RULES,
            f"no asset carries {plain(krw_in_hand(cycle))} KRW home: too little, or more than is sent at once",
        )
    if asset is None:
        return still_waiting(cycle, f"the way back by {ways[0].asset} does not clear")
    kept_back = _kept_back(cycle.korea_venue)
    if kept_back or not _start(lease, asset):
        return waiting(look_delay(), kept_back or f"{asset} has just been paused")
    return GO_ON


def kept_from_buying(cycle: Cycle, mode: str) -> str:
    """Say why nothing is bought for now, whatever the quotes; a cycle does not tire of waiting for that."""
    if mode == Mode.HALT:
        return "the desk is halted"
    # What was bought now could be neither looked up nor sold.
    return "; ".join(barring.objections((cycle.korea_venue, cycle.global_venue)))


def _ways_home(cycle: Cycle) -> list[Quote]:
    """Give the ways back that there are now, whether they clear or not, the cheapest first."""
    allowed = frozenset(cycle.policy.allowed_assets) - _paused(cycle)
    return decision.ways_back(quoting.latest_quotes(cycle.policy, cycle.korea_venue), allowed)


def _kept_back(venue: str) -> str:
    """Say why a venue would be sent no order now: a passage that set out would only wait, and be judged again."""
    try:
        venue_health.demand_right_clock(venue)
        registry.demand_open(venue, Operation.PLACE_ORDER.value.lower())
    except (VenueClockError, VenueError) as error:
        return str(error)
    return ""


def still_clears(
    cycle: Cycle, asset: str, quotes: Sequence[Quote], paused: frozenset[str]
) -> Verdict:
    """Judge a way back again that was decided and has bought nothing; KRW of the desk comes home at any price."""
    mine = next((quote for quote in quotes if quote.asset == asset), None)
    if mine is not None and mine.back_is_barred:
        return Verdict(holds=False, reason=mine.back_is_barred)
    if asset in paused:
        return Verdict(holds=False, reason=f"{asset} is paused, or its network is not allowed")
    limits = desk.limits(cycle.policy)
    if mine is None or not mine.is_fresh:
        others = decision.ways_back(quotes, limits.allowed_assets - paused)
        return Verdict(
            holds=False if others else None, reason=f"there is no fresh quote of {asset}"
        )
    own = own_out_rate(cycle)
    # A market may be too thin for a rate of any size.
    clears = mine.back_rate is not None and (
        own is None or _clearing(cycle, own, [mine], limits) is not None
    )
    if not clears:
        return Verdict(holds=False, reason=f"the way back by {asset} does not clear any more")
    return HOLDS


def _best(cycle: Cycle, own: Decimal | None, ways: Sequence[Quote]) -> str | None:
    """Give the asset that brings home what the cycle carries: by the policy, or KRW of the desk for the least."""
    if own is None:
        return _carrying(cycle, ways)
    return _clearing(cycle, own, ways, desk.limits(cycle.policy))


def _clearing(cycle: Cycle, own: Decimal, ways: Sequence[Quote], limits: Limits) -> str | None:
    """Give the asset that brings home all that the cycle carries, at its own way out, by what the policy wants."""
    krw = krw_in_hand(cycle)
    for way in ways:
        if way.back_rate is None or not decision.rebalance_clears(own, way.back_rate, limits):
            return None  # those after it are dearer still
        if not own_size.carries(cycle, way.asset, krw):
            continue
        rate = own_size.back_rate(cycle, way, krw)
        if rate is not None and decision.rebalance_clears(own, rate, limits):
            return way.asset
    return None


def _carrying(cycle: Cycle, ways: Sequence[Quote]) -> str | None:
    """Give the asset that brings home all that the cycle carries for the least, however much that is."""
    krw = krw_in_hand(cycle)
    fitting = [way.asset for way in ways if own_size.carries(cycle, way.asset, krw)]
    rates = {way.asset: own_size.back_rate(cycle, way, krw) for way in ways if way.asset in fitting}
    # Where no book is deep enough all at once it goes in several orders, by the cheapest of a smaller size.
    return min(
        fitting,
        key=lambda asset: (rates[asset] is None, rates[asset] or ZERO),
        default=None,
    )


def _paused(cycle: Cycle) -> frozenset[str]:
    """Give the assets that may not begin to come home, among those this cycle's policy allows."""
    of = frozenset(cycle.policy.allowed_assets)
    return desk.paused_assets(cycle.korea_venue, cycle.global_venue, of=of)


def still_waiting(cycle: Cycle, reason: str) -> Progress:
    """Let a cycle wait on for a way back, or fail where it has for longer than its policy allows."""
    if not _waited_too_long(cycle):
        return waiting(look_delay(), reason)
    told = f"no way back has cleared within the policy's longest wait: {reason}"
    return failed(FailureClass.POLICY_DENIED, told)


def _waited_too_long(cycle: Cycle) -> bool:
    """Say whether the cycle has waited longer than its policy allows; while a desk is halted none could set out."""
    since = waiting_since(cycle)
    if since is None:
        return False
    since = max(since, desk_lately().mode_changed_at)
    return desk.database_now() - since > conf.scaled(cycle.policy.longest_wait_seconds)


def waiting_since(cycle: Cycle) -> datetime | None:
    """Give when a cycle began to wait for a way back, or a person let it go on.

    A way back that bought nothing has not interrupted that, nor has a retry, or what the desk sold by itself meanwhile.
    """
    begins = Q(to_status=CycleStatus.AWAITING_REBALANCE) | Q(event__in=[Verb.REDRIVE, Verb.UNWIND])
    waits = Transition.objects.filter(begins, cycle=cycle).exclude(event__in=STILL_WAITS)
    last: datetime | None = waits.aggregate(last=Max("at"))["last"]
    return last


def without_a_way_home(longer_than: timedelta) -> int:
    """Count the cycles that have bought nothing to come home by for so long, and have no way home now."""
    bought = ExchangeCall.objects.filter(step__cycle=OuterRef("pk"), step__passage=Passage.RETURN)
    has_begun = Exists(bought.exclude(step__state=StepState.ABANDONED))
    waits = Q(status=CycleStatus.AWAITING_REBALANCE) | Q(
        ~has_begun, status=CycleStatus.REBALANCING_IN_PROGRESS
    )
    found = Cycle.objects.filter(waits, status_since__lt=Now() - longer_than)
    alike: dict[tuple[int, str], list[Cycle]] = defaultdict(list)
    for cycle in found.select_related("policy"):
        alike[cycle.policy_id, cycle.korea_venue].append(cycle)
    return sum(len(cycles) for cycles in alike.values() if not _ways_home(cycles[0]))


def _start(lease: Lease, asset: str) -> bool:
    """Write the return passage's steps and move, in one transaction; False if paused meanwhile."""

    def work() -> bool:
        # A halt or a pause that has committed is seen, and none commits before we do.
        desk.refuse_if_halted()
        cycle = lock_for_decision(lease)
        if asset in _paused(cycle):
            return False
        route = reference.transfer_route(asset, cycle.korea_venue, cycle.global_venue)
        steps = plan.return_steps(
            asset,
            global_venue=cycle.global_venue,
            korea_venue=cycle.korea_venue,
            network=route.network,
        )
        write_steps(cycle, steps, after=last_asked(cycle))
        move(
            cycle,
            CycleStatus.REBALANCING_IN_PROGRESS,
            event="way_back_clears",
            actor=lease.owner,
            reason=f"by {asset}",
            return_asset=asset,
        )
        return True

    return in_transaction(work)


def last_asked(cycle: Cycle) -> int:
    """Give the number of the last step but those of ways home that were given up before they asked for anything.

    Those are written over: a client order id has two digits for its step, and a way home may be given up often.
    """
    has_asked = Exists(ExchangeCall.objects.filter(step=OuterRef("pk")))
    is_free = Q(passage=Passage.RETURN, state=StepState.ABANDONED)
    kept = Step.objects.filter(~is_free | has_asked, cycle=cycle)
    return kept.aggregate(last=Max("position"))["last"] or 0


def write_steps(cycle: Cycle, steps: Iterable[StepPlan], *, after: int | None = None) -> None:
    """Append planned steps to a cycle; `after` a number if those behind it may be written over."""
    last = after
    if last is None:
        last = Step.objects.filter(cycle=cycle).aggregate(last=Max("position"))["last"] or 0
    rows = [
        Step(
            cycle=cycle,
            position=last + number,
            passage=step.passage,
            kind=step.kind,
            venue=step.venue,
            to_venue=step.to_venue,
            asset=step.asset,
            quote=step.quote,
            network=step.network,
        )
        for number, step in enumerate(steps, start=1)
    ]
    if after is None:
        Step.objects.bulk_create(rows)
        return
    Step.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["cycle", "position"], update_fields=PLANNED
    )


def rest_to_carry(cycle: Cycle) -> Decimal:
    """Give the KRW that a passage has left in Korea, if it is worth another one; else nothing.

    What came home is the cycle's until then: for a small rest it is not kept, unless a way back clears now.
    """
    krw = krw_in_hand(cycle)
    worth = frozenset() if is_dust(krw) else own_size.worth_a_passage(cycle, krw)
    is_carried = worth and (_is_large(cycle, krw) or _clears_now(cycle, worth))
    return krw if is_carried else ZERO


def _is_large(cycle: Cycle, krw: Decimal) -> bool:
    """Say whether KRW are so great a part of the cycle that it waits for their way back."""
    rate = cycle.krw_per_usdt_at_open or valuing.prices_for(cycle).krw_per_usdt or ZERO
    return bool(krw > (cycle.notional_krw + cycle.notional_usdt * rate) * LARGE_REST)


def _clears_now(cycle: Cycle, assets: frozenset[str]) -> bool:
    """Say whether one of these assets would bring home now what the cycle has in Korea."""
    ways = [way for way in _ways_home(cycle) if way.asset in assets]
    return _best(cycle, own_out_rate(cycle), ways) is not None


def tell_rest(cycle: Cycle, held: Sequence[Holding]) -> None:
    """Tell people of KRW above dust that stays in Korea, of what it held, in the transaction that closes the books."""
    krw = sum((one.quantity for one in held if one.asset == "KRW"), ZERO)
    if is_dust(krw):
        return
    raise_alert(
        key=f"rest:{cycle.code}",
        severity=Alert.Severity.WARNING,
        title=f"{cycle.code} leaves {plain(krw)} KRW at {cycle.korea_venue}",
        body="It is the desk's there, and does not come home by itself. Open a return: with more of it, where it is too little to be sent.",
        cycle=cycle,
    )


def krw_in_hand(cycle: Cycle) -> Decimal:
    """Give the KRW the cycle holds in Korea."""
    return booking.held_by_cycle(cycle, cycle.korea_venue, "KRW")
