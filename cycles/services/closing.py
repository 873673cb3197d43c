"""Ends: what a cycle owns goes back to the desk, its P&L is read from the ledger, its status is final."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from cycles.domain import postings
from cycles.domain.money import ZERO
from cycles.domain.postings import Holding
from cycles.domain.recovery import SETTLED_ASSETS, is_dust
from cycles.domain.shown import plain
from cycles.domain.words import AccountOwner, CycleStatus, PostingKind
from cycles.models import Cycle
from cycles.services import booking, charging, valuing
from cycles.services.moving import move
from cycles.services.valuing import Prices

USDT_STEP = Decimal("0.00000001")
DESKS_OWN = (AccountOwner.DESK, AccountOwner.DUST)


def close(
    cycle: Cycle, target: CycleStatus, *, event: str, actor: str, reason: str = ""
) -> tuple[Holding, ...]:
    """Hand everything over and enter a final status; `cycle` must be locked in this transaction.

    All of it goes to the desk as it is, but for coins too small to trade, which are dust. The
    database refuses the status while anything is left. Gives what it held.
    """
    held = booking.holdings(cycle)
    prices = valuing.prices_for(cycle)
    lines = postings.released_lines(held, lambda one: is_dust(prices.krw(one)))
    booking.post(f"close:{cycle.pk}", PostingKind.CLOSE, lines, cycle=cycle, memo=reason[:200])
    usdt, krw = realised_pnl(cycle, prices)
    move(
        cycle,
        target,
        event=event,
        actor=actor,
        reason=reason,
        realised_pnl_usdt=usdt,
        realised_pnl_krw=krw,
        money_at_risk_krw=ZERO,
    )
    return held


def not_dust(cycle: Cycle) -> list[Holding]:
    """Give what stands against closing: coins worth an order, and what never arrived."""
    krw_of = valuing.prices_for(cycle).krw
    return [
        held
        for held in booking.holdings(cycle)
        if held.owner is not AccountOwner.CYCLE
        or (held.asset not in SETTLED_ASSETS and not is_dust(krw_of(held)))
    ]


def told(holdings: Sequence[Holding]) -> str:
    """Name holdings in a sentence, each with whose it is."""
    return ", ".join(
        f"{plain(held.quantity)} {held.asset} ({held.owner.label})" for held in holdings
    )


def realised_pnl(cycle: Cycle, prices: Prices) -> tuple[Decimal | None, Decimal | None]:
    """Give P&L in USDT and in KRW at the stored rate: what the cycle's postings gave the desk less what they took.

    Dust is the desk's too. The capital counts as it was opened with, the rest at the newest prices; what has none
    leaves the P&L unknown. Call it once all is handed over.
    """
    rate = cycle.krw_per_usdt_at_open or prices.krw_per_usdt
    if rate is None and cycle.notional_krw:
        return None, None
    usdt = -cycle.notional_usdt - (cycle.notional_krw / rate if rate else ZERO)
    for moved in booking.booked_since_open(cycle):
        if moved.owner not in DESKS_OWN:
            continue
        worth = _worth_usdt(cycle, moved, prices, rate)
        if worth is None:
            return None, None
        usdt += worth
    pnl = usdt.quantize(USDT_STEP)
    return pnl, (pnl * rate).quantize(Decimal("0.01")) if rate else None


def _worth_usdt(
    cycle: Cycle, moved: Holding, prices: Prices, rate: Decimal | None
) -> Decimal | None:
    """Value what the desk got or, below zero, paid; an asset that is never sampled by the fees taken in it."""
    worth = prices.usdt(moved, rate)
    if worth is None and moved.quantity < 0 and moved.asset not in SETTLED_ASSETS:
        price = charging.usdt_by_fees(cycle, moved.venue, moved.asset, prices)
        worth = price * moved.quantity if price is not None else None
    return worth
