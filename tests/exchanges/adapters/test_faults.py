"""Orders that go wrong (F1-F17): the error a caller gets, what a look-up tells, how often we asked."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest

from exchanges.errors import (
    NotSentError,
    OutcomeUnknownError,
    RefusalReason,
    RefusedError,
)
from exchanges.registry import utc_now
from exchanges.simulator.server import start_in_thread
from exchanges.transport.wire import Keys
from exchanges.values import OrderRequest, OrderStatus, ToldBy
from tests.exchanges.adapters.faulty import ADAPTERS, Desk, checked, desk_at

GARBAGE = ("empty", "object", "list", "html", "truncated", "bom", "wrong_type")
JSON_503 = {"status": 503, "json": {"code": 0, "error": {"name": "busy", "message": "busy"}}}


@pytest.mark.parametrize(
    ("fault", "args"),
    [
        ("F2", {}),
        ("F4", {}),
        ("F4", {"status": 500}),
        ("F4", JSON_503),
        ("F5", {}),
        ("F5", {"status": 504}),
        ("F5", {"status": 520}),
        ("F6", {}),
        ("F7", {}),
        ("F8", {}),
        *[("F9", {"kind": kind}) for kind in GARBAGE],
    ],
    ids=str,
)
def test_an_accepted_order_with_a_lost_reply_is_unknown_then_found_and_sent_once(
    desk: Desk, fault: str, args: dict[str, Any]
) -> None:
    order = desk.order()
    desk.spoil(fault, method="POST", path_regex="/orders?$", args=args)
    with pytest.raises(OutcomeUnknownError):
        desk.place(order)
    assert desk.until_final().executed_quantity == 20
    assert (desk.arrived(), desk.accepted(), desk.truth()) == (1, 1, [True])


@pytest.mark.parametrize(
    ("fault", "args"),
    [
        ("F1", {}),
        ("F3", {}),
        ("F3", {"status": 500}),
        ("F3", JSON_503),
        ("F5", {}),
        ("F6", {}),
        ("F7", {}),
    ],
    ids=str,
)
def test_an_order_lost_before_acceptance_is_unknown_then_not_found_and_sent_once(
    desk: Desk, fault: str, args: dict[str, Any]
) -> None:
    order = desk.order()
    desk.spoil(fault, method="POST", path_regex="/orders?$", phase="before", args=args)
    with pytest.raises(OutcomeUnknownError):
        desk.place(order)
    assert desk.look_up() is None
    assert (desk.arrived(), desk.accepted(), desk.truth()) == (1, 0, [False])


@pytest.mark.parametrize("code", ADAPTERS)
def test_f10_a_closed_port_is_not_sent(code: str) -> None:
    with start_in_thread(seed=1) as own:
        desk = desk_at(own, code)
        order = desk.order()
        desk.venue.close()
        desk.spoil("F10", when="always")
        with pytest.raises(NotSentError):
            until_not_sent(desk, order)
        assert desk.accepted() == 0
        assert desk.arrived() < desk.sent
        desk.close()


def until_not_sent(desk: Desk, order: OrderRequest) -> None:
    """The port closes a moment after the rule is set; a request in between meets a reset."""
    ends_at = time.monotonic() + 5
    while time.monotonic() < ends_at:
        try:
            desk.place(order)
        except OutcomeUnknownError:
            time.sleep(0.02)


def test_f11_a_duplicate_refusal_is_followed_by_a_look_up(desk: Desk) -> None:
    order = desk.order()
    desk.place(order)
    desk.until_final()
    desk.spoil("F11")
    with pytest.raises(RefusedError) as caught:
        desk.place(order)
    assert caught.value.reason is RefusalReason.DUPLICATE
    assert desk.until_final().executed_quantity == 20
    assert (desk.arrived(), desk.accepted()) == (2, 1)


@pytest.mark.parametrize("venue", ["upbit", "bithumb"])
def test_f12_a_korean_venue_itself_refuses_an_id_it_has_seen(
    request: pytest.FixtureRequest, venue: str
) -> None:
    desk: Desk = request.getfixturevalue(venue)
    order = desk.order()
    desk.place(order)
    with pytest.raises(RefusedError) as caught:
        desk.place(order)
    assert caught.value.reason is RefusalReason.DUPLICATE
    assert desk.venue.order_rule.client_id_is_burned
    assert (desk.arrived(), desk.accepted()) == (2, 1)


def test_f12_binance_accepts_a_client_id_again_so_its_rule_says_that_ids_do_not_guard(
    binance: Desk,
) -> None:
    """What a resend would do; the services never do it (tests/cycles/services/test_fault_orders.py)."""
    order = binance.order()
    binance.place(order)
    binance.until_final()
    binance.place(order)
    assert (binance.arrived(), binance.accepted()) == (2, 2)
    assert not binance.venue.order_rule.client_id_is_burned


def test_f13_a_partial_fill_ends_closed_with_what_it_got(desk: Desk) -> None:
    order = desk.order()
    desk.spoil("F13")
    desk.place(order)
    report = desk.until_final()
    assert report.status is OrderStatus.CLOSED
    assert report.executed_quantity == 10
    desk.venue.cancel_order(desk.market, client_order_id=desk.client_id)  # gone: no error
    assert (desk.arrived(), desk.accepted()) == (1, 1)


def test_f13_an_order_that_rests_with_a_part_is_cancelled_and_read_again(desk: Desk) -> None:
    order = desk.order()
    desk.spoil("F13", action="rests", args={"value": "0.3"})
    desk.place(order)
    resting = desk.look_up()
    assert resting is not None
    assert (resting.status, resting.executed_quantity) == (OrderStatus.OPEN, Decimal(6))
    desk.venue.cancel_order(desk.market, client_order_id=desk.client_id)
    report = desk.until_final()
    assert (report.status, report.executed_quantity) == (OrderStatus.CLOSED, Decimal(6))
    assert (desk.arrived(), len(desk.requests("DELETE"))) == (1, 1)


def test_f13_a_cancel_that_comes_too_late_is_no_error_and_the_order_is_filled(desk: Desk) -> None:
    order = desk.order()
    desk.spoil("F13", action="rests", args={"value": "0.3"})
    desk.place(order)
    desk.spoil("F13", action="fill_before_cancel", method="DELETE")
    desk.venue.cancel_order(desk.market, client_order_id=desk.client_id)
    report = desk.until_final()
    assert (report.status, report.executed_quantity) == (OrderStatus.FILLED, Decimal(20))
    assert (desk.arrived(), len(desk.requests("DELETE"))) == (1, 1)


@pytest.mark.parametrize(("phase", "is_open"), [("before", True), ("after_accept", False)])
@pytest.mark.parametrize("fault", ["F5", "F6", "F7"])
def test_a_cancel_whose_reply_is_lost_is_unknown_sent_once_and_told_by_its_order(
    desk: Desk, fault: str, phase: str, is_open: bool
) -> None:
    order = desk.order()
    desk.spoil("F13", action="rests", args={"value": "0.3"})
    desk.place(order)
    desk.spoil(fault, method="DELETE", phase=phase)
    with pytest.raises(OutcomeUnknownError):
        desk.venue.cancel_order(desk.market, client_order_id=desk.client_id)
    assert desk.venue.cancel_rule.told_by is ToldBy.CANCELLED_ORDER
    report = desk.look_up() if is_open else desk.until_final()
    assert report is not None
    status = OrderStatus.OPEN if is_open else OrderStatus.CLOSED
    assert (report.status, report.executed_quantity) == (status, Decimal(6))
    assert (desk.arrived(), len(desk.requests("DELETE"))) == (1, 1)


def test_another_cancel_of_an_order_is_no_error_so_its_rule_says_that_ids_do_not_guard(
    desk: Desk,
) -> None:
    order = desk.order()
    desk.spoil("F13", action="rests", args={"value": "0.3"})
    desk.place(order)
    for _ in range(2):
        desk.venue.cancel_order(desk.market, client_order_id=desk.client_id)
    assert not desk.venue.cancel_rule.client_id_is_burned
    assert desk.until_final().status is OrderStatus.CLOSED
    assert (desk.arrived(), len(desk.requests("DELETE"))) == (1, 2)


def test_f14_an_order_that_finds_nothing_ends_closed_and_empty(desk: Desk) -> None:
    order = desk.order()
    desk.spoil("F14")
    desk.place(order)
    report = desk.until_final()
    assert (report.status, report.fills) == (OrderStatus.CLOSED, ())
    assert (desk.arrived(), desk.accepted()) == (1, 1)


def test_f15_a_lagging_read_says_not_found_of_an_order_that_exists(desk: Desk) -> None:
    order = desk.order()
    desk.place(order)
    desk.spoil("F15", args={"value": 60000})
    assert desk.look_up() is None  # which is why absence needs time before it proves anything
    assert desk.until_final().executed_quantity == 20
    assert desk.venue.order_rule.absence_proves_after_seconds in {10, 15, 75}
    assert (desk.arrived(), desk.accepted()) == (1, 1)


def test_f15_a_lagging_account_shows_what_was_held_before(desk: Desk) -> None:
    quote = desk.market.quote
    before = desk.venue.balances()[quote].free
    order = desk.order()
    began_ms = desk.control("clock")["wall_ms"]
    time.sleep(0.3)  # the lag reaches back to before it, whatever the calls in between take
    desk.place(order)
    desk.until_final()
    lag_ms = desk.control("clock")["wall_ms"] - began_ms
    desk.spoil("F15", args={"value": lag_ms})
    assert desk.venue.balances()[quote].free == before
    assert desk.venue.balances()[quote].free < before
    assert desk.arrived() == 1


def test_f16_an_order_that_is_not_ready_is_read_again_and_found(bithumb: Desk) -> None:
    order = bithumb.order()
    bithumb.place(order)
    bithumb.spoil("F16")
    report = bithumb.look_up()
    assert report is not None
    assert report.executed_quantity == 20
    assert (len(bithumb.requests("GET", "/v1/order")), bithumb.arrived()) == (2, 1)


def test_f16_an_order_that_stays_not_ready_is_unknown_and_never_absent(bithumb: Desk) -> None:
    order = bithumb.order()
    bithumb.place(order)
    bithumb.spoil("F16", when="always")
    with pytest.raises(OutcomeUnknownError, match="order_not_ready"):
        bithumb.look_up()
    bithumb.spoil("F16", when="always", method="DELETE")
    with pytest.raises(OutcomeUnknownError, match="order_not_ready"):
        bithumb.venue.cancel_order(bithumb.market, client_order_id=bithumb.client_id)
    assert (len(bithumb.requests("DELETE")), bithumb.arrived(), bithumb.accepted()) == (1, 1, 1)


CODES = [-1000, -1001, -1006, -1007, -1008]


@pytest.mark.parametrize("code", CODES)
def test_f17_a_code_that_means_a_failure_inside_is_unknown_and_the_order_is_found(
    binance: Desk, code: int
) -> None:
    order = binance.order()
    binance.spoil("F17", phase="after_accept", args={"code": code})
    with pytest.raises(OutcomeUnknownError, match=str(code)):
        binance.place(order)
    assert binance.until_final().executed_quantity == 20
    assert (binance.arrived(), binance.accepted(), binance.truth()) == (1, 1, [True])


@pytest.mark.parametrize("code", CODES)
def test_f17_such_a_code_before_acceptance_is_unknown_and_nothing_is_found(
    binance: Desk, code: int
) -> None:
    order = binance.order()
    binance.spoil("F17", args={"code": code})
    with pytest.raises(OutcomeUnknownError, match=str(code)):
        binance.place(order)
    assert binance.look_up() is None
    assert (binance.arrived(), binance.accepted(), binance.truth()) == (1, 0, [False])


@pytest.mark.parametrize(("phase", "accepted"), [("before", 0), ("after_accept", 1)])
def test_f17_an_error_name_that_nobody_documents_is_unknown_too(
    upbit: Desk, phase: str, accepted: int
) -> None:
    order = upbit.order()
    upbit.spoil("F17", phase=phase)
    with pytest.raises(OutcomeUnknownError, match="server_error"):
        upbit.place(order)
    assert (upbit.look_up() is not None) == bool(accepted)
    assert (upbit.arrived(), upbit.accepted()) == (1, accepted)


def test_f22_missing_funds_are_refused(desk: Desk) -> None:
    order = desk.order()
    desk.spoil("F22")
    with pytest.raises(RefusedError) as caught:
        desk.place(order)
    assert caught.value.reason is RefusalReason.FUNDS
    assert (desk.arrived(), desk.accepted()) == (1, 0)


def test_a_wrong_secret_is_refused_as_key(desk: Desk) -> None:
    wrong = ADAPTERS[desk.venue.code](
        base_url=getattr(desk.running, f"{desk.venue.code}_url"),
        keys=Keys(access="kimp-test-access", secret="kimp-test-secret"),
        clock=utc_now,
    )
    with pytest.raises(RefusedError) as caught:
        wrong.balances()
    wrong.close()
    assert caught.value.reason is RefusalReason.KEY


def test_the_check_after_every_test_finds_an_order_that_was_sent_twice(binance: Desk) -> None:
    order = binance.order()
    binance.place(order)
    binance.until_final()
    binance.venue.place_order(order)  # behind the desk's back
    with pytest.raises(AssertionError):
        checked(binance)
    binance.sent += 1  # so that the fixture's own check finds what it must
