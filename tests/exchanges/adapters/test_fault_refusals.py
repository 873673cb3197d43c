"""Venues that say no (F18-F21, F23): which no it is, that nothing happened there, and how often we asked."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from exchanges.errors import (
    OutcomeUnknownError,
    RefusalReason,
    RefusedError,
    ThrottledError,
    VenueError,
)
from exchanges.values import OrderStatus
from tests.exchanges.adapters.faulty import Desk

INSISTENCE = 5


def test_f18_the_limiter_turns_an_order_away_and_is_not_asked_again_before_its_time(
    desk: Desk,
) -> None:
    order = desk.order()
    desk.spoil("F18", when="always", args={"kind": "429", "seconds": 7})
    since = len(desk.requests())
    waits: set[int | None] = set()
    for _ in range(INSISTENCE):
        with pytest.raises(ThrottledError) as caught:
            desk.place(order)
        waits.add(caught.value.retry_after_seconds)
    assert waits <= {6, 7}
    assert len(desk.requests()) - since == 1
    assert (desk.arrived(), desk.accepted(), desk.truth()) == (1, 0, [False])


@pytest.mark.parametrize("kind", ["418", "waf"])
def test_f18_a_ban_or_a_firewall_holds_every_call_back_reads_too(desk: Desk, kind: str) -> None:
    order = desk.order()
    desk.spoil("F18", when="always", args={"kind": kind, "seconds": 60})
    since = len(desk.requests())
    with pytest.raises(OutcomeUnknownError if kind == "waf" else ThrottledError):
        desk.place(order)
    for _ in range(INSISTENCE):
        for ask in (desk.venue.balances, desk.look_up, lambda: desk.venue.book(desk.market)):
            with pytest.raises(ThrottledError):
                ask()
    assert len(desk.requests()) - since == 1
    assert (desk.arrived(), desk.accepted()) == (1, 0)


@pytest.mark.parametrize("kind", ["429", "418", "waf"])
def test_f18_a_read_that_is_turned_away_is_not_repeated_at_once(desk: Desk, kind: str) -> None:
    desk.spoil("F18", when="always", args={"kind": kind, "seconds": 60})
    for _ in range(INSISTENCE):
        with pytest.raises(VenueError):
            desk.venue.balances()
    assert len(desk.requests("GET")) == 1


def test_f18_a_limiter_that_names_no_time_is_given_a_second(desk: Desk) -> None:
    desk.be_patient()  # the second counts against a call's deadline
    order = desk.order()
    desk.spoil("F18", args={"kind": "429_silent"})
    with pytest.raises(ThrottledError):
        desk.place(order)
    desk.place(order)
    first, second = [row["wall_ms"] for row in desk.requests("POST")]
    assert second - first >= 990
    assert (desk.arrived(), desk.accepted()) == (2, 1)


def test_f19_a_clock_outside_of_the_window_refuses_the_order_and_it_is_not_sent_again(
    binance: Desk,
) -> None:
    order = binance.order()
    binance.spoil("F19", method="POST", path_regex="/order$")
    with pytest.raises(RefusedError) as caught:
        binance.place(order)
    assert caught.value.code == "-1021"
    assert binance.look_up() is None
    assert (binance.arrived(), binance.accepted(), binance.truth()) == (1, 0, [False])


@pytest.mark.parametrize("skew_ms", [-10_000, 10_000])
def test_f19_the_time_that_the_venue_tells_may_be_wrong(binance: Desk, skew_ms: int) -> None:
    right = binance.venue.server_time()
    binance.spoil("F19", path_regex="/time$", args={"value": skew_ms})
    off = (binance.venue.server_time() - right).total_seconds() * 1000
    assert abs(off - skew_ms) < 5000
    assert binance.arrived() == 0


@pytest.mark.parametrize(
    "name",
    ["nonce_used", "invalid_query_payload", "jwt_verification", "expired_access_key",
     "no_authorization_ip", "out_of_scope"],
)  # fmt: skip
def test_f20_a_key_that_upbit_refuses_is_refused_as_key_and_nothing_is_sent_again(
    upbit: Desk, name: str
) -> None:
    refuses_the_key(upbit, name, args={"name": name})


@pytest.mark.parametrize("code", [-2015, -2014, -1022])
def test_f20_a_key_that_binance_refuses_is_refused_as_key_and_nothing_is_sent_again(
    binance: Desk, code: int
) -> None:
    refuses_the_key(binance, str(code), args={"code": code})


def refuses_the_key(desk: Desk, code: str, args: dict[str, Any]) -> None:
    order = desk.order()
    since = len(desk.requests())
    desk.spoil("F20", when="always", args=args)
    with pytest.raises(RefusedError) as caught:
        desk.place(order)
    assert (caught.value.reason, caught.value.code) == (RefusalReason.KEY, code)
    with pytest.raises(RefusedError) as caught:
        desk.venue.balances()
    assert caught.value.reason is RefusalReason.KEY
    assert len(desk.requests()) - since == 2
    assert (desk.arrived(), desk.accepted(), desk.truth()) == (1, 0, [False, False])


def test_f21_an_order_off_a_step_that_has_become_coarser_is_refused_and_the_new_rules_carry(
    desk: Desk,
) -> None:
    order = desk.order()
    old = desk.venue.market_rules(desk.market).price_step(order.limit_price)
    off = (order.limit_price // (old * 10)) * old * 10 + old
    desk.spoil("F21")
    with pytest.raises(RefusedError) as caught:
        desk.place(replace(order, limit_price=off))
    assert caught.value.reason is RefusalReason.RULES
    now = desk.venue.market_rules(desk.market).price_step(order.limit_price)
    assert now == old * 10
    again = replace(
        order,
        limit_price=(order.limit_price // now + 1) * now,
        client_order_id=f"{desk.client_id}b",  # Upbit does not burn an id before its rules are met
    )
    desk.place(again)
    assert (desk.arrived(), desk.accepted()) == (2, 0)
    assert len(desk.control("orders")) == 1


def test_f21_a_minimum_raised_meanwhile_is_refused_and_told_from_then_on(desk: Desk) -> None:
    order = desk.order()
    desk.spoil("F21", args={"min_notional": "900000"})
    with pytest.raises(RefusedError) as caught:
        desk.place(order)
    assert caught.value.reason is RefusalReason.RULES
    assert desk.venue.market_rules(desk.market).minimum_notional == 900_000
    assert (desk.arrived(), desk.accepted()) == (1, 0)


@pytest.mark.parametrize(
    "change",
    [{"limit_price": Decimal("0.000000001")}, {"quantity": Decimal("0.000000001")}],
    ids=["price", "quantity"],
)
def test_f21_off_the_step_and_too_precise_is_refused_by_the_rules(
    desk: Desk, change: dict[str, Any]
) -> None:
    order = desk.order()
    off = {name: getattr(order, name) + extra for name, extra in change.items()}
    with pytest.raises(RefusedError) as caught:
        desk.place(replace(order, **off))
    assert caught.value.reason is RefusalReason.RULES
    assert (desk.arrived(), desk.accepted()) == (1, 0)


def test_f23_in_maintenance_no_order_is_accepted_and_the_rules_say_that_the_market_is_closed(
    desk: Desk,
) -> None:
    order = desk.order()
    desk.spoil("F23", method="POST")
    # A Korean venue says so with a 503, which never proves that nothing happened.
    expected = OutcomeUnknownError if desk.venue.code != "binance" else RefusedError
    with pytest.raises(expected) as caught:
        desk.place(order)
    if isinstance(caught.value, RefusedError):
        assert caught.value.reason is RefusalReason.MARKET_CLOSED
    assert desk.look_up() is None
    assert not desk.venue.market_rules(desk.market).is_open
    assert (desk.arrived(), desk.accepted(), desk.truth()) == (1, 0, [False])


def test_f23_what_rested_at_binance_has_expired_and_keeps_what_it_had_got(binance: Desk) -> None:
    order = binance.order()
    binance.spoil("F13", action="rests", args={"value": "0.3"})
    binance.place(order)
    binance.spoil("F23", method="GET", path_regex="/order$")
    report = binance.until_final()
    assert (report.status, report.executed_quantity) == (OrderStatus.CLOSED, Decimal(6))
    assert (binance.arrived(), binance.accepted()) == (1, 1)


def test_f23_a_venue_that_is_away_answers_reads_with_nothing_we_could_act_on(desk: Desk) -> None:
    desk.spoil("F3", when="always", args={"status": 503})
    with pytest.raises(OutcomeUnknownError):
        desk.venue.balances()
    assert len(desk.requests("GET")) == 3  # a read is tried three times, then its caller decides
    assert desk.arrived() == 0
