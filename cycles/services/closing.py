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
    usdt, krw = realised_pnl(cycle, held, prices)
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


def realised_pnl(
    cycle: Cycle, held: Sequence[Holding], prices: Prices
) -> tuple[Decimal | None, Decimal | None]:
    """Give P&L in USDT and in KRW at the stored rate: what goes back less what was taken.

    What the desk paid in fees for it, in a third asset, was taken too. KRW and coins that go back count at the newest prices; without a price the P&L is not known.
    """
    fees = charging.fees_apart_usdt(cycle)
    rate = cycle.krw_per_usdt_at_open or prices.krw_per_usdt
    if rate is None and not held and not cycle.notional_krw:
        return (-cycle.notional_usdt - fees).quantize(
            USDT_STEP
        ), None  # all of it is lost, at any rate
    if rate is None:
        return None, None
    usdt = ZERO
    for holding in held:
        if holding.asset == "USDT":
            usdt += holding.quantity
            continue
        worth = prices.krw(holding)
        if worth is None:
            return None, None
        usdt += worth / (prices.krw_per_usdt or rate)
    taken = cycle.notional_usdt + fees + cycle.notional_krw / rate
    pnl = (usdt - taken).quantize(USDT_STEP)
    return pnl, (pnl * rate).quantize(Decimal("0.01"))
