"""The simulator's faults: the error a caller gets, what a look-up tells, and how often we asked."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from exchanges.adapters.binance.client import BinanceVenue
from exchanges.adapters.upbit.client import UpbitVenue
from exchanges.errors import NotSentError, OutcomeUnknownError, RefusalReason, RefusedError
from exchanges.registry import utc_now
from exchanges.simulator.server import RunningSimulator, start_in_thread
from exchanges.transport.budget import RateBudget
from exchanges.transport.plain import get_json, post_json
from exchanges.transport.wire import Keys
from exchanges.values import (
    Market,
    OrderReport,
    OrderRequest,
    OrderStatus,
    Side,
    WithdrawalReport,
    WithdrawalRequest,
    WithdrawalStatus,
)

ADAPTERS: dict[str, type[UpbitVenue | BinanceVenue]] = {
    "upbit": UpbitVenue,
    "binance": BinanceVenue,
}
numbers = itertools.count(1)
budgets = {code: RateBudget() for code in ADAPTERS}  # one per process, as the registry has it


@dataclass
class Desk:
    """One venue of a running simulator, with a way to spoil it and to see what reached it."""

    venue: UpbitVenue | BinanceVenue
    running: RunningSimulator
    client_id: str

    @property
    def market(self) -> Market:
        return Market("XRP", "KRW" if self.venue.code == "upbit" else "USDT")

    def spoil(self, fault: str, **spec: Any) -> None:
        rule = {"fault": fault, "venue": self.venue.code, "when": "once", **spec}
        status, body = post_json(f"{self.running.control_url}/control/faults", rule, 5)
        assert status == 200, body

    def control(self, view: str) -> Any:
        return get_json(f"{self.running.control_url}/control/{view}", 5)[1]

    def posts(self) -> int:
        rows = self.control("requests")
        return sum(1 for row in rows if row["method"] == "POST" and self.client_id in str(row))

    def accepted(self) -> int:
        rows = [row for row in self.control("orders") if self.client_id in json.dumps(row)]
        return sum(int(row["acceptances"]) for row in rows)

    def order(self) -> OrderRequest:
        book, rules = self.venue.book(self.market), self.venue.market_rules(self.market)
        step = rules.price_step(book.asks[0].price)
        return OrderRequest(
            market=self.market,
            side=Side.BUY,
            quantity=Decimal(20),
            limit_price=(book.asks[0].price * Decimal("1.02") // step) * step,
            client_order_id=self.client_id,
        )

    def look_up(self) -> OrderReport | None:
        return self.venue.order(self.market, client_order_id=self.client_id)

    def until_final(self) -> OrderReport:
        ends_at = time.monotonic() + 10
        while time.monotonic() < ends_at:
            report = self.look_up()
            if report is not None and report.is_final:
                return report
            time.sleep(0.02)
        raise AssertionError("the order never became final")


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSimulator]:
    with start_in_thread(seed=11, speed=100, scenario="unlimited") as started:
        yield started


@pytest.fixture(params=["upbit", "binance"])
def desk(request: pytest.FixtureRequest, running: RunningSimulator) -> Iterator[Desk]:
    made = desk_at(running, request.param)
    yield made
    made.venue.close()


def desk_at(running: RunningSimulator, code: str) -> Desk:
    account = get_json(f"{running.control_url}/control/accounts", 5)[1]["accounts"][code]
    venue = ADAPTERS[code](
        base_url=account["base_url"],
        keys=Keys(access=account["access_key"], secret=account["secret_key"]),
        clock=utc_now,
        budget=budgets[code],
        deadline_seconds=1,
    )
    return Desk(venue, running, f"kfault{next(numbers)}x")


@pytest.mark.parametrize(
    ("fault", "args"),
    [
        ("F2", {}),
        ("F4", {}),
        ("F5", {}),
        ("F6", {}),
        ("F7", {}),
        ("F8", {}),
        *[
            ("F9", {"kind": kind})
            for kind in ("empty", "object", "list", "html", "truncated", "bom", "wrong_type")
        ],
    ],
    ids=str,
)
def test_an_accepted_order_with_a_lost_reply_is_unknown_then_found_and_sent_once(
    desk: Desk, fault: str, args: dict[str, str]
) -> None:
    order = desk.order()
    desk.spoil(fault, method="POST", path_regex="/order", args=args)
    with pytest.raises(OutcomeUnknownError):
        desk.venue.place_order(order)
    assert desk.until_final().executed_quantity == 20
    assert (desk.posts(), desk.accepted()) == (1, 1)


@pytest.mark.parametrize("fault", ["F1", "F3"])
def test_an_order_lost_before_acceptance_is_unknown_then_not_found_and_sent_once(
    desk: Desk, fault: str
) -> None:
    order = desk.order()
    desk.spoil(fault, method="POST", path_regex="/order")
    with pytest.raises(OutcomeUnknownError):
        desk.venue.place_order(order)
    assert desk.look_up() is None
    assert (desk.posts(), desk.accepted()) == (1, 0)


@pytest.mark.parametrize("code", ["upbit", "binance"])
def test_f10_a_closed_port_is_not_sent(code: str) -> None:
    with start_in_thread(seed=1) as own:
        desk = desk_at(own, code)
        order = desk.order()
        desk.venue.close()
        desk.spoil("F10", when="always")
        with pytest.raises(NotSentError):
            until_not_sent(desk, order)
        assert desk.accepted() == 0
        desk.venue.close()


def until_not_sent(desk: Desk, order: OrderRequest) -> None:
    """The port closes a moment after the rule is set; a request in between meets a reset."""
    ends_at = time.monotonic() + 5
    while time.monotonic() < ends_at:
        try:
            desk.venue.place_order(order)
        except OutcomeUnknownError:
            time.sleep(0.02)


def test_f11_a_duplicate_refusal_is_followed_by_a_look_up(desk: Desk) -> None:
    order = desk.order()
    desk.venue.place_order(order)
    desk.until_final()
    desk.spoil("F11")
    with pytest.raises(RefusedError) as caught:
        desk.venue.place_order(order)
    assert caught.value.reason is RefusalReason.DUPLICATE
    assert desk.until_final().executed_quantity == 20
    assert desk.accepted() == 1


def test_f12_upbit_itself_refuses_an_identifier_it_has_seen(running: RunningSimulator) -> None:
    """Binance would accept the id again once the first order is filled: ids are never reused."""
    desk = desk_at(running, "upbit")
    order = desk.order()
    desk.venue.place_order(order)
    with pytest.raises(RefusedError) as caught:
        desk.venue.place_order(order)
    desk.venue.close()
    assert caught.value.reason is RefusalReason.DUPLICATE
    assert desk.venue.order_rule.client_id_is_burned


def test_f13_a_partial_fill_ends_closed_with_what_it_got(desk: Desk) -> None:
    order = desk.order()
    desk.spoil("F13")
    desk.venue.place_order(order)
    report = desk.until_final()
    assert report.status is OrderStatus.CLOSED
    assert report.executed_quantity == 10
    desk.venue.cancel_order(desk.market, client_order_id=desk.client_id)


def test_f14_an_order_that_finds_nothing_ends_closed_and_empty(desk: Desk) -> None:
    order = desk.order()
    desk.spoil("F14")
    desk.venue.place_order(order)
    report = desk.until_final()
    assert (report.status, report.fills) == (OrderStatus.CLOSED, ())


def test_f15_a_lagging_read_says_not_found_of_an_order_that_exists(desk: Desk) -> None:
    order = desk.order()
    desk.venue.place_order(order)
    desk.spoil("F15", args={"value": 60000})
    assert desk.look_up() is None  # which is why absence needs time before it proves anything
    assert desk.until_final().executed_quantity == 20
    assert desk.venue.order_rule.absence_proves_after_seconds in {10, 15}


def test_f22_missing_funds_are_refused(desk: Desk) -> None:
    order = desk.order()
    desk.spoil("F22")
    with pytest.raises(RefusedError) as caught:
        desk.venue.place_order(order)
    assert caught.value.reason is RefusalReason.FUNDS
    assert desk.accepted() == 0


def send(desk: Desk) -> WithdrawalReport:
    """Withdraw 25 XRP to the other venue."""
    (to,) = desk.venue.withdrawal_addresses("XRP")
    (rules,) = desk.venue.network_rules("XRP")
    return desk.venue.withdraw(
        WithdrawalRequest(
            destination=to,
            quantity=Decimal(25),
            network_fee=rules.withdraw_fee,
            client_withdrawal_id=desk.client_id,
        )
    )


def fund(desk: Desk) -> None:
    spec = {"venue": desk.venue.code, "asset": "XRP", "credit": "100"}
    assert post_json(f"{desk.running.control_url}/control/balances", spec, 5)[0] == 200


def withdrawal_posts(desk: Desk, since: int) -> int:
    rows = [row for row in desk.control("requests") if row["number"] > since]
    return sum(1 for row in rows if row["method"] == "POST" and "withdraw" in row["path"])


def requests_so_far(desk: Desk) -> int:
    return max((row["number"] for row in desk.control("requests")), default=0)


def test_f24_an_accepted_withdrawal_with_a_lost_reply_is_listed_and_sent_once(
    desk: Desk,
) -> None:
    fund(desk)
    started, seen = utc_now(), requests_so_far(desk)
    known = {row.venue_withdrawal_id for row in listed(desk, started)}
    desk.spoil("F24")
    with pytest.raises(OutcomeUnknownError):
        send(desk)
    (found,) = [row for row in listed(desk, started) if row.venue_withdrawal_id not in known]
    assert (found.quantity, found.network) == (Decimal(25), "XRP")
    assert found.client_withdrawal_id == (None if desk.venue.code == "upbit" else desk.client_id)
    assert withdrawal_posts(desk, seen) == 1
    assert desk.venue.withdrawal_rule.absence_proves_after_seconds is None


def test_f25_a_withdrawal_lost_before_acceptance_is_unknown_and_not_sent_again(
    desk: Desk,
) -> None:
    fund(desk)
    started, seen = utc_now(), requests_so_far(desk)
    known = {row.venue_withdrawal_id for row in listed(desk, started)}
    desk.spoil("F25")
    with pytest.raises(OutcomeUnknownError):
        send(desk)
    assert {row.venue_withdrawal_id for row in listed(desk, started)} == known
    assert withdrawal_posts(desk, seen) == 1


def listed(desk: Desk, started: Any) -> list[WithdrawalReport]:
    return list(desk.venue.withdrawals("XRP", since=started - timedelta(minutes=5)))


def test_f27_a_withdrawal_that_the_venue_rejects_later_has_failed(desk: Desk) -> None:
    fund(desk)
    before = desk.venue.balances()["XRP"].free
    desk.spoil("F27")
    sent = send(desk)
    ends_at = time.monotonic() + 10
    while status_of(desk, sent) is not WithdrawalStatus.FAILED:
        assert time.monotonic() < ends_at
        time.sleep(0.02)
    assert desk.venue.balances()["XRP"].free == before


def test_f28_a_stuck_withdrawal_stays_pending(desk: Desk) -> None:
    fund(desk)
    desk.spoil("F28")
    sent = send(desk)
    advance = {"advance_ms": 3_600_000}
    assert post_json(f"{desk.running.control_url}/control/clock", advance, 5)[0] == 200
    assert status_of(desk, sent) is WithdrawalStatus.PENDING


def status_of(desk: Desk, sent: WithdrawalReport) -> WithdrawalStatus:
    rows = {row.venue_withdrawal_id: row for row in listed(desk, utc_now())}
    return rows[sent.venue_withdrawal_id].status


def test_a_closed_wallet_and_an_address_that_is_not_allowed_are_refused(desk: Desk) -> None:
    fund(desk)
    (to,) = desk.venue.withdrawal_addresses("XRP")
    (rules,) = desk.venue.network_rules("XRP")
    own = desk.venue.deposit_address("XRP", network="XRP")
    assert own is not None
    with pytest.raises(RefusedError) as caught:
        desk.venue.withdraw(
            WithdrawalRequest(
                destination=own,
                quantity=Decimal(25),
                network_fee=rules.withdraw_fee,
                client_withdrawal_id=desk.client_id,
            )
        )
    assert caught.value.reason is RefusalReason.ADDRESS
    wallet = {"venue": desk.venue.code, "asset": "XRP", "network": "XRP", "withdraw": False}
    url = f"{desk.running.control_url}/control/wallet"
    assert post_json(url, wallet, 5)[0] == 200
    with pytest.raises(RefusedError) as caught:
        send(desk)
    assert caught.value.reason is RefusalReason.WALLET_CLOSED
    assert post_json(url, {**wallet, "withdraw": True}, 5)[0] == 200
    assert to.address != own.address


def test_a_price_off_the_step_is_refused_by_the_rules(desk: Desk) -> None:
    order = desk.order()
    off = OrderRequest(
        market=order.market,
        side=order.side,
        quantity=order.quantity,
        limit_price=order.limit_price + Decimal("0.00000001"),
        client_order_id=order.client_order_id,
    )
    with pytest.raises(RefusedError) as caught:
        desk.venue.place_order(off)
    assert caught.value.reason is RefusalReason.RULES


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


def test_a_clock_outside_of_the_window_is_refused_as_key(running: RunningSimulator) -> None:
    account = get_json(f"{running.control_url}/control/accounts", 5)[1]["accounts"]["binance"]
    late = BinanceVenue(
        base_url=account["base_url"],
        keys=Keys(access=account["access_key"], secret=account["secret_key"]),
        clock=lambda: utc_now() - timedelta(seconds=6),
    )
    with pytest.raises(RefusedError) as caught:
        late.balances()
    late.close()
    assert (caught.value.reason, caught.value.code) == (RefusalReason.KEY, "-1021")
