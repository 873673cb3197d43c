"""Decisions: whether to open a cycle, and whether a way back clears; each with its reasons."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from cycles.domain import room
from cycles.domain.money import floored
from cycles.domain.premium import edge_bps
from cycles.domain.words import OpeningRule, Sizing
from exchanges.sentences import Sentence

USDT_STEP = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """One asset at one Korean venue as the feeder last saw it.

    Rates in KRW per USDT after costs, premium official, all of them for `size_usdt`. What bars a way (a shut
    wallet, an address that nobody has confirmed) is said in words.
    """

    asset: str
    korea_venue: str
    out_rate: Decimal | None
    back_rate: Decimal | None
    outbound_official_bps: Decimal | None
    krw_per_usdt: Decimal | None
    krw_per_usd: Decimal | None
    is_fresh: bool
    size_usdt: Decimal
    out_is_barred: str = ""
    back_is_barred: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the policy allows, in USDT and bps."""

    rule: str
    sizing: str
    notional_usdt: Decimal
    percentage: Decimal
    max_open: int
    max_open_per_asset: int
    max_exposure_usdt: Decimal
    max_exposure_per_asset_usdt: Decimal
    allowed_assets: frozenset[str]
    min_open_edge_bps: Decimal
    min_rebalance_edge_bps: Decimal
    band_open_premium_bps: Decimal
    daily_loss_limit_usdt: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What is out already: open cycles and USDT, in total and per asset; today's realised P&L."""

    open_cycles: int
    open_by_asset: dict[str, int]
    usdt: Decimal
    usdt_by_asset: dict[str, Decimal]
    free_usdt: Decimal
    pnl_today_usdt: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Open (asset, Korean venue, notional, edge) or hold, and why."""

    opens: bool
    asset: str = ""
    korea_venue: str = ""
    notional_usdt: Decimal = Decimal(0)
    edge_bps: Decimal | None = None
    krw_per_usdt: Decimal | None = None
    krw_per_usd: Decimal | None = None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a passage that was decided still holds, and why not; `holds` None: no fresh quote tells."""

    holds: bool | None
    reason: str = ""


HOLDS = Verdict(holds=True)


def hold(*reasons: str) -> Decision:
    """Give a decision not to open."""
    return Decision(opens=False, reasons=reasons)


def sized_notional(limits: Limits, free_usdt: Decimal) -> Decimal:
    """Size a new cycle by the policy's rule; the sizing is floored to cents."""
    by_rule = {
        Sizing.FIXED_AMOUNT.value: limits.notional_usdt,
        Sizing.PERCENTAGE.value: free_usdt * limits.percentage / 100,
        Sizing.FULL_CAPITAL.value: free_usdt,
    }
    return floored(by_rule[limits.sizing], USDT_STEP)


def cheapest_back(quotes: Sequence[Quote], allowed: frozenset[str]) -> Quote | None:
    """Give the asset with the lowest KRW per USDT home, USDT itself included."""
    return next(iter(ways_back(quotes, allowed)), None)


def ways_back(quotes: Sequence[Quote], allowed: frozenset[str]) -> list[Quote]:
    """Give the assets that may come home, the one with the lowest KRW per USDT first."""
    usable = [q for q in quotes if q.is_fresh and q.back_rate is not None and q.asset in allowed]
    return sorted(usable, key=lambda quote: quote.back_rate or Decimal(0))


def opening_decision(
    quotes: Sequence[Quote],
    limits: Limits,
    exposure: Exposure,
    *,
    paused: frozenset[str],
    paused_back: frozenset[str],
) -> Decision:
    """Decide on a new cycle from the fresh quotes of one Korean venue, the policy and what is out already.

    Out and back are weighed at the same venue: what a cycle sells for lies there. What may not begin to travel
    is `paused` on the way out, `paused_back` on the way home.
    """
    notional = sized_notional(limits, exposure.free_usdt)
    general = general_objections(limits, exposure, notional)
    if general:
        return hold(*general)
    measured = [q for q in quotes if q.size_usdt >= notional]  # a smaller size slips less
    back = cheapest_back(measured, limits.allowed_assets - paused_back)
    if back is None or back.back_rate is None:
        return hold("no fresh way back", *_bars(quotes, limits, lambda one: one.back_is_barred))
    candidates = [q for q in measured if _may_carry(q, limits, exposure, notional, paused)]
    if not candidates:
        told = "no asset is fresh, allowed and inside its limits"
        return hold(told, *_bars(quotes, limits, lambda one: one.out_is_barred))
    return _weighed(
        max(candidates, key=lambda one: one.out_rate or Decimal(0)), back, notional, limits
    )


def _weighed(best: Quote, back: Quote, notional: Decimal, limits: Limits) -> Decision:
    """Decide on the dearest way out against the cheapest way back."""
    edge = edge_bps(best.out_rate or Decimal(0), back.back_rate or Decimal(0))
    objection = _rule_objection(best, edge, limits)
    if objection:
        return Decision(
            opens=False,
            asset=best.asset,
            korea_venue=best.korea_venue,
            edge_bps=edge,
            reasons=(objection,),
        )
    return Decision(
        opens=True,
        asset=best.asset,
        korea_venue=best.korea_venue,
        notional_usdt=notional,
        edge_bps=edge,
        krw_per_usdt=best.krw_per_usdt,
        krw_per_usd=best.krw_per_usd,
        reasons=(f"{best.asset} out, {back.asset} back: {edge} bps after costs",),
    )


def still_opens(
    quotes: Sequence[Quote], asset: str, limits: Limits, *, paused_back: frozenset[str]
) -> Verdict:
    """Judge a way out again that was decided and has bought nothing; one that a person opened needs no edge."""
    mine = next((quote for quote in quotes if quote.asset == asset), None)
    if mine is not None and mine.out_is_barred:
        return Verdict(holds=False, reason=mine.out_is_barred)
    if mine is None or not mine.is_fresh or mine.out_rate is None:
        return Verdict(holds=None, reason=f"there is no fresh quote of {asset}")
    if limits.rule == OpeningRule.BY_HAND:
        return HOLDS
    back = cheapest_back(quotes, limits.allowed_assets - paused_back)
    if back is None:
        return Verdict(holds=None, reason="no fresh way back")
    edge = edge_bps(mine.out_rate, back.back_rate or Decimal(0))
    objection = _rule_objection(mine, edge, limits)
    return Verdict(holds=not objection, reason=objection)


def _bars(quotes: Sequence[Quote], limits: Limits, of: Callable[[Quote], str]) -> tuple[str, ...]:
    """Give what bars the ways of the allowed assets, each reason once."""
    told = (of(quote) for quote in quotes if quote.asset in limits.allowed_assets)
    return tuple(dict.fromkeys(reason for reason in told if reason))


def best_decision(decisions: Mapping[str, Decision]) -> Decision:
    """Choose among what each Korean venue offers: the highest edge of those that open.

    Where none opens, every venue's reasons are given; general ones once.
    """
    opening = [one for one in decisions.values() if one.opens]
    pool = opening or list(decisions.values())
    best = max(pool, key=lambda one: (one.edge_bps is not None, one.edge_bps or Decimal(0)))
    if opening or len(pool) == 1:
        return best
    same = set.intersection(*(set(one.reasons) for one in pool))
    told = [
        reason if reason in same else f"{venue}: {reason}"
        for venue, one in decisions.items()
        for reason in one.reasons
    ]
    return replace(best, reasons=tuple(dict.fromkeys(told)))


def rebalance_clears(own_out_rate: Decimal, back_rate: Decimal, limits: Limits) -> bool:
    """Say whether this cycle's own way out against the way back now clears the policy."""
    return edge_bps(own_out_rate, back_rate) >= limits.min_rebalance_edge_bps


def general_objections(
    limits: Limits, exposure: Exposure, notional: Decimal
) -> tuple[Sentence, ...]:
    """Give what speaks against any new cycle, whatever the market offers."""
    out, free, lost = exposure.usdt, exposure.free_usdt, exposure.pnl_today_usdt
    most, most_of_asset = limits.max_exposure_usdt, limits.max_exposure_per_asset_usdt
    checks = [
        (
            exposure.open_cycles >= limits.max_open,
            room.are_open(exposure.open_cycles, limits.max_open),
        ),
        (limits.max_open_per_asset <= 0, Sentence("the policy lets no asset have an open cycle")),
        (not limits.allowed_assets, Sentence("the policy allows no asset")),
        (notional <= 0, Sentence("the policy sizes a new cycle at nothing")),
        (free < notional, room.is_not_held(free, notional)),
        (out + notional > most, room.is_exposed(out, notional, most)),
        (notional > most_of_asset, room.is_too_much_for_any(notional, most_of_asset)),
        (lost <= -limits.daily_loss_limit_usdt, room.is_lost(lost, limits.daily_loss_limit_usdt)),
    ]
    return tuple(text for applies, text in checks if applies)


def _may_carry(
    quote: Quote, limits: Limits, exposure: Exposure, notional: Decimal, paused: frozenset[str]
) -> bool:
    """Say whether the asset may carry a new cycle out."""
    asset = quote.asset
    out = exposure.usdt_by_asset.get(asset, Decimal(0))
    return (
        quote.is_fresh
        and quote.out_rate is not None
        and asset in limits.allowed_assets
        and asset not in paused
        and exposure.open_by_asset.get(asset, 0) < limits.max_open_per_asset
        and out + notional <= limits.max_exposure_per_asset_usdt
    )


def _rule_objection(quote: Quote, edge: Decimal, limits: Limits) -> str:
    """Give why the opening rule says no, or nothing."""
    if limits.rule == OpeningRule.LOCKED_EDGE:
        if edge < limits.min_open_edge_bps:
            return f"{quote.asset}: edge {edge} bps is below {limits.min_open_edge_bps}"
        return ""
    premium = quote.outbound_official_bps
    if premium is None or premium < limits.band_open_premium_bps:
        return f"{quote.asset}: premium {premium} bps is below {limits.band_open_premium_bps}"
    return ""
