"""Largest orders and withdrawals, smallest deposits, and the history of what venues changed."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from cycles.domain.words import FailureClass
from cycles.errors import PolicyDeniedError
from cycles.models import Cycle, ExchangeCall, Transition
from cycles.services import opening, refreshing
from exchanges import reference, registry
from exchanges.models import MarketRule, NetworkRule, RuleChange
from exchanges.values import Market
from tests.cycles.services.acts import give_back, set_policy, units_until
from tests.desk import TestDesk

pytestmark = pytest.mark.django_db
AT_BINANCE = {"venue": "binance", "asset": "XRP", "network": "XRP"}
AT_UPBIT = AT_BINANCE | {"venue": "upbit"}


def bought(desk: TestDesk) -> Cycle:
    row = desk.open("XRP")
    give_back(units_until(desk, row, "BUY"))
    return row


def test_what_venues_tell_of_limits_and_confirmations_is_kept(desk: TestDesk) -> None:
    now = registry.utc_now()
    world = reference.market_rules("binance", Market("XRP", "USDT"), now)
    korea = reference.market_rules("upbit", Market("XRP", "KRW"), now)
    assert world.maximum_notional == Decimal(9_000_000)
    assert korea.maximum_notional == Decimal(1_000_000_000)
    out = reference.network_rules("binance", "XRP", "XRP", now)
    assert (out.confirmations, out.unlock_confirmations) == (3, 3)
    assert out.withdraw_maximum == Decimal(9_999_999)
    assert out.deposit_minimum == Decimal("0.000001")
    back = reference.network_rules("upbit", "XRP", "XRP", now)
    assert (back.confirmations, back.unlock_confirmations) == (3, None)
    assert back.withdraw_maximum == Decimal(5_000_000_000)


def test_an_order_beyond_the_venues_largest_is_sent_in_parts(desk: TestDesk) -> None:
    market = MarketRule.objects.filter(venue="binance", market="XRP/USDT")
    market.update(maximum_notional=Decimal(900))
    row = bought(desk)
    orders = ExchangeCall.objects.filter(cycle=row, operation="PLACE_ORDER")
    assert orders.count() >= 3
    for order in orders:
        asked = Decimal(order.request["quantity"]) * Decimal(order.request["limit_price"])
        assert asked <= 900


def test_more_than_one_withdrawal_may_carry_is_not_bought(desk: TestDesk) -> None:
    NetworkRule.objects.filter(**AT_BINANCE).update(withdraw_maximum=Decimal(10))
    with pytest.raises(PolicyDeniedError, match="at most in one withdrawal"):
        desk.open("XRP")


@pytest.mark.parametrize(
    ("place", "limit", "told"),
    [
        (AT_BINANCE, {"withdraw_maximum": Decimal(10)}, "at most in one withdrawal"),
        (AT_UPBIT, {"deposit_minimum": Decimal(100_000)}, "would be lost"),
    ],
)
def test_what_would_be_refused_or_lost_is_not_sent(
    desk: TestDesk, place: dict[str, str], limit: dict[str, Decimal], told: str
) -> None:
    row = bought(desk)
    NetworkRule.objects.filter(**place).update(**limit)
    desk.step(row)
    assert row.failure_class == FailureClass.REFUSED_RULES
    assert told in row.failure_reason
    assert not ExchangeCall.objects.filter(cycle=row, operation="WITHDRAW").exists()


def test_too_little_to_be_credited_is_not_bought(desk: TestDesk) -> None:
    NetworkRule.objects.filter(**AT_UPBIT).update(deposit_minimum=Decimal(100_000))
    with pytest.raises(PolicyDeniedError, match="too little"):
        desk.open("XRP")


def test_an_asset_that_could_not_be_sent_leaves_the_opening_to_the_next_best(
    desk: TestDesk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_told_left_out", set())
    set_policy(max_open_cycles_per_asset=1)
    desk.sample()
    best = opening.decide()
    NetworkRule.objects.filter(venue="binance", asset=best.asset).update(
        withdraw_maximum=Decimal("0.0001")
    )
    rows = [opening.open_if_decided(actor="tester") for _ in range(2)]
    opened = [row.outbound_asset for row in rows if row is not None]
    assert len(opened) == 2
    assert best.asset not in opened
    born = Transition.objects.get(cycle=rows[0])
    assert f"{best.asset} to upbit was left out: binance sends 0.0001" in born.reason
    assert len([one for one in caplog.messages if "opening.left_out" in one]) == 1


def test_where_no_asset_could_be_sent_nothing_opens(desk: TestDesk) -> None:
    desk.sample()
    NetworkRule.objects.filter(venue="binance").update(withdraw_maximum=Decimal("0.000001"))
    assert opening.open_if_decided(actor="tester") is None


def test_what_a_venue_changes_of_its_rules_is_remembered_once(desk: TestDesk) -> None:
    change = AT_BINANCE | {"withdraw_fee": "0.9", "withdraw_min": "5"}
    desk.control("/control/wallet", change)
    now = registry.utc_now()
    for later in (0, 1):
        refreshing.refresh_markets(now + timedelta(minutes=later))
    found = RuleChange.objects.filter(venue="binance", subject="XRP on XRP")
    assert {(one.rule, one.before, one.after) for one in found} == {
        ("withdraw_fee", "0.2", "0.9"),
        ("withdraw_minimum", "2", "5"),
    }
    assert {one.noticed_at for one in found} == {now}
    assert reference.network_rules("binance", "XRP", "XRP", now).withdraw_fee == Decimal("0.9")
