"""Accounts of Binance's local entities: transfers with a questionnaire, over sockets and scripted replies."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from exchanges.adapters.binance import questionnaires
from exchanges.adapters.binance.client import BinanceVenue
from exchanges.adapters.binance.questionnaires import Vasp
from exchanges.errors import NotSentError, OutcomeUnknownError, RefusalReason, RefusedError
from exchanges.port import Venue
from exchanges.registry import utc_now
from exchanges.simulator.server import RunningSimulator, start_in_thread
from exchanges.transport.wire import Keys
from exchanges.values import (
    DepositAddress,
    DepositStatus,
    WithdrawalReport,
    WithdrawalRequest,
    WithdrawalStatus,
)
from tests.exchanges.adapters.world import World
from tests.exchanges.raw_server import Behaviour, RawServer, by_path, reply, reset, serving

NOW = datetime(2026, 11, 20, 7, tzinfo=UTC)
KEYS = Keys(access="a", secret="s")
REQUIREMENTS = "GET /sapi/v1/localentity/questionnaire-requirements"
APPLY = "POST /sapi/v1/localentity/withdraw/apply"
VASPS = "GET /sapi/v1/localentity/vasp"
HISTORY = "GET /sapi/v1/localentity/withdraw/history"
CAPITAL_HISTORY = "GET /sapi/v1/capital/withdraw/history"
UPBIT_VASP = [{"vaspName": "Upbit", "vaspCode": "UPBIT7"}]


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSimulator]:
    with start_in_thread(seed=13, speed=1000, scenario="unlimited") as started:
        yield started


def shown(venue: Venue, request: WithdrawalRequest) -> WithdrawalReport:
    """Wait until the history, whose reads trail, shows a withdrawal."""
    ends_at = time.monotonic() + 10
    while time.monotonic() < ends_at:
        for row in venue.withdrawals("XRP", since=utc_now() - timedelta(hours=1)):
            if row.client_withdrawal_id == request.client_withdrawal_id and row.txid:
                return row
        time.sleep(0.02)
    raise AssertionError("the withdrawal is not shown")


def answer(body: Any, **more: Any) -> Behaviour:
    return reply(json.dumps(body).encode(), **more)


def test_a_local_entitys_account_withdraws_with_a_questionnaire_and_is_followed_by_its_record(
    running: RunningSimulator,
) -> None:
    world = World(running, "local-entity")
    binance, request = world.venue("binance"), world.withdrawal("binance")
    sent = binance.withdraw(request)
    assert sent.status is WithdrawalStatus.PENDING
    assert sent.client_withdrawal_id == request.client_withdrawal_id
    world.deposit("upbit", held=False)
    row = shown(binance, request)
    assert row.venue_withdrawal_id == sent.venue_withdrawal_id
    assert (row.status, row.quantity, row.network_fee) == (
        WithdrawalStatus.DONE,
        request.quantity,
        request.network_fee,
    )
    assert world.posts("/sapi/v1/localentity/withdraw/apply") == 1
    assert world.posts("/sapi/v1/capital/withdraw/apply") == 0


def test_another_account_withdraws_without_one(running: RunningSimulator) -> None:
    world = World(running, "unlimited")
    world.venue("binance").withdraw(world.withdrawal("binance"))
    assert world.posts("/sapi/v1/localentity") == 0
    assert world.posts("/sapi/v1/capital/withdraw/apply") == 1


def test_a_local_entitys_held_deposit_is_released_by_a_questionnaire(
    running: RunningSimulator,
) -> None:
    world = World(running, "local-entity")
    world.venue("upbit").withdraw(world.withdrawal("upbit"))
    held = world.deposit("binance", held=True)
    assert held.wants_sender
    whole = world.venue("binance").all_deposits(since=utc_now() - timedelta(hours=1))
    assert held in whole.rows
    told = world.venue("binance").verify_deposit(held, sender="upbit")
    assert (told.status, told.wants_sender) == (DepositStatus.PENDING, False)
    world.deposit("binance", held=False)
    assert world.posts("/sapi/v1/localentity/deposit/provide-info") == 1


REQUEST = WithdrawalRequest(
    destination=DepositAddress(
        venue="upbit", asset="XRP", network="XRP", address="rAddress", memo="7"
    ),
    quantity=Decimal(100),
    network_fee=Decimal("0.2"),
    client_withdrawal_id="kw1",
)


def entity(more: dict[str, Behaviour], country: str = "FR") -> dict[str, Behaviour]:
    routes = {
        REQUIREMENTS: answer({"questionnaireCountryCode": country}),
        VASPS: answer(UPBIT_VASP),
    }
    return routes | more


def binance(server: RawServer) -> BinanceVenue:
    return BinanceVenue(base_url=server.url, keys=KEYS, clock=lambda: NOW, deadline_seconds=2)


@pytest.mark.parametrize("spelling", ["accepted", "accpted"])
def test_an_accepted_record_is_the_withdrawals_id(spelling: str) -> None:
    said = {"trId": 123456, spelling: True, "info": "Withdraw request accepted"}
    with serving(by_path(entity({APPLY: answer(said)}))) as server:
        report = binance(server).withdraw(REQUEST)
        body = server.bodies()[-1].decode()
    assert report.venue_withdrawal_id == "123456"
    assert "amount=100.2&questionnaire=%7B%22isAddressOwner%22%3A1" in body
    assert "UPBIT7" in body
    assert "declaration" in body


def test_what_is_not_accepted_is_refused_for_certain() -> None:
    said = {"trId": 1, "accepted": False, "info": "Questionnaire format not valid."}
    with (
        serving(by_path(entity({APPLY: answer(said)}))) as server,
        pytest.raises(RefusedError) as caught,
    ):
        binance(server).withdraw(REQUEST)
    assert caught.value.reason is RefusalReason.TRAVEL_RULE
    assert caught.value.code == "questionnaire"


@pytest.mark.parametrize(
    "lost",
    [reset, answer({}), answer({"trId": 1}), answer([], status=500), reply(b"<html>")],
    ids=["reset", "an empty object", "no verdict", "500", "no JSON"],
)
def test_a_lost_reply_there_is_unknown_like_anywhere_and_was_sent_once(lost: Behaviour) -> None:
    with serving(by_path(entity({APPLY: lost}))) as server:
        with pytest.raises(OutcomeUnknownError):
            binance(server).withdraw(REQUEST)
        assert sum(line.startswith(b"POST") for line in server.requests) == 1


@pytest.mark.parametrize("lost", [REQUIREMENTS, VASPS])
def test_where_the_account_cannot_be_asked_nothing_is_sent(lost: str) -> None:
    with serving(by_path(entity({lost: reset, APPLY: reset}))) as server:
        with pytest.raises(NotSentError):
            binance(server).withdraw(REQUEST)
        assert not any(line.startswith(b"POST") for line in server.requests)


@pytest.mark.parametrize("country", ["JP", "KZ", "XX"])
def test_a_questionnaire_that_asks_more_is_a_persons(country: str) -> None:
    with serving(by_path(entity({APPLY: reset}, country))) as server:
        with pytest.raises(RefusedError) as caught:
            binance(server).withdraw(REQUEST)
        assert not any(line.startswith(b"POST") for line in server.requests)
    assert caught.value.reason is RefusalReason.TRAVEL_RULE
    assert country in str(caught.value)


def test_the_requirement_is_asked_again_after_ten_minutes_only() -> None:
    said = {"trId": 1, "accepted": True, "info": ""}
    clock = [NOW]
    with serving(by_path(entity({APPLY: answer(said)}))) as server:
        venue = BinanceVenue(
            base_url=server.url, keys=KEYS, clock=lambda: clock[0], deadline_seconds=2
        )
        for later in (0, 9, 11):
            clock[0] = NOW + timedelta(minutes=later)
            venue.withdraw(REQUEST)
        venue.close()
        asked = sum(b"questionnaire-requirements" in line for line in server.requests)
    assert asked == 2


def record(**facts: Any) -> dict[str, Any]:
    """Give a row of the local history, as documented."""
    sound = {
        "id": "b6ae", "trId": 1234456, "amount": "8.91", "transactionFee": "0.004", "coin": "XRP",
        "withdrawalStatus": 6, "travelRuleStatus": 0, "address": "r", "txId": "0xb5",
        "applyTime": "2026-11-20 06:00:00", "network": "XRP", "withdrawOrderId": "kw1",
    }  # fmt: skip
    return sound | facts


def history(*local: dict[str, Any], general: list[dict[str, Any]]) -> list[WithdrawalReport]:
    routes = {HISTORY: answer(list(local)), CAPITAL_HISTORY: answer(general)}
    with serving(by_path(entity(routes))) as server:
        venue, since = binance(server), NOW - timedelta(days=1)
        rows = list(venue.withdrawals("XRP", since=since))
        whole = venue.all_withdrawals(since=since)
    assert (list(whole.rows), whole.unreadable, whole.calls) == (rows, frozenset(), 2)
    return rows


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({}, WithdrawalStatus.DONE),
        ({"withdrawalStatus": 4}, WithdrawalStatus.PENDING),
        ({"withdrawalStatus": 3}, WithdrawalStatus.FAILED),
        ({"travelRuleStatus": 1, "withdrawalStatus": None}, WithdrawalStatus.PENDING),
        ({"travelRuleStatus": 2, "withdrawalStatus": None}, WithdrawalStatus.FAILED),
        ({"travelRuleStatus": 0, "withdrawalStatus": None}, WithdrawalStatus.PENDING),
    ],
)
def test_the_travel_rule_has_the_first_word_on_how_a_withdrawal_stands(
    facts: dict[str, Any], status: WithdrawalStatus
) -> None:
    (row,) = history(record(**facts), general=[])
    assert (row.status, row.venue_withdrawal_id) == (status, "1234456")


def test_both_histories_are_one_list_and_each_withdrawal_stands_there_once() -> None:
    older = {
        "id": "old", "amount": "1", "transactionFee": "0", "coin": "XRP", "status": 6,
        "address": "r", "txId": "t", "applyTime": "2026-11-19 12:00:00", "network": "XRP",
    }  # fmt: skip
    rows = history(record(), general=[older, older | {"id": "b6ae"}])
    assert [row.venue_withdrawal_id for row in rows] == ["1234456", "old"]


def test_a_new_withdrawal_is_not_shown_under_the_id_that_its_record_is_about_to_replace() -> None:
    fresh = {
        "id": "b6ae", "amount": "8.91", "transactionFee": "0.004", "coin": "XRP", "status": 4,
        "address": "r", "txId": "", "applyTime": f"{NOW - timedelta(seconds=5):%Y-%m-%d %H:%M:%S}",
        "network": "XRP", "withdrawOrderId": "kw1",
    }  # fmt: skip
    assert history(general=[fresh]) == []
    (row,) = history(record(), general=[fresh])
    assert row.venue_withdrawal_id == "1234456"


@pytest.mark.parametrize("country", sorted(questionnaires.PLAIN | questionnaires.DECLARED))
def test_a_questionnaire_says_that_both_accounts_are_ours(country: str) -> None:
    sent = json.loads(questionnaires.withdrawal(country, Vasp(code="U")) or "{}")
    assert (sent["isAddressOwner"], sent["sendTo"], sent["vasp"]) == (1, 2, "U")
    assert ("declaration" in sent) is (country in questionnaires.DECLARED)
    came = questionnaires.deposit(country, Vasp(code="others", name="Upbit"))
    assert (came is None) is (country == "NZ")
    assert came is None or json.loads(came)["vaspName"] == "Upbit"
