"""The wait between the passages: it clears, or is too long; money comes home by any asset."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models.functions import Now

from cycles.domain.words import CycleStatus, FailureClass, PauseScope, Role
from cycles.models import Alert, Cycle, Step, Transition
from cycles.services import desk as desk_services, leasing, opening, quoting, rebalancing, verifying
from exchanges.models import NetworkRule
from tests import builders
from tests.cycles.services.acts import balance, give_back, set_policy
from tests.desk import TestDesk, operator


def waiting(desk: TestDesk, **policy: object) -> Cycle:
    """Give a cycle that waits for a way back that no market will give."""
    set_policy(min_rebalance_edge_bps=Decimal(90_000), **policy)
    row = desk.drive_until(desk.open(), "INITIAL_TRADE_COMPLETED")
    return desk.drive_until(row, "AWAITING_REBALANCE")


def at_policy_of(row: Cycle, **changes: object) -> None:
    """Give an open cycle another policy (the world changed its mind, not the policy)."""
    set_policy(**changes)
    Cycle.objects.filter(pk=row.pk).update(policy=desk_services.current_policy())


def test_a_cycle_waits_without_worker_and_lease_until_it_is_due_again(desk: TestDesk) -> None:
    row = waiting(desk)
    assert (row.lease_owner, row.retry_count) == ("", 0)
    assert row.wake_at is not None
    assert row.wake_at > desk_services.database_now()
    assert leasing.next_due_in(desk_role()) is not None


def desk_role() -> Role:
    """Give the finalizer."""
    return Role.FINALIZER


def test_a_cycle_leaves_its_wait_when_the_way_back_clears(desk: TestDesk) -> None:
    row = waiting(desk)
    assert desk.step(row).status == CycleStatus.AWAITING_REBALANCE
    at_policy_of(row, min_rebalance_edge_bps=Decimal(-5000))
    desk.drive_until(row, "COMPLETED")
    started = Transition.objects.get(cycle=row, event="way_back_clears")
    assert started.reason == f"by {row.return_asset}"
    assert verifying.verify_ledger().matches_venues


def test_the_wait_is_judged_by_the_cycles_own_way_out(desk: TestDesk) -> None:
    row = waiting(desk)
    own = rebalancing.own_out_rate(row)
    sold = Step.objects.get(cycle=row, kind="SELL").quantity_out
    paid = Step.objects.get(cycle=row, kind="BUY").quantity_in
    assert own == sold / paid


def test_past_the_longest_wait_a_cycle_is_a_dead_letter_at_once(desk: TestDesk) -> None:
    row = waiting(desk)
    at_policy_of(row, longest_wait_seconds=0)
    assert desk.step(row).status == CycleStatus.DEAD_LETTER
    assert (row.failure_class, row.retry_count) == (FailureClass.POLICY_DENIED, 0)
    assert "longest wait" in row.failure_reason
    assert Alert.objects.filter(cycle=row, key__startswith="dead_letter").count() == 1


def test_inside_the_longest_wait_it_goes_on_waiting(desk: TestDesk) -> None:
    row = waiting(desk, longest_wait_seconds=3 * 86400)
    assert desk.step(row).status == CycleStatus.AWAITING_REBALANCE


def test_a_paused_asset_is_no_way_back(desk: TestDesk) -> None:
    row = waiting(desk)
    at_policy_of(row, min_rebalance_edge_bps=Decimal(-5000))
    desk_services.pause(PauseScope.VENUE, "upbit", actor=operator(), reason="r")
    assert desk.step(row).status == CycleStatus.AWAITING_REBALANCE


def thin(desk: TestDesk, *, cheaper: str = "1") -> None:
    """Let Upbit sell 100 XRP at about their price, and more at a fifth more only."""
    markets = desk.control("/control/markets")["markets"]
    price = next(Decimal(one["price"]) for one in markets if one["symbol"] == "KRW-XRP")
    best = (price * Decimal(cheaper)).quantize(Decimal(1))
    book = {
        "bids": [[str(best - 1), "1000000"]],
        "asks": [[str(best), "100"], [str((best * 6 / 5).quantize(Decimal(1))), "1000000"]],
    }
    desk.control("/control/book", {"venue": "upbit", "symbol": "KRW-XRP"} | book)


def test_a_way_back_that_clears_for_less_than_the_cycle_carries_does_not_clear(
    desk: TestDesk,
) -> None:
    row = waiting(desk, allowed_assets=["XRP"])
    thin(desk)
    at_policy_of(row, min_rebalance_edge_bps=Decimal(-500), notional_usdt=Decimal(50))
    desk.sample()
    assert desk.step(row).status == CycleStatus.AWAITING_REBALANCE
    assert row.failure_class == ""


def test_a_dearer_way_back_is_taken_where_the_cheapest_is_too_thin_for_the_cycle(
    desk: TestDesk,
) -> None:
    row = waiting(desk, allowed_assets=["XRP", "SOL"])
    thin(desk, cheaper="0.98")
    at_policy_of(row, min_rebalance_edge_bps=Decimal(-1000), notional_usdt=Decimal(50))
    desk.sample()
    desk.step(row)
    assert row.return_asset == "SOL"


def test_coins_that_could_not_leave_at_once_are_not_bought_to_come_home_by(desk: TestDesk) -> None:
    row = waiting(desk)
    quotes = {q.asset: q.back_rate for q in quoting.latest_quotes(row.policy, "upbit")}
    cheapest = min((rate, name) for name, rate in quotes.items() if rate is not None)[1]
    NetworkRule.objects.filter(venue="upbit", asset=cheapest).update(
        withdraw_maximum=Decimal("0.0001")
    )
    at_policy_of(row, min_rebalance_edge_bps=Decimal(-5000))
    desk.step(row)
    assert row.return_asset not in {"", cheapest}


def test_krw_too_little_to_be_sent_buys_nothing(desk: TestDesk) -> None:
    set_policy(allowed_assets=["XRP"])
    desk.sample()
    NetworkRule.objects.filter(venue="upbit", asset="XRP").update(withdraw_minimum=100)
    row = opening.open_return_only(
        notional_krw=Decimal(6000), actor=operator(), reason="bring it home"
    )
    desk.step(row)
    assert row.failure_class == FailureClass.REFUSED_RULES
    assert balance("upbit", "KRW", "CYCLE", row) == 6000


def test_much_krw_comes_home_by_what_is_cheapest_for_so_much(desk: TestDesk) -> None:
    set_policy(allowed_assets=["XRP", "SOL"], notional_usdt=Decimal(50))
    thin(desk, cheaper="0.98")
    desk.sample()
    row = opening.open_return_only(
        notional_krw=Decimal(2_300_000), actor=operator(), reason="bring it home"
    )
    desk.step(row)
    assert row.return_asset == "SOL"


def test_stale_quotes_are_no_way_back(desk: TestDesk) -> None:
    row = waiting(desk)
    # No door writes such a policy: it makes every quote too old without waiting.
    strict = builders.policy(min_rebalance_edge_bps=Decimal(-5000), max_book_age_seconds=0)
    Cycle.objects.filter(pk=row.pk).update(policy=strict)
    assert desk.step(row).status == CycleStatus.AWAITING_REBALANCE


def test_the_one_that_started_first_is_taken_first(desk: TestDesk) -> None:
    rows = [waiting(desk, max_open_cycles=9, max_open_cycles_per_asset=9) for _ in range(2)]
    # The younger one fell due earlier.
    Cycle.objects.filter(pk=rows[0].pk).update(wake_at=Now())
    Cycle.objects.filter(pk=rows[1].pk).update(wake_at=Now() - timedelta(hours=1))
    (first,) = leasing.claim(desk_role(), "tester", limit=1)
    assert first.cycle_id == rows[0].pk
    give_back(first)


def test_usdt_goes_out_without_a_buy_and_home_without_a_sell(desk: TestDesk) -> None:
    set_policy(allowed_assets=["USDT"])
    row = desk.drive_until(desk.open("USDT"), "COMPLETED")
    kinds = [(step.passage, step.kind, step.state) for step in Step.objects.filter(cycle=row)]
    assert [kind for _, kind, _ in kinds] == [
        "WITHDRAW", "DEPOSIT", "SELL", "BUY", "WITHDRAW", "DEPOSIT",
    ]  # fmt: skip
    assert {state for *_, state in kinds} == {"DONE"}
    assert desk.posts("binance", "/api/v3/order") == 0
    assert row.return_asset == "USDT"
    assert verifying.verify_ledger().matches_venues


def test_krw_of_the_desk_goes_home_in_a_return_only_cycle(desk: TestDesk) -> None:
    desk.sample()
    before, krw_before = balance("binance", "USDT"), balance("upbit", "KRW")
    row = opening.open_return_only(
        notional_krw=Decimal(3_000_000), actor=operator(), reason="bring it home"
    )
    desk.drive_until(row, "COMPLETED")
    assert {step.passage for step in Step.objects.filter(cycle=row)} == {"RETURN"}
    assert row.outbound_asset == ""
    assert row.return_asset
    assert row.krw_per_usdt_at_open is not None
    got = balance("binance", "USDT") - before
    left = balance("upbit", "KRW") - krw_before + 3_000_000
    worth = got + left / row.krw_per_usdt_at_open - 3_000_000 / row.krw_per_usdt_at_open
    assert row.realised_pnl_usdt == pytest.approx(worth, abs=Decimal(1))  # dust
    assert verifying.verify_ledger().matches_venues


@pytest.mark.parametrize("asset", ["XRP", "SOL"])
def test_money_comes_home_by_the_cheapest_way_whatever_took_it_out(
    desk: TestDesk, asset: str
) -> None:
    row = desk.drive_until(desk.open(asset), "COMPLETED")
    quotes = {q.asset: q.back_rate for q in quoting.latest_quotes(row.policy, "upbit")}
    cheapest = min((rate, name) for name, rate in quotes.items() if rate is not None)[1]
    assert row.return_asset == cheapest
