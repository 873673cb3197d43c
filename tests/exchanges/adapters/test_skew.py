"""F19, a clock that lies: what is refused, how often the venue is asked for it, and what we sign then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
import requests

from exchanges.adapters.binance.client import BinanceVenue
from exchanges.adapters.bithumb.client import BithumbVenue
from exchanges.adapters.upbit.client import UpbitVenue
from exchanges.errors import RefusalReason, RefusedError
from exchanges.metrics import VENUE_CALLS
from exchanges.registry import utc_now
from exchanges.simulator.server import RunningSimulator, start_in_thread
from exchanges.transport import clock as clocks
from exchanges.transport.clock import VenueClock
from exchanges.transport.plain import get_json, post_json
from exchanges.transport.wire import Keys
from exchanges.values import Market, OrderRequest, Side

XRP = Market("XRP", "USDT")


@dataclass
class Desk:
    """Binance of a running simulator, our clock of it, and what reached it since."""

    running: RunningSimulator
    venue: BinanceVenue
    clock: VenueClock
    seen: int = 0

    def tell(self, verb: str, **facts: Any) -> None:
        status, body = post_json(f"{self.running.control_url}/control/{verb}", facts, 5)
        assert status == 200, body

    def skew(self, seconds: float) -> None:
        self.tell("skew", venue="binance", ms=int(seconds * 1000))

    def lie(self, seconds: float) -> None:
        """Let the time endpoint say something else than what stamps are judged by."""
        rule = {"fault": "F19", "venue": "binance", "path_regex": "/time$"}
        self.tell("faults", **rule, args={"value": int(seconds * 1000)})

    def clear(self) -> None:
        """Let everything be as it was."""
        self.skew(0)
        told = requests.delete(f"{self.running.control_url}/control/faults", timeout=5)
        assert told.status_code == 200

    def asked(self) -> list[str]:
        """Give what was asked since the last time, oldest first."""
        rows = get_json(f"{self.running.control_url}/control/requests", 5)[1]
        new = [row for row in rows if row["number"] > self.seen]
        self.seen = max((row["number"] for row in rows), default=self.seen)
        return [f"{row['method']} {row['path'].rpartition('/')[2]}" for row in new]

    def order(self, client_order_id: str) -> OrderRequest:
        return OrderRequest(
            market=XRP,
            side=Side.BUY,
            quantity=Decimal(20),
            limit_price=Decimal("9.9"),
            client_order_id=client_order_id,
        )


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSimulator]:
    with start_in_thread(seed=12, scenario="unlimited") as started:
        yield started


@pytest.fixture
def desk(running: RunningSimulator) -> Iterator[Desk]:
    account = get_json(f"{running.control_url}/control/accounts", 5)[1]["accounts"]["binance"]
    clock = VenueClock("binance", wall=utc_now)
    venue = BinanceVenue(
        base_url=account["base_url"],
        keys=Keys(access=account["access_key"], secret=account["secret_key"]),
        clock=utc_now,
        venue_clock=clock,
        deadline_seconds=5,
    )
    made = Desk(running, venue, clock)
    made.clear()
    made.tell("book", venue="binance", symbol="XRPUSDT", mid="9.5", quantity="100000")
    made.asked()
    yield made
    made.clear()
    venue.close()


@pytest.mark.parametrize("seconds", [-30, -1.5, 6, 3600])
def test_f19_a_read_that_is_refused_for_its_stamp_is_repeated_once_on_a_measured_clock(
    desk: Desk, seconds: float
) -> None:
    desk.skew(seconds)
    assert desk.venue.balances()
    assert desk.asked() == ["GET account", "GET time", "GET account"]
    ahead = desk.clock.state().ahead_seconds
    assert ahead is not None
    assert abs(ahead - seconds) < 0.5
    assert desk.venue.balances()
    assert desk.asked() == ["GET account"]


def test_f19_an_order_that_is_refused_for_its_stamp_is_not_repeated_and_the_next_one_goes(
    desk: Desk,
) -> None:
    desk.skew(-20)
    with pytest.raises(RefusedError) as caught:
        desk.venue.place_order(desk.order("kskew1"))
    assert caught.value.reason is RefusalReason.CLOCK
    assert desk.asked() == ["POST order", "GET time"]
    assert desk.venue.place_order(desk.order("kskew2")).executed_quantity == 20
    assert desk.asked() == ["POST order"]


def test_f19_a_time_endpoint_that_lies_too_is_asked_once_and_then_seldom(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.skew(-20)
    desk.lie(60)
    for expected in (["GET account", "GET time", "GET account"], ["GET account"], ["GET account"]):
        with pytest.raises(RefusedError) as caught:
            desk.venue.balances()
        assert caught.value.reason is RefusalReason.CLOCK
        assert desk.asked() == expected
    assert "refuses our stamps" in desk.clock.state().objection
    monkeypatch.setattr(clocks, "REMEASURE_SECONDS", 0.0)
    with pytest.raises(RefusedError):
        desk.venue.balances()
    assert "GET time" in desk.asked()


def test_a_clock_that_is_right_again_is_traded_on_again(desk: Desk) -> None:
    desk.skew(-20)
    desk.lie(20)
    for _ in range(2):
        with pytest.raises(RefusedError):
            desk.venue.balances()
    assert desk.clock.state().is_refused
    desk.clear()
    assert desk.venue.balances()
    assert desk.clock.state().objection == ""


def test_f19_a_slow_answer_is_known_to_be_doubtful_and_a_quick_one_ends_the_doubt(
    desk: Desk,
) -> None:
    """All of the delay lies on the way back: halving the round trip would be wrong by 0.6 s."""
    desk.skew(3)
    slow = {"action": "delay", "phase": "reply", "path_regex": "/time$", "when": "once"}
    desk.tell("faults", venue="binance", args={"milliseconds": 1200}, **slow)
    desk.venue.server_time()
    state = desk.clock.state()
    assert state.ahead_seconds is not None
    assert 0.6 <= state.doubt_seconds < 1
    assert abs(state.ahead_seconds - 3) <= state.doubt_seconds + 0.001
    assert desk.venue.balances()  # signed with the safe end of what it may be
    desk.venue.server_time()
    better = desk.clock.state()
    assert better.doubt_seconds < 0.3
    assert abs((better.ahead_seconds or 0) - 3) <= better.doubt_seconds + 0.001
    assert desk.asked() == ["GET time", "GET account", "GET time"]


@pytest.mark.parametrize("seconds", [-600, 600])
def test_f19_bithumbs_stamp_that_is_refused_is_repeated_once_on_the_clock_of_its_dates(
    running: RunningSimulator, seconds: int
) -> None:
    account = get_json(f"{running.control_url}/control/accounts", 5)[1]["accounts"]["bithumb"]
    clock = VenueClock("bithumb", wall=utc_now, reads_dates=True)
    venue = BithumbVenue(
        base_url=account["base_url"],
        keys=Keys(access=account["access_key"], secret=account["secret_key"]),
        clock=utc_now,
        venue_clock=clock,
    )
    skew = {"venue": "bithumb", "ms": seconds * 1000}
    assert post_json(f"{running.control_url}/control/skew", skew, 5)[0] == 200
    before = VENUE_CALLS.labels(venue="bithumb", operation="balances", outcome="refused")
    refused = before._value.get()
    assert venue.balances() is not None
    assert venue.balances() is not None
    state = clock.state()
    venue.close()
    assert post_json(f"{running.control_url}/control/skew", {**skew, "ms": 0}, 5)[0] == 200
    assert before._value.get() - refused == 1
    assert abs((state.ahead_seconds or 0) - seconds) <= state.doubt_seconds + 0.001
    assert "the clock of bithumb is" in state.objection


def test_upbits_clock_is_read_from_the_dates_of_its_replies(running: RunningSimulator) -> None:
    account = get_json(f"{running.control_url}/control/accounts", 5)[1]["accounts"]["upbit"]
    clock = VenueClock("upbit", wall=utc_now, reads_dates=True)
    venue = UpbitVenue(
        base_url=account["base_url"],
        keys=Keys(access=account["access_key"], secret=account["secret_key"]),
        clock=utc_now,
        venue_clock=clock,
    )
    skew = {"venue": "upbit", "ms": -7000}
    assert post_json(f"{running.control_url}/control/skew", skew, 5)[0] == 200
    venue.balances()
    state = clock.state()
    venue.close()
    assert post_json(f"{running.control_url}/control/skew", {**skew, "ms": 0}, 5)[0] == 200
    assert state.ahead_seconds is not None
    assert abs(state.ahead_seconds + 7) <= state.doubt_seconds + 0.001
    assert 0.5 <= state.doubt_seconds < 1
    assert "behind ours (limit 5 s)" in state.objection
