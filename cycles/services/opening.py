"""Opening: a decision becomes a cycle that owns its capital, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

import structlog
from django.db.models import Count, Sum
from django.db.models.functions import Now

from cycles import conf
from cycles.domain import decision, plan, postings
from cycles.domain.decision import Decision, Exposure
from cycles.domain.money import ONE, ZERO
from cycles.domain.premium import STABLE, edge_bps
from cycles.domain.shown import plain
from cycles.domain.states import FINAL
from cycles.domain.words import (
    AccountOwner,
    CycleKind,
    CycleStatus,
    Mode,
    OpeningRule,
    PostingKind,
    Verb,
)
from cycles.errors import InsufficientFundsError, InvalidInputError, PolicyDeniedError
from cycles.models import Cycle, PolicyVersion
from cycles.selectors.sums import midnight
from cycles.services import (
    barring,
    booking,
    desk,
    notices,
    objecting,
    quoting,
    valuing,
    venue_health,
)
from cycles.services.intervening import Actor, intervene
from cycles.services.locking import in_transaction, lock_desk_account, share_mode
from cycles.services.moving import write_transition
from cycles.services.rebalancing import write_steps
from exchanges import destinations, reference, registry
from exchanges.errors import StaleReferenceError, UnconfirmedError
from exchanges.sentences import listed, sentence_of
from exchanges.values import Market

log = structlog.get_logger(__name__)

GLOBAL = registry.GLOBAL_VENUE
Carrier = tuple[str, str]  # Korean venue, asset

_told_left_out: set[Carrier] = set()  # what this process has said, once while it stays so


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningPreview:
    """What opening by hand would do now; `objections` empty: nothing speaks against it."""

    asset: str
    korea_venue: str
    notional_usdt: Decimal
    edge_bps: Decimal | None
    expected_krw: Decimal | None
    krw_per_usdt: Decimal | None
    objections: tuple[str, ...]


def exposure() -> Exposure:
    """Read what is out already; call it under the lock on the desk's account to act on it."""
    running = Cycle.objects.exclude(status__in=sorted(FINAL))
    rows = running.values("outbound_asset").annotate(n=Count("pk"), usdt=Sum("notional_usdt"))
    by_asset = {row["outbound_asset"]: row for row in rows}
    today = Cycle.objects.filter(ended_at__gte=midnight()).aggregate(pnl=Sum("realised_pnl_usdt"))
    return Exposure(
        open_cycles=sum(row["n"] for row in by_asset.values()),
        open_by_asset={asset: row["n"] for asset, row in by_asset.items()},
        usdt=sum((row["usdt"] for row in by_asset.values()), ZERO),
        usdt_by_asset={asset: row["usdt"] for asset, row in by_asset.items()},
        free_usdt=booking.desk_balance(GLOBAL, "USDT"),
        pnl_today_usdt=today["pnl"] or ZERO,
    )


def decide(left_out: Mapping[Carrier, str] | None = None) -> Decision:
    """Decide from the newest quotes whether to open a cycle; changes nothing.

    `left_out` are assets that may not go out to a Korean venue, and why: the next best is taken.
    """
    left_out = left_out or {}
    current, policy = desk.current(), desk.current_policy()
    if current.mode != Mode.RUN:
        return decision.hold(f"the desk's mode is {current.mode}")
    limits, out = desk.limits(policy), exposure()
    shut = barring.banned(registry.desk_venues())
    if GLOBAL in shut:
        return decision.hold(shut[GLOBAL])
    best = decision.best_decision(
        {
            venue: decision.hold(shut[venue])
            if venue in shut
            else decision.opening_decision(
                quoting.latest_quotes(policy, venue),
                limits,
                out,
                paused=desk.paused_assets(GLOBAL, venue) | {a for v, a in left_out if v == venue},
                paused_back=desk.paused_assets(venue, GLOBAL),
            )
            for venue in registry.korea_venues()
        }
    )
    return replace(best, reasons=(*best.reasons, *left_out.values()))


def _sendable_decision() -> tuple[Decision, dict[Carrier, str]]:
    """Decide on the best asset that would not be stuck; gives also which better ones would, and why."""
    left_out: dict[Carrier, str] = {}
    while (decided := decide(left_out)).opens:
        try:
            _demand_possible(decided)
        except (PolicyDeniedError, StaleReferenceError) as error:
            asset, korea = decided.asset, decided.korea_venue
            left_out[korea, asset] = f"{asset} to {korea} was left out: {error}"
        else:
            break
    for carrier in left_out.keys() - _told_left_out:
        log.warning("opening.left_out", why=left_out[carrier])
    _told_left_out.clear()
    _told_left_out.update(left_out)
    return decided, left_out


def open_if_decided(*, actor: str) -> Cycle | None:
    """Open a cycle if the policy says so; the decision is taken again under the lock."""
    first, left_out = _sendable_decision()
    if first.opens:  # asked now, outside of any transaction: a venue may have to be looked at
        stopped = venue_health.clock_objections((GLOBAL, first.korea_venue))
        first = decision.hold(*stopped) if stopped else first
    if not first.opens:
        log.debug("opening.held", reasons=list(first.reasons))
        return None

    def work() -> Cycle | None:
        share_mode()
        lock_desk_account(GLOBAL, "USDT")  # openers queue here: limits count what others opened
        policy, decided = desk.current_policy(), decide(left_out)
        if not decided.opens:
            return None
        return _write(decided, policy, rule=OpeningRule(policy.opening_rule), actor=actor)

    return in_transaction(work)


def _write(decided: Decision, policy: PolicyVersion, *, rule: OpeningRule, actor: str) -> Cycle:
    """Write the cycle, its steps, its capital and its first transition."""
    korea = decided.korea_venue
    network = _demand_possible(decided)
    cycle = Cycle.objects.create(
        kind=CycleKind.ROUND_TRIP,
        status=CycleStatus.STARTED,
        outbound_asset=decided.asset,
        global_venue=GLOBAL,
        korea_venue=korea,
        policy=policy,
        opening_rule=rule,
        session_id=conf.session_id(),
        krw_per_usdt_at_open=decided.krw_per_usdt,
        krw_per_usd_at_open=decided.krw_per_usd,
        notional_usdt=decided.notional_usdt,
        expected_edge_bps=decided.edge_bps,
        max_retries=policy.calm_attempts,
        **_born(),
    )
    steps = plan.outbound_steps(
        decided.asset, global_venue=GLOBAL, korea_venue=korea, network=network
    )
    write_steps(cycle, steps)
    _own(cycle, GLOBAL, "USDT", decided.notional_usdt)
    _write_birth(cycle, actor, "; ".join(decided.reasons))
    log.info(
        "cycle.opened",
        code=cycle.code,
        asset=decided.asset,
        korea_venue=korea,
        edge_bps=str(decided.edge_bps),
    )
    return cycle


def _demand_possible(decided: Decision) -> str:
    """Make sure that what is bought can go out, and give by which network. Raises PolicyDeniedError, StaleReferenceError."""
    network = reference.transfer_route(decided.asset, GLOBAL, decided.korea_venue).network
    _demand_vouched_for(decided.asset, decided.korea_venue, network)
    _demand_sendable(decided, network)
    return network


def _demand_vouched_for(asset: str, korea: str, network: str) -> None:
    """Make sure once more, where it opens, that it may be sent: the quotes are a little older."""
    try:
        destinations.confirmed_address(GLOBAL, korea, asset, network, registry.utc_now())
    except UnconfirmedError as error:
        raise PolicyDeniedError(sentence_of(error)) from error


def _demand_sendable(decided: Decision, network: str) -> None:
    """Make sure that what is bought can leave, and be sold where it arrives: else it is stuck."""
    asset, korea, now = decided.asset, decided.korea_venue, registry.utc_now()
    prices = valuing.newest_prices(GLOBAL, korea)
    price = ONE if asset == STABLE else prices.world.get(asset)
    bid = prices.korea.get(asset)
    if not price or not bid:
        return  # nothing to foresee it by; the passage itself will tell
    # A tenth is kept for fees and for a price that moves meanwhile.
    bought = decided.notional_usdt / price * Decimal("0.9")
    rules = reference.network_rules(GLOBAL, asset, network, now)
    arrival = reference.network_rules(korea, asset, network, now)
    arrives = plan.sendable_quantity(bought, rules)
    minimum = reference.market_rules(korea, Market(asset, "KRW"), now).minimum_notional
    if arrives * bid < minimum or not arrives or plan.is_lost(arrives, arrival):
        raise PolicyDeniedError(
            "%(notional)s USDT of %(asset)s are too little to be sent and sold",
            notional=plain(decided.notional_usdt),
            asset=asset,
        )
    if plan.is_too_much(decided.notional_usdt / price, rules):
        raise PolicyDeniedError(
            "%(venue)s sends %(quantity)s %(asset)s at most in one withdrawal",
            venue=GLOBAL,
            quantity=rules.withdraw_maximum,
            asset=asset,
        )


def _born() -> dict[str, Now]:
    """Give the instants of a new cycle, all by the database's clock."""
    return {"started_at": Now(), "status_since": Now(), "wake_at": Now()}


def _own(cycle: Cycle, venue: str, asset: str, quantity: Decimal) -> None:
    """Post capital from the desk to the cycle. Raises InsufficientFundsError."""
    _demand_held(venue, asset, quantity)
    lines = postings.moved(
        venue, asset, quantity, origin=AccountOwner.DESK, target=AccountOwner.CYCLE
    )
    booking.post(f"open:{cycle.pk}", PostingKind.OPEN, lines, cycle=cycle)


def _demand_held(venue: str, asset: str, quantity: Decimal) -> None:
    if booking.desk_balance(venue, asset) < quantity:
        raise InsufficientFundsError(
            "the desk does not hold %(quantity)s %(asset)s at %(venue)s",
            quantity=plain(quantity),
            asset=asset,
            venue=venue,
        )


def _write_birth(cycle: Cycle, actor: str, reason: str) -> None:
    """Write the first transition; the row itself is at version 1, and due."""
    notices.tell()
    write_transition(cycle, "", cycle.status, event="opened", actor=actor, reason=reason)
    cycle.refresh_from_db()


def preview_by_hand(*, asset: str, notional_usdt: Decimal, korea_venue: str = "") -> OpeningPreview:
    """Say what opening by hand would do now; changes nothing.

    Without a venue it is the one that speaks least against it, then the one with the highest edge.
    """
    venues = (_demand_venue(korea_venue),) if korea_venue else registry.korea_venues()
    seen = [_preview_at(venue, asset, notional_usdt) for venue in venues]
    return min(
        seen,
        key=lambda one: (len(one.objections), one.edge_bps is None, -(one.edge_bps or ZERO)),
    )


def _preview_at(korea: str, asset: str, notional_usdt: Decimal) -> OpeningPreview:
    policy = desk.current_policy()
    limits = desk.limits(policy)
    quotes = quoting.latest_quotes(policy, korea)
    mine = next((quote for quote in quotes if quote.asset == asset), None)
    allowed = limits.allowed_assets - desk.paused_assets(korea, GLOBAL)
    back = decision.cheapest_back(quotes, allowed)
    out_rate = mine.out_rate if mine else None
    known = out_rate is not None and back is not None and back.back_rate is not None
    wanted = objecting.Wanted(asset=asset, korea_venue=korea, notional_usdt=notional_usdt)
    return OpeningPreview(
        asset=asset,
        korea_venue=korea,
        notional_usdt=notional_usdt,
        edge_bps=edge_bps(out_rate, back.back_rate) if known else None,  # type: ignore[arg-type, union-attr]
        expected_krw=(notional_usdt * out_rate).quantize(Decimal(1)) if out_rate else None,
        krw_per_usdt=mine.krw_per_usdt if mine else None,
        objections=objecting.objections(
            wanted, policy, exposure(), is_fresh=mine is not None and mine.is_fresh
        ),
    )


def open_by_hand(
    *, asset: str, notional_usdt: Decimal, actor: Actor, reason: str, korea_venue: str = ""
) -> Cycle:
    """Open a round trip by hand, inside the policy's limits whatever its edge; see `preview_by_hand`."""

    def work() -> Cycle:
        share_mode()
        lock_desk_account(GLOBAL, "USDT")
        seen = preview_by_hand(asset=asset, notional_usdt=notional_usdt, korea_venue=korea_venue)
        if seen.objections:
            raise PolicyDeniedError(listed(seen.objections))
        decided = Decision(
            opens=True,
            asset=asset,
            korea_venue=seen.korea_venue,
            notional_usdt=notional_usdt,
            edge_bps=seen.edge_bps,
            krw_per_usdt=seen.krw_per_usdt,
            reasons=(reason,),
        )
        cycle = _write(decided, desk.current_policy(), rule=OpeningRule.BY_HAND, actor=actor.name)
        _intervene_open(cycle, actor, reason, {"notional_usdt": str(notional_usdt)})
        return cycle

    return in_transaction(work)


def open_return_only(
    *, notional_krw: Decimal, actor: Actor, reason: str, korea_venue: str = ""
) -> Cycle:
    """Open a cycle that carries KRW of the desk home, from a venue that is named where there are several."""
    if notional_krw <= 0:
        raise InvalidInputError("the notional must be above zero")
    korea = _demand_venue(korea_venue)

    def work() -> Cycle:
        share_mode()
        lock_desk_account(korea, "KRW")
        if desk.current().mode == Mode.HALT:
            raise PolicyDeniedError("the desk is halted")
        _demand_held(korea, "KRW", notional_krw)
        cycle = _return_only_row(notional_krw, korea)
        _own(cycle, korea, "KRW", notional_krw)
        _write_birth(cycle, actor.name, reason)
        _intervene_open(cycle, actor, reason, {"notional_krw": str(notional_krw)})
        return cycle

    return in_transaction(work)


def _demand_venue(korea_venue: str) -> str:
    """Give the Korean venue that was named, or the desk's only one. Raises InvalidInputError."""
    venues = registry.korea_venues()
    found = korea_venue or (venues[0] if len(venues) == 1 else "")
    if found not in venues:
        raise InvalidInputError(
            "name one of the desk's Korean venues: %(known)s", known=", ".join(venues)
        )
    return found


def _return_only_row(notional_krw: Decimal, korea: str) -> Cycle:
    """Write a cycle that has its KRW in hand already. Raises PolicyDeniedError without a fresh rate."""
    policy = desk.current_policy()
    rate = quoting.fresh_rate(policy, korea)
    if rate is None:
        raise PolicyDeniedError(
            "there is no fresh rate of KRW per USDT at %(venue)s: see that a feeder runs",
            venue=korea,
        )
    return Cycle.objects.create(
        kind=CycleKind.RETURN_ONLY,
        status=CycleStatus.INITIAL_TRADE_COMPLETED,
        global_venue=GLOBAL,
        korea_venue=korea,
        policy=policy,
        opening_rule=OpeningRule.BY_HAND,
        session_id=conf.session_id(),
        krw_per_usdt_at_open=rate,
        notional_krw=notional_krw,
        max_retries=policy.calm_attempts,
        **_born(),
    )


def _intervene_open(cycle: Cycle, actor: Actor, reason: str, payload: dict[str, str]) -> None:
    """Write who opened it and why."""
    intervene(
        Verb.OPEN, actor=actor, reason=reason, cycle=cycle, payload=payload, seen_version=None
    )
