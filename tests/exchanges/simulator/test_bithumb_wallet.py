"""Bithumb's wallets: who receives is named, consent may be needed, coins come and go."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.exchanges.simulator.speaking import Speaker, new_simulator

PERSON = {
    "receiver_type": "personal",
    "receiver_ko_name": "홍길동",
    "receiver_en_name": "GILDONG HONG",
}
COMPANY = {
    "receiver_type": "corporation",
    "receiver_ko_name": "홍길동",
    "receiver_en_name": "GILDONG HONG",
    "receiver_corp_ko_name": "김프",
    "receiver_corp_en_name": "Kimp",
}


@pytest.fixture
def funded(speaker: Speaker) -> Speaker:
    for venue in ("binance", "upbit", "bithumb"):
        speaker.credit(venue, "XRP", "1000")
    return speaker


def send(speaker: Speaker, to: str = "binance", /, **changes: str | None) -> Any:
    address = speaker.address(to, "XRP")
    request = {
        "currency": "XRP",
        "net_type": "XRP",
        "amount": "100",
        "address": address["address"],
        "secondary_address": address["tag"],
        "exchange_name": to.capitalize(),
        **changes,
    }
    wanted = {name: value for name, value in request.items() if value is not None}
    return speaker.bithumb("POST", "/v1/withdraws/coin", **wanted)


def error_of(reply: Any) -> tuple[int, str]:
    return reply.status, reply.body["error"]["name"]


@pytest.mark.parametrize("to", ["binance", "upbit"])
def test_a_withdrawal_arrives_whole_and_its_fee_comes_besides(funded: Speaker, to: str) -> None:
    fee = Decimal(
        funded.bithumb("GET", "/v1/withdraws/chance", currency="XRP", net_type="XRP").body[
            "currency"
        ]["withdraw_fee"]
    )
    sent = send(funded, to, **PERSON)
    assert (sent.status, sent.body["state"], sent.body["uuid"].isdecimal()) == (
        201,
        "PROCESSING",
        True,
    )
    assert funded.held("bithumb", "XRP") == (900 - fee, 100 + fee)
    funded.wait(60)
    assert funded.held("bithumb", "XRP") == (900 - fee, Decimal(0))
    assert funded.held(to, "XRP")[0] == 1100
    seen = funded.bithumb("GET", "/v1/withdraw", currency="XRP", uuid=sent.body["uuid"]).body
    assert (seen["state"], seen["amount"], seen["fee"]) == ("DONE", "100", str(fee))
    assert seen["txid"]


@pytest.mark.parametrize("sender", ["binance", "upbit"])
def test_what_is_sent_to_bithumb_is_shown_then_credited(funded: Speaker, sender: str) -> None:
    to = funded.address("bithumb", "XRP")
    if sender == "binance":
        coin = {"coin": "XRP", "network": "XRP", "amount": "100.2"}
        where = {"address": to["address"], "addressTag": to["tag"]}
        funded.binance("POST", "/sapi/v1/capital/withdraw/apply", **coin, **where)
    else:
        coin = {"currency": "XRP", "net_type": "XRP", "amount": "100"}
        where = {"address": to["address"], "secondary_address": to["tag"]}
        funded.upbit("POST", "/v1/withdraws/coin", **coin, **where)
    states = []
    for _ in range(60):
        funded.wait(0.05)
        rows = funded.bithumb("GET", "/v1/deposits", currency="XRP").body
        states += [row["state"] for row in rows if row["state"] not in states]
    assert states == ["DEPOSIT_PROCESSING", "DEPOSIT_ACCEPTED"]
    assert funded.held("bithumb", "XRP")[0] == 1100


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"exchange_name": None}, "invalid_parameter"),
        ({"exchange_name": "Coinone"}, "invalid_parameter"),
        ({**PERSON, "receiver_en_name": None}, "invalid_parameter"),
        ({**COMPANY, "receiver_corp_en_name": None}, "invalid_parameter"),
        ({"receiver_type": "friend"}, "invalid_parameter"),
        ({"address": "rSomebodyElse"}, "withdraw_address_not_registered"),
        ({"secondary_address": "1"}, "withdraw_address_not_registered"),
        ({"amount": "1"}, "withdraw_under_minimum"),
        ({"amount": "100.1234567"}, "withdraw_decimal_exceeded"),
        ({"amount": "1000"}, "withdraw_insufficient_balance"),
        ({"currency": "NONE"}, "currency does not have a valid value"),
    ],
)
def test_a_withdrawal_that_does_not_say_enough_or_asks_too_much_is_refused(
    funded: Speaker, changes: dict[str, str | None], name: str
) -> None:
    assert error_of(send(funded, **changes)) == (400, name)
    assert funded.rows("withdrawal_accepted") == []


@pytest.mark.parametrize("receiver", [{}, PERSON, COMPANY], ids=["none", "person", "company"])
def test_a_receiver_may_be_a_person_a_company_or_only_an_exchange(
    funded: Speaker, receiver: dict[str, str]
) -> None:
    assert send(funded, **receiver).status == 201


def test_without_consent_to_the_travel_rule_nothing_leaves_until_it_is_given() -> None:
    speaker = Speaker(new_simulator(scenario="consent"))
    speaker.credit("bithumb", "XRP", "1000")
    refused = send(speaker, **PERSON)
    assert error_of(refused) == (422, "travel_rule_consent_required")
    assert refused.body["error"]["consent_url"].startswith("https://")
    speaker.control("POST", "/control/scenario", name="unlimited")
    assert send(speaker, **PERSON).status == 201


def test_a_closed_wallet_refuses_though_its_page_still_says_working(funded: Speaker) -> None:
    closed = {"venue": "bithumb", "asset": "XRP", "network": "XRP", "withdraw": False}
    funded.control("POST", "/control/wallet", **closed)
    (row,) = [
        row for row in funded.bithumb("GET", "/v1/status/wallet").body if row["currency"] == "XRP"
    ]
    assert row["wallet_state"] == "working"
    assert error_of(send(funded)) == (400, "withdraw_wallet_not_working")
    chance = funded.bithumb("GET", "/v1/withdraws/chance", currency="XRP", net_type="XRP").body
    assert chance["withdraw_limit"]["can_withdraw"] is False


def test_a_withdrawal_can_be_cancelled_until_it_is_on_the_chain(funded: Speaker) -> None:
    first = send(funded).body["uuid"]
    gone = funded.bithumb("DELETE", "/v1/withdraws/coin", withdrawal_id=first)
    assert (gone.body["withdrawal_id"], gone.body["state"]) == (first, "CANCELLED")
    assert funded.held("bithumb", "XRP") == (Decimal(1000), Decimal(0))
    second = send(funded).body["uuid"]
    funded.wait(60)
    late = funded.bithumb("DELETE", "/v1/withdraws/coin", withdrawal_id=second)
    assert error_of(late) == (400, "withdraw_not_cancelable")


def test_a_held_deposit_waits_for_somebody_to_apply_for_it() -> None:
    speaker = Speaker(new_simulator(scenario="travel-rule"))
    speaker.credit("binance", "XRP", "1000")
    to = speaker.address("bithumb", "XRP")
    coin = {"coin": "XRP", "network": "XRP", "amount": "900"}
    where = {"address": to["address"], "addressTag": to["tag"]}
    speaker.binance("POST", "/sapi/v1/capital/withdraw/apply", **coin, **where)
    speaker.wait(60)
    (row,) = speaker.bithumb("GET", "/v1/deposits", currency="XRP").body
    assert (row["state"], speaker.held("bithumb", "XRP")[0]) == ("REQUESTED_PENDING", Decimal(0))
    speaker.control("POST", "/control/chain", action="accept", txid=row["txid"])
    (row,) = speaker.bithumb("GET", "/v1/deposits", currency="XRP").body
    assert row["state"] == "DEPOSIT_ACCEPTED"
    again = speaker.control("POST", "/control/chain", action="accept", txid=row["txid"])
    assert again.status == 400


def test_the_allow_list_says_whose_each_address_is(funded: Speaker) -> None:
    rows = funded.bithumb("GET", "/v1/withdraws/coin_addresses").body
    xrp = {row["exchange_name"]: row for row in rows if row["currency"] == "XRP"}
    assert set(xrp) == {"Binance", "Upbit"}
    assert xrp["Binance"]["withdraw_address"] == funded.address("binance", "XRP")["address"]
    assert xrp["Binance"]["owner_type"] == "personal"


def test_a_new_deposit_address_is_made_on_demand() -> None:
    speaker = Speaker(new_simulator(scenario="new-addresses"))
    asked = {"currency": "XRP", "net_type": "XRP"}
    assert speaker.bithumb("GET", "/v1/deposits/coin_address", **asked).status == 404
    made = speaker.bithumb("POST", "/v1/deposits/generate_coin_address", **asked)
    assert made.body["success"] is True
    speaker.wait(1)
    found = speaker.bithumb("GET", "/v1/deposits/coin_address", **asked).body
    assert found["deposit_address"] == speaker.address("bithumb", "XRP")["address"]


def test_the_accounts_own_keys_are_listed(speaker: Speaker) -> None:
    (row,) = speaker.bithumb("GET", "/v1/api_keys").body
    assert row["access_key"] == speaker.accounts["bithumb"]["access_key"]
