"""KRW that a passage home leaves in Korea comes home by another one, or people are told."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models import F

from cycles.domain.progress import Turn
from cycles.domain.words import CycleStatus, FailureClass
from cycles.models import Alert, Cycle, PremiumSample, Step, Transition
from cycles.services import dead_letters, intervening, opening, own_size, quoting, verifying
from exchanges.errors import StaleReferenceError
from exchanges.models import NetworkRule
from tests.cycles.services.acts import balance, fail, give_back, set_policy, units_until
from tests.cycles.services.test_rebalancing import at_policy_of, waiting
from tests.cycles.services.test_trading import pin, top
from tests.desk import TestDesk, operator

KRW = Decimal(5_000_000)
HOME, NEVER = Decimal(-5000), Decimal(90_000)  # any way back clears; none does


def half_bought(desk: TestDesk, row: Cycle, part: str = "0.5") -> Cycle:
    """Let the BUY of a way home fill by half, or by another part, and its market run away from the rest."""
    return half_filled(desk, row, part, venue="upbit", symbol="KRW-XRP")


def half_filled(desk: TestDesk, row: Cycle, part: str, *, venue: str, symbol: str) -> Cycle:
    """Let a cycle's next BUY at a venue fill in part, and its market run away from the rest."""
    desk.fault(fault="F13", venue=venue, when="once", args={"value": part})
    lease = desk.lease(row)
    begun = Step.objects.filter(cycle=row, kind="BUY", venue=venue, quantity_out__gt=0)
    while not begun.exists():
        desk.unit(lease)
    # The limit counts from where the order began: a market that has fallen since would still have the rest.
    ask = max(top(desk, venue, symbol)[1], begun.get().reference_price or Decimal(0))
    nearest = Decimal(1) if venue == "upbit" else Decimal("0.0001")
    dearer = {
        "bids": [[str(ask.quantize(nearest)), "1000000"]],
        "asks": [[str((ask * 101 / 100).quantize(nearest)), "1000000"]],
    }
    pin(desk, venue, symbol, **dearer)
    give_back(lease)
    row.refresh_from_db()
    return row


def return_only(desk: TestDesk, krw: Decimal = KRW) -> Cycle:
    """Open a cycle that carries KRW home by XRP."""
    set_policy(allowed_assets=["XRP"])
    desk.sample()
    return opening.open_return_only(notional_krw=krw, actor=operator(), reason="a test")


def test_what_a_half_filled_buy_leaves_comes_home_by_a_second_passage(desk: TestDesk) -> None:
    before = balance("upbit", "KRW")
    row = half_bought(desk, return_only(desk))
    desk.sample()
    desk.drive_until(row, "COMPLETED", "DEAD_LETTER")
    assert row.status == CycleStatus.COMPLETED
    left = balance("upbit", "KRW") - (before - KRW)
    assert left < 20_000
    assert Step.objects.filter(cycle=row, passage="RETURN", kind="SELL", state="DONE").count() == 2
    assert Transition.objects.filter(cycle=row, event="rest_awaits_way_back").count() == 1
    assert not Alert.objects.filter(key__startswith="rest:").exists()
    assert verifying.verify_ledger().matches_venues


def left_by_xrp(desk: TestDesk, part: str, min_rebalance_edge_bps: Decimal) -> Cycle:
    """Give a round trip that bought a part of its way home by XRP, under a policy that wants so much from then on."""
    set_policy(allowed_assets=["XRP"], min_rebalance_edge_bps=NEVER)
    row = desk.drive_until(desk.open(notional="10000"), "INITIAL_TRADE_COMPLETED")
    desk.drive_until(row, "AWAITING_REBALANCE")
    at_policy_of(row, allowed_assets=["XRP"], min_rebalance_edge_bps=HOME)
    half_bought(desk, row, part)
    at_policy_of(row, allowed_assets=["XRP"], min_rebalance_edge_bps=min_rebalance_edge_bps)
    desk.sample()
    return row


def test_a_large_rest_of_a_round_trip_waits_until_its_way_back_clears(desk: TestDesk) -> None:
    row = left_by_xrp(desk, "0.5", NEVER)
    desk.drive_until(row, "AWAITING_REBALANCE", "COMPLETED")
    assert row.status == CycleStatus.AWAITING_REBALANCE
    assert balance("upbit", "KRW", "CYCLE", row) > 20_000
    assert balance("binance", "USDT", "CYCLE", row) > 0
    at_policy_of(row, allowed_assets=["XRP"], min_rebalance_edge_bps=HOME)
    desk.drive_until(row, "COMPLETED")
    assert verifying.verify_ledger().matches_venues


def test_a_small_rest_that_does_not_clear_keeps_nothing_of_what_came_home(desk: TestDesk) -> None:
    row = left_by_xrp(desk, "0.96", NEVER)
    left = balance("upbit", "KRW", "CYCLE", row)
    assert left > 20_000
    desk.drive_until(row, "AWAITING_REBALANCE", "COMPLETED")
    assert row.status == CycleStatus.COMPLETED
    assert balance("binance", "USDT", "CYCLE", row) == 0
    told = Alert.objects.get(cycle=row, key__startswith="rest:")
    assert f"{left.normalize():f} KRW at upbit" in told.title
    assert verifying.verify_ledger().matches_venues


def test_a_small_rest_whose_way_back_clears_comes_home(desk: TestDesk) -> None:
    row = left_by_xrp(desk, "0.96", HOME)
    desk.drive_until(row, "COMPLETED")
    assert Transition.objects.filter(cycle=row, event="rest_awaits_way_back").count() == 1
    assert not Alert.objects.filter(key__startswith="rest:").exists()


def dead_with_coins_in_korea(desk: TestDesk, row: Cycle, done: int = 1) -> Cycle:
    """Let a cycle die behind a BUY of its way home, so many of which are done then."""
    bought = Step.objects.filter(cycle=row, passage="RETURN", kind="BUY", state="DONE")
    while bought.count() < done:
        lease = desk.lease(row)
        while bought.count() < done and desk.unit(lease).turn is Turn.GO_ON:
            pass
        give_back(lease)
    return fail(row, FailureClass.BUG, "a bug")


def test_an_unwound_second_passage_waits_again_whatever_the_first_brought_home(
    desk: TestDesk,
) -> None:
    row = dead_with_coins_in_korea(desk, left_by_xrp(desk, "0.7", HOME), done=2)
    assert dead_letters.process_dead_letters() == 1
    desk.drive_until(row, "AWAITING_REBALANCE", "FAILED")
    assert row.status == CycleStatus.AWAITING_REBALANCE
    assert Transition.objects.filter(cycle=row, event="unwound").count() == 1
    assert balance("upbit", "KRW", "CYCLE", row) > 0
    desk.drive_until(row, "COMPLETED")
    assert balance("upbit", "KRW", "CYCLE", row) == 0
    assert verifying.verify_ledger().matches_venues


def test_an_unwound_way_home_waits_again_whatever_the_way_out_has_left_at_binance(
    desk: TestDesk,
) -> None:
    set_policy(allowed_assets=["XRP"], min_rebalance_edge_bps=HOME)
    row = desk.open(notional="10000")
    half_filled(desk, row, "0.4", venue="binance", symbol="XRPUSDT")
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    dead_with_coins_in_korea(desk, row)
    assert balance("binance", "USDT", "CYCLE", row) > 5000
    intervening.unwind(row.pk, actor=operator(), reason="sell", seen_version=row.version)
    desk.drive_until(row, "AWAITING_REBALANCE", "FAILED")
    assert row.status == CycleStatus.AWAITING_REBALANCE
    desk.drive_until(row, "COMPLETED")
    assert verifying.verify_ledger().matches_venues


def test_of_won_that_an_unwind_leaves_in_korea_people_are_told(desk: TestDesk) -> None:
    row = desk.open()
    give_back(units_until(desk, row, "DEPOSIT", "upbit"))
    fail(row, FailureClass.BUG, "a bug")
    intervening.unwind(row.pk, actor=operator(), reason="sell", seen_version=row.version)
    before = balance("upbit", "KRW")
    desk.drive_until(row, "FAILED")
    left = balance("upbit", "KRW") - before
    told = Alert.objects.get(cycle=row, key__startswith="rest:")
    assert f"{left.normalize():f} KRW at upbit" in told.title


def test_an_asset_without_a_price_makes_no_rest_worth_a_passage(desk: TestDesk) -> None:
    row = waiting(desk, allowed_assets=["XRP", "SOL"])
    assert own_size.worth_a_passage(row, KRW) == {"XRP", "SOL"}
    PremiumSample.objects.filter(asset="SOL").delete()
    assert own_size.worth_a_passage(row, KRW) == {"XRP"}


def test_while_the_rules_are_old_nobody_says_that_a_rest_is_too_little(desk: TestDesk) -> None:
    row = waiting(desk, allowed_assets=["XRP"])
    NetworkRule.objects.filter(asset="XRP").update(fetched_at=F("fetched_at") - timedelta(days=2))
    with pytest.raises(StaleReferenceError):
        own_size.worth_a_passage(row, KRW)


def left_behind(asset: str, **longer: int) -> None:
    """Let a venue tell nothing more of an asset since long, so that it is sampled no more."""
    NetworkRule.objects.filter(venue="upbit", asset=asset).update(
        fetched_at=F("fetched_at") - timedelta(days=2)
    )
    PremiumSample.objects.filter(asset=asset).update(at=F("at") - timedelta(**longer))


def test_an_asset_that_its_venue_tells_no_more_keeps_no_rest_from_being_closed(
    desk: TestDesk,
) -> None:
    row = left_by_xrp(desk, "0.96", NEVER)
    at_policy_of(row, allowed_assets=["XRP", "SOL"], min_rebalance_edge_bps=NEVER)
    desk.sample()
    left_behind("SOL", days=7)
    give_back(units_until(desk, row, "WITHDRAW", "upbit"))
    NetworkRule.objects.filter(venue="upbit", asset="XRP").update(withdraw_minimum=100_000)
    desk.drive_until(row, "COMPLETED", "RETRY_PENDING", "DEAD_LETTER")
    assert row.status == CycleStatus.COMPLETED
    assert Alert.objects.filter(cycle=row, key__startswith="rest:").exists()


def test_an_asset_that_is_sampled_no_more_is_no_way_home_though_its_rules_are_told(
    desk: TestDesk,
) -> None:
    row = waiting(desk, allowed_assets=["XRP", "SOL"])
    PremiumSample.objects.filter(asset="SOL").update(at=F("at") - timedelta(days=7))
    assert own_size.worth_a_passage(row, KRW) == {"XRP"}


def test_while_nothing_is_sampled_the_last_prices_tell_what_a_rest_is_worth(
    desk: TestDesk,
) -> None:
    row = waiting(desk, allowed_assets=["XRP", "SOL"])
    PremiumSample.objects.update(at=F("at") - timedelta(days=7))
    assert own_size.worth_a_passage(row, KRW) == {"XRP", "SOL"}
    NetworkRule.objects.update(fetched_at=F("fetched_at") - timedelta(days=2))
    with pytest.raises(StaleReferenceError):
        own_size.worth_a_passage(row, KRW)


def test_the_fee_of_a_little_weighs_what_it_weighs_and_not_as_for_much(desk: TestDesk) -> None:
    row = waiting(desk, allowed_assets=["XRP"])
    NetworkRule.objects.filter(venue="upbit", asset="XRP").update(withdraw_fee=10)
    desk.sample()
    (quote,) = [q for q in quoting.latest_quotes(row.policy, "upbit") if q.asset == "XRP"]
    little = 40 * (PremiumSample.objects.filter(asset="XRP").latest("at").korea_ask or Decimal(0))
    rate = own_size.back_rate(row, quote, little)
    assert quote.back_rate
    assert rate
    assert rate > quote.back_rate * Decimal("1.2")


def test_of_a_rest_that_is_not_worth_a_passage_people_are_told(desk: TestDesk) -> None:
    row = half_bought(desk, return_only(desk))
    give_back(units_until(desk, row, "WITHDRAW", "upbit"))
    left = balance("upbit", "KRW", "CYCLE", row)
    NetworkRule.objects.filter(venue="upbit", asset="XRP").update(withdraw_minimum=100_000)
    desk.drive_until(row, "COMPLETED", "DEAD_LETTER")
    assert row.status == CycleStatus.COMPLETED
    told = Alert.objects.get(cycle=row, key__startswith="rest:")
    assert f"{left.normalize():f} KRW at upbit" in told.title
    assert left > 2_000_000
