"""Orders at venues that misbehave: ids, cancels, limits, rules, maintenance, and books nobody believes."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import F

from cycles.domain.progress import Turn
from cycles.domain.words import CallOutcome, FailureClass, StepKind, StepState
from cycles.models import Alert, Cycle, ExchangeCall, PremiumSample, Step
from cycles.services import opening, quoting, verifying, watching
from cycles.services.rating import Rates
from exchanges import reference, registry
from exchanges.models import MarketRule
from exchanges.values import Market
from kimp.sockets import is_free
from tests.cycles.services.acts import (
    accepted,
    age,
    balance,
    each_was_sent_once,
    give_back,
    make_due,
    outcomes,
    sent_ids,
    units_until,
)
from tests.desk import TestDesk, eventually

SECOND_LOOK = 5  # seconds after the first "not found"
ORDER = {"venue": "binance", "method": "POST", "path_regex": "/api/v3/order$"}
XRP_USDT = Market("XRP", "USDT")


def arrived(desk: TestDesk, venue: str = "") -> int:
    """Count all requests that reached a venue."""
    rows = desk.control("/control/requests")
    return sum(1 for row in rows if venue in {"", row["venue"]})


def rules_were_read(minutes: int) -> None:
    """Let the stored rules be older: what was read a moment ago is not read again."""
    MarketRule.objects.update(fetched_at=F("fetched_at") - timedelta(minutes=minutes))


def test_f10_a_port_that_refuses_costs_a_retry_and_nothing_was_intended(desk: TestDesk) -> None:
    row = desk.open()
    registry.venue("binance").close()  # a kept connection would meet a reset instead
    desk.fault(fault="F10", venue="binance")
    eventually(lambda: is_free(int(desk.running.binance_url.rpartition(":")[2])))
    lease = desk.lease(row)
    progress = desk.unit(lease)
    assert (progress.turn, progress.failure) == (Turn.FAIL, FailureClass.TRANSIENT)
    assert "not sent" in progress.reason
    assert outcomes(row) == []
    assert not sent_ids(desk)
    desk.control("/control/faults", method="DELETE")
    desk.unit(lease)
    assert outcomes(row) == ["DONE"]
    each_was_sent_once(desk)


def test_f12_no_client_order_id_goes_out_twice_whatever_happens_to_its_order(
    desk: TestDesk,
) -> None:
    """Binance would accept it again as soon as the first order is closed."""
    for rule in (
        {"fault": "F14", "when": {"nth": 1}},
        {"fault": "F13", "when": {"nth": 2}},
        {"fault": "F4", "when": {"nth": 3}},
        {"fault": "F22", "when": {"nth": 4}},
    ):
        desk.fault(**(ORDER | rule))
    row = desk.drive_until(desk.open(), "INITIAL_TRADE_COMPLETED")
    ours = ExchangeCall.objects.filter(cycle=row).values_list("client_order_id", flat=True)
    assert len(ours) == len(set(ours)) > 4
    each_was_sent_once(desk)
    assert set(accepted(desk, "binance").values()) == {1}
    assert verifying.verify_ledger().matches_venues


def resting(desk: TestDesk) -> tuple[Cycle, Any]:
    """Let a cycle's first order rest with a third of it filled, although it is immediate."""
    row = desk.open()
    desk.fault(fault="F13", action="rests", args={"value": "0.3"}, when="once", **ORDER)
    lease = desk.lease(row)
    desk.unit(lease)
    assert desk.unit(lease).turn is Turn.WAIT
    age(row, 11)
    return row, lease


def cancels(desk: TestDesk) -> int:
    """Count the cancels that reached Binance."""
    rows = desk.control("/control/requests")
    return sum(1 for row in rows if row["method"] == "DELETE")


def test_f13_an_order_that_rests_is_cancelled_once_and_settled_by_what_it_got(
    desk: TestDesk,
) -> None:
    row, lease = resting(desk)
    for _ in range(3):
        desk.unit(lease)
    first = ExchangeCall.objects.filter(cycle=row, operation="PLACE_ORDER").earliest("pk")
    assert first.is_settled
    assert Decimal(first.report["executed_quantity"]) < Decimal(first.request["quantity"])
    give_back(lease)
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    assert cancels(desk) == 1
    each_was_sent_once(desk)
    assert verifying.verify_ledger().matches_venues


def test_f13_how_long_an_order_rests_is_not_told_by_a_host_whose_clock_is_fast(
    desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = desk.open()
    desk.fault(fault="F13", action="rests", args={"value": "0.3"}, when="once", **ORDER)
    lease = desk.lease(row)
    desk.unit(lease)
    fast = registry.utc_now() + timedelta(hours=2)
    monkeypatch.setattr(registry, "utc_now", lambda: fast)
    assert desk.unit(lease).turn is Turn.WAIT
    assert cancels(desk) == 0


def test_f13_a_cancel_that_a_fill_outruns_leaves_the_whole_order_settled(desk: TestDesk) -> None:
    row, lease = resting(desk)
    desk.fault(fault="F13", venue="binance", action="fill_before_cancel", method="DELETE")
    for _ in range(3):
        desk.unit(lease)
    first = ExchangeCall.objects.filter(cycle=row, operation="PLACE_ORDER").earliest("pk")
    assert Decimal(first.report["executed_quantity"]) == Decimal(first.request["quantity"])
    give_back(lease)
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    assert cancels(desk) == 1
    each_was_sent_once(desk)
    assert verifying.verify_ledger().matches_venues


@pytest.mark.parametrize("code", [-1006, -1008])
def test_f17_a_failure_inside_is_looked_up_and_absent_only_after_the_window(
    desk: TestDesk, code: int
) -> None:
    row = desk.open()
    desk.fault(fault="F17", args={"code": code}, when="once", **ORDER)
    lease = desk.lease(row)
    desk.unit(lease)
    assert outcomes(row) == ["UNKNOWN"]
    assert desk.unit(lease).turn is Turn.WAIT
    age(row, 16)
    desk.unit(lease)
    assert outcomes(row) == ["UNKNOWN"]
    age(row, SECOND_LOOK)
    desk.unit(lease)
    assert outcomes(row) == ["ABSENT"]
    desk.unit(lease)
    each_was_sent_once(desk)
    assert set(accepted(desk, "binance").values()) == {1}


@pytest.mark.parametrize("kind", ["418", "waf"])
def test_f18_a_venue_that_turns_us_away_is_left_alone_until_its_time(
    desk: TestDesk, kind: str
) -> None:
    row = desk.open()
    desk.fault(fault="F18", venue="binance", path_regex="/", args={"kind": kind, "seconds": 600})
    since = arrived(desk, "binance")
    lease = desk.lease(row)
    for _ in range(5):
        progress = desk.unit(lease)
        assert progress.turn is Turn.WAIT or progress.failure == FailureClass.TRANSIENT
    assert arrived(desk, "binance") - since == 1
    assert accepted(desk, "binance") == {}


def test_f18_an_order_that_a_firewall_swallowed_is_looked_up_once_it_lets_us(
    desk: TestDesk,
) -> None:
    row = desk.open()
    desk.fault(fault="F18", args={"kind": "waf"}, when="once", **ORDER)
    lease = desk.lease(row)
    desk.unit(lease)
    assert outcomes(row) == ["UNKNOWN"]
    since = arrived(desk, "binance")
    for _ in range(3):
        assert desk.unit(lease).turn is Turn.WAIT
    assert arrived(desk, "binance") == since
    each_was_sent_once(desk)


def test_f21_an_order_refused_by_changed_rules_reads_them_again_and_the_retry_uses_them(
    desk: TestDesk,
) -> None:
    row = desk.open()
    rules_were_read(minutes=1)
    before = reference.market_rules("binance", XRP_USDT, registry.utc_now())
    desk.fault(fault="F21", args={"price_step": "0.0103"}, when="once", **ORDER)
    desk.step(row)
    assert (row.status, row.failure_class) == ("RETRY_PENDING", FailureClass.REFUSED_RULES)
    now = reference.market_rules("binance", XRP_USDT, registry.utc_now())
    assert now.price_steps != before.price_steps
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    bought = ExchangeCall.objects.filter(cycle=row, step__kind=StepKind.BUY).order_by("pk")
    assert [call.outcome for call in bought][:2] == ["REFUSED", "DONE"]
    assert all(
        Decimal(call.request["limit_price"]) % Decimal("0.0103") == 0 for call in list(bought)[1:]
    )
    each_was_sent_once(desk)
    assert verifying.verify_ledger().matches_venues


def test_f21_rules_just_read_are_not_read_again(desk: TestDesk) -> None:
    row = desk.open()
    MarketRule.objects.update(fetched_at=registry.utc_now())
    before = rules_read(desk)
    desk.fault(fault="F21", args={"price_step": "0.0103"}, when="once", **ORDER)
    desk.step(row)
    assert row.failure_class == FailureClass.REFUSED_RULES
    assert rules_read(desk) == before


def test_f21_a_minimum_raised_beyond_what_a_cycle_has_ends_before_its_next_order(
    desk: TestDesk,
) -> None:
    row = desk.open()
    rules_were_read(minutes=1)
    desk.fault(fault="F21", args={"min_notional": "900000"}, when="once", **ORDER)
    desk.step(row)
    make_due(row)
    desk.step(row)
    assert row.failure_class == FailureClass.REFUSED_RULES
    assert "below its minimum" in row.failure_reason
    assert sum(sent_ids(desk).values()) == 1
    assert balance("binance", "USDT", "CYCLE", row) == 2000


def test_f23_in_maintenance_nothing_opens_there_and_what_is_under_way_waits(
    desk: TestDesk,
) -> None:
    desk.sample()
    assert opening.decide().opens
    row = desk.open()
    rules_were_read(minutes=1)
    desk.fault(fault="F23", when="once", **ORDER)
    desk.step(row)
    assert (row.status, row.failure_class) == ("RETRY_PENDING", FailureClass.TRANSIENT)
    assert not reference.market_rules("binance", XRP_USDT, registry.utc_now()).is_open
    assert "XRP" in reference.closed_ways("binance", "upbit") & reference.closed_ways(
        "upbit", "binance"
    )
    assert "a market of XRP is closed" in "; ".join(
        opening.preview_by_hand(asset="XRP", notional_usdt=Decimal(100)).objections
    )
    quote = next(q for q in quoting.latest_quotes(row.policy, "upbit") if q.asset == "XRP")
    assert (quote.out_rate, quote.back_rate) == (None, None)
    desk.control("/control/maintenance", {"venue": "binance", "on": False})
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    each_was_sent_once(desk)


def test_f23_upbits_maintenance_leaves_a_sale_unknown_until_it_is_absent(desk: TestDesk) -> None:
    row = desk.open()
    give_back(units_until(desk, row, "DEPOSIT", "upbit"))
    desk.fault(fault="F23", venue="upbit", method="POST", path_regex="/v1/orders$", when="once")
    lease = desk.lease(row)
    desk.unit(lease)
    assert outcomes(row)[-1] == CallOutcome.UNKNOWN
    desk.control("/control/maintenance", {"venue": "upbit", "on": False})
    age(row, 11)
    desk.unit(lease)
    assert outcomes(row)[-1] == CallOutcome.UNKNOWN
    age(row, SECOND_LOOK)
    desk.unit(lease)
    assert outcomes(row)[-1] == CallOutcome.ABSENT
    give_back(lease)
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    each_was_sent_once(desk)
    assert verifying.verify_ledger().matches_venues


@pytest.mark.parametrize(
    ("venue", "kind", "side"),
    [("binance", "fat_finger", "bids"), ("upbit", "fat_finger", "asks"), ("upbit", "zero", "bids")],
)
def test_f36_a_book_that_no_market_has_is_not_sampled_and_is_said_loudly(
    desk: TestDesk, venue: str, kind: str, side: str
) -> None:
    """Even the first reading, which nothing but the other venue's book can be held against."""
    args = {"kind": kind, "side": side}
    desk.fault(fault="F36", venue=venue, args=args, query_regex="XRP")
    watching.tick(Rates())
    sampled = set(PremiumSample.objects.values_list("asset", flat=True))
    assert sampled == {"BTC", "ETH", "SOL", "USDT"}
    # With nothing but one another to be held against, each of the two may be the wrong one.
    alert = Alert.objects.get(key__startswith=f"book:{venue}:XRP/")
    assert (alert.severity, venue in alert.title) == (Alert.Severity.WARNING, True)
    decided = opening.decide()
    assert decided.opens
    assert decided.asset != "XRP"
    assert not sent_ids(desk)


@pytest.mark.parametrize(("kind", "side"), [("crossed", "asks"), ("fat_finger", "asks")])
def test_f36_no_order_goes_out_on_a_book_that_no_market_has(
    desk: TestDesk, kind: str, side: str
) -> None:
    row = desk.open()
    desk.fault(fault="F36", venue="binance", args={"kind": kind, "side": side}, times=1)
    lease = desk.lease(row)
    progress = desk.unit(lease)
    assert (progress.turn, progress.failure) == (Turn.FAIL, FailureClass.TRANSIENT)
    assert "is not believed" in progress.reason
    assert not sent_ids(desk)
    assert Alert.objects.filter(key__startswith="book:binance:XRP/USDT").count() == 1
    desk.unit(lease)
    assert set(accepted(desk, "binance").values()) == {1}  # the next book was a sound one


def test_f36_coins_in_hand_are_not_sold_at_a_thousandth_of_their_price(desk: TestDesk) -> None:
    row = desk.open()
    give_back(units_until(desk, row, "DEPOSIT", "upbit"))
    held = balance("upbit", "XRP", "CYCLE", row)
    desk.fault(fault="F36", venue="upbit", args={"kind": "fat_finger", "side": "bids"})
    make_due(row)
    desk.step(row)
    assert (row.status, row.failure_class) == ("RETRY_PENDING", FailureClass.TRANSIENT)
    assert balance("upbit", "XRP", "CYCLE", row) == held
    assert accepted(desk, "upbit") == {}
    desk.control("/control/faults", method="DELETE")
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    assert verifying.verify_ledger().matches_venues


def test_f36_an_unwind_does_not_call_coins_worthless_on_a_book_nobody_believes(
    desk: TestDesk,
) -> None:
    row = desk.open()
    give_back(units_until(desk, row, "BUY"))
    Cycle.objects.filter(pk=row.pk).update(plan="UNWIND")
    desk.fault(fault="F36", venue="binance", args={"kind": "fat_finger", "side": "bids"})
    make_due(row)
    desk.step(row)
    sale = Step.objects.get(cycle=row, passage="UNWIND")
    assert (sale.kind, sale.state) == (StepKind.SELL, StepState.PENDING)
    assert row.status == "RETRY_PENDING"


def test_f36_a_stamp_that_stands_still_is_no_book_once_it_is_old(desk: TestDesk) -> None:
    """Upbit's alone: Binance's book carries no stamp."""
    at = desk.control("/control/clock")["wall_ms"] - 20_000
    desk.fault(fault="F36", venue="upbit", args={"kind": "frozen", "at_ms": at})
    watching.tick(Rates())
    assert not PremiumSample.objects.exists()
    assert "s old" in Alert.objects.filter(key__startswith="book:upbit").earliest("pk").body
    assert opening.open_if_decided(actor="tester") is None
    assert not sent_ids(desk)


def test_f36_a_market_that_really_jumps_is_believed_when_the_other_venue_agrees(
    desk: TestDesk,
) -> None:
    desk.sample()
    PremiumSample.objects.filter(asset="XRP").update(
        korea_bid=F("korea_bid") * 5, korea_ask=F("korea_ask") * 5
    )
    row = desk.open()
    give_back(units_until(desk, row, "DEPOSIT", "upbit"))
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    assert not Alert.objects.filter(key__startswith="book:").exists()


def test_a_refusal_that_says_nothing_of_the_rules_reads_nothing_again(desk: TestDesk) -> None:
    row = desk.open()
    rules_were_read(minutes=1)
    before = rules_read(desk)
    desk.fault(fault="F18", args={"kind": "429_silent"}, when="once", **ORDER)
    desk.step(row)
    assert (row.failure_class, row.retry_count) == ("", 0)  # it costs time, and tells nothing
    assert rules_read(desk) == before


def rules_read(desk: TestDesk) -> int:
    """Count how often Binance's market rules were asked for."""
    paths = [one["path"] for one in desk.control("/control/requests")]
    return paths.count("/api/v3/exchangeInfo")
