"""Fees in a third asset: the desk pays them, the cycle's P&L and its own way out bear them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cycles.domain.words import Passage
from cycles.models import Cycle, Fill, Step
from cycles.services import charging, desk as desk_services, rebalancing
from tests import builders
from tests.cycles.services.acts import balance, set_policy
from tests.desk import TestDesk

BNB_USDT = Decimal(600)


@pytest.fixture
def paying_in_bnb(desk: TestDesk) -> TestDesk:
    """Give a desk with BNB at a venue that takes its fees in it."""
    desk.control("/control/balances", {"venue": "binance", "asset": "BNB", "credit": "100"})
    desk.control("/control/settings", {"bnb_usdt": str(BNB_USDT)})
    builders.capital("binance", "BNB", 100)
    set_policy(min_rebalance_edge_bps=Decimal(-5000))
    return desk


def bnb_price() -> None:
    """Write what a feeder would that samples BNB too."""
    builders.sample("BNB", at=desk_services.database_now(), global_bid=BNB_USDT)


def round_trip(desk: TestDesk) -> tuple[Cycle, Decimal, Decimal]:
    """Drive a cycle to its end; gives what the desk has more of USDT and won, in USDT, and the BNB it paid."""
    usdt, krw, bnb = balance("binance", "USDT"), balance("upbit", "KRW"), balance("binance", "BNB")
    row = desk.drive_until(desk.open(), "COMPLETED")
    assert row.krw_per_usdt_at_open is not None
    rest = (balance("upbit", "KRW") - krw) / row.krw_per_usdt_at_open
    paid = bnb - balance("binance", "BNB")
    assert paid > 0
    return row, balance("binance", "USDT") - usdt + rest, paid


def test_the_profit_bears_what_the_desk_paid_in_a_third_asset(paying_in_bnb: TestDesk) -> None:
    bnb_price()
    row, gained, paid = round_trip(paying_in_bnb)
    assert row.realised_pnl_usdt == pytest.approx(gained - paid * BNB_USDT, abs=Decimal("0.5"))
    assert paid * BNB_USDT > 1


def test_without_a_price_such_a_fee_counts_as_the_venue_states_it_without_discount(
    paying_in_bnb: TestDesk,
) -> None:
    row, gained, _ = round_trip(paying_in_bnb)
    apart = Fill.objects.filter(cycle=row, fee_asset="BNB")
    stated = sum(fill.notional for fill in apart) * Decimal("0.001")
    assert charging.fees_apart_usdt(row) == stated
    assert row.realised_pnl_usdt == pytest.approx(gained - stated, abs=Decimal("0.5"))


def test_the_own_way_out_bears_it_too(paying_in_bnb: TestDesk) -> None:
    bnb_price()
    set_policy(min_rebalance_edge_bps=Decimal(90_000))
    row = paying_in_bnb.drive_until(paying_in_bnb.open(), "AWAITING_REBALANCE")
    bought, sold = Step.objects.filter(cycle=row, kind__in=["BUY", "SELL"], state="DONE").order_by(
        "position"
    )
    paid = (100 - balance("binance", "BNB")) * BNB_USDT
    assert charging.fees_apart_usdt(row, call__step__passage=Passage.OUTBOUND) == paid > 0
    own = sold.quantity_out / (bought.quantity_in + paid)
    assert rebalancing.own_out_rate(row) == pytest.approx(own, abs=Decimal("0.000001"))


def test_fees_in_what_was_traded_are_not_charged_again(desk: TestDesk) -> None:
    row = desk.drive_until(desk.open(), "INITIAL_TRADE_COMPLETED")
    assert Fill.objects.filter(cycle=row, fee__gt=0).exists()
    assert charging.fees_apart_usdt(row) == 0
