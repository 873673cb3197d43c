"""Upbit's travel rule, over the simulator's sockets and over scripted replies."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from exchanges.adapters.upbit.client import UpbitVenue
from exchanges.errors import (
    NotSentError,
    OutcomeUnknownError,
    RefusalReason,
    RefusedError,
)
from exchanges.simulator.server import RunningSimulator, start_in_thread
from exchanges.transport.wire import Keys
from exchanges.values import DepositReport, DepositStatus
from tests.exchanges.adapters.world import World
from tests.exchanges.raw_server import Behaviour, RawServer, by_path, reply, reset, serving

NOW = datetime(2026, 11, 20, 7, tzinfo=UTC)
KEYS = Keys(access="a", secret="s")


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSimulator]:
    with start_in_thread(seed=13, speed=1000, scenario="unlimited") as started:
        yield started


def test_upbit_releases_a_held_deposit_once_it_is_told_whose_account_it_came_from(
    running: RunningSimulator,
) -> None:
    world = World(running, "travel-rule")
    world.venue("binance").withdraw(world.withdrawal("binance"))
    held = world.deposit("upbit", held=True)
    assert held.wants_sender
    freed = world.venue("upbit").verify_deposit(held, sender="binance")
    assert (freed.status, freed.wants_sender) == (DepositStatus.CREDITED, False)
    assert "verified" in freed.detail
    world.deposit("upbit", held=False)


def test_bithumb_takes_no_verification_from_programs_and_its_held_deposit_is_a_persons(
    running: RunningSimulator,
) -> None:
    world = World(running, "travel-rule")
    world.venue("binance").withdraw(world.withdrawal("binance", owner="bithumb"))
    held = world.deposit("bithumb", held=True)
    assert not held.wants_sender
    with pytest.raises(RefusedError) as told:
        world.venue("bithumb").verify_deposit(held, sender="binance")
    assert told.value.reason is RefusalReason.TRAVEL_RULE


@pytest.mark.parametrize(
    ("scenario", "sender"), [("travel-rule-refused", "binance"), ("travel-rule", "bithumb")]
)
def test_upbit_goes_on_holding_what_it_does_not_believe_and_hears_it_once_in_ten_minutes(
    running: RunningSimulator, scenario: str, sender: str
) -> None:
    world = World(running, scenario)
    world.venue("binance").withdraw(world.withdrawal("binance"))
    held = world.deposit("upbit", held=True)
    world.control("clock", {"freeze": True})
    upbit = world.venue("upbit")
    still = upbit.verify_deposit(held, sender=sender)
    assert (still.status, still.wants_sender) == (DepositStatus.HELD, True)
    assert "failed" in still.detail
    with pytest.raises(RefusedError) as caught:
        upbit.verify_deposit(held, sender=sender)
    assert caught.value.reason is RefusalReason.TRAVEL_RULE
    world.control("clock", {"advance_ms": 700_000})
    assert upbit.verify_deposit(held, sender=sender).status is DepositStatus.HELD
    assert world.posts("/v1/travel_rule/deposit") == 3


def test_upbit_refuses_to_verify_what_is_not_held(running: RunningSimulator) -> None:
    world = World(running, "unlimited")
    world.venue("binance").withdraw(world.withdrawal("binance"))
    credited = world.deposit("upbit", held=False)
    with pytest.raises(RefusedError):
        world.venue("upbit").verify_deposit(credited, sender="binance")


HELD = DepositReport(
    venue="upbit", venue_deposit_id="d1", asset="XRP", network="XRP", quantity=Decimal(1),
    status=DepositStatus.HELD, txid="t1", detail="TRAVEL_RULE_SUSPECTED", created_at=NOW,
    wants_sender=True,
)  # fmt: skip
UPBIT_VASPS = "GET /v1/travel_rule/vasps"
VERIFY = "POST /v1/travel_rule/deposit/uuid"


def upbit_routes(*vasps: dict[str, Any], verify: Behaviour) -> dict[str, Behaviour]:
    return {UPBIT_VASPS: answer(list(vasps)), VERIFY: verify}


def answer(body: Any, **more: Any) -> Behaviour:
    return reply(json.dumps(body).encode(), **more)


@contextlib.contextmanager
def upbit(routes: dict[str, Behaviour]) -> Iterator[tuple[RawServer, Callable[[], DepositReport]]]:
    """Give a scripted Upbit, and how to tell it whose account a held deposit came from."""
    with serving(by_path(routes)) as server:
        venue = UpbitVenue(base_url=server.url, keys=KEYS, clock=lambda: NOW, deadline_seconds=2)
        yield server, lambda: venue.verify_deposit(HELD, sender="binance")
        venue.close()


@pytest.mark.parametrize("name", ["Binance", "바이낸스", "바이낸스 (Binance)"])
def test_upbit_names_a_venue_in_either_language(name: str) -> None:
    said = {
        "deposit_uuid": "d1",
        "deposit_state": "PROCESSING",
        "verification_result": "verified",
    }
    others = {"vasp_name": "바이낸스US", "vasp_uuid": "v0", "depositable": True}
    row = {"vasp_name": name, "vasp_uuid": "v1", "depositable": True}
    routes = upbit_routes(others, row, verify=answer(said, status=201))
    with upbit(routes) as (server, ask):
        assert ask().status is DepositStatus.PENDING
        assert b'{"deposit_uuid":"d1","vasp_uuid":"v1"}' in server.requests[-1]


@pytest.mark.parametrize("vasp", [{"vasp_name": "Elsewhere"}, {"depositable": False}])
def test_upbit_is_told_nothing_where_it_knows_no_such_venue(vasp: dict[str, Any]) -> None:
    row = {"vasp_name": "Binance", "vasp_uuid": "v1", "depositable": True} | vasp
    with upbit(upbit_routes(row, verify=answer({}))) as (server, ask):
        with pytest.raises(RefusedError) as caught:
            ask()
        assert [line.split()[0] for line in server.requests] == [b"GET"]
    assert caught.value.reason is RefusalReason.TRAVEL_RULE


def test_upbits_lost_answer_is_unknown_and_was_sent_once_a_lost_list_means_nothing_was() -> None:
    row = {"vasp_name": "Binance", "vasp_uuid": "v1", "depositable": True}
    with upbit(upbit_routes(row, verify=reset)) as (server, ask):
        with pytest.raises(OutcomeUnknownError):
            ask()
        assert sum(line.startswith(b"POST") for line in server.requests) == 1
    with upbit({UPBIT_VASPS: reset, VERIFY: reset}) as (server, ask):
        with pytest.raises(NotSentError):
            ask()
        assert not any(line.startswith(b"POST") for line in server.requests)
