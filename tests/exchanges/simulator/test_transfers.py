"""Withdrawals, the chain and deposits: coins travel between the venues and none is lost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.exchanges.simulator.speaking import Speaker, new_simulator


@pytest.fixture
def funded(speaker: Speaker) -> Speaker:
    speaker.credit("binance", "XRP", "1000")
    speaker.credit("upbit", "XRP", "1000")
    return speaker


def send_from_binance(speaker: Speaker, **changes: Any) -> Any:
    to = speaker.address("upbit", "XRP")
    request = {
        "coin": "XRP",
        "network": "XRP",
        "address": to["address"],
        "addressTag": to["tag"],
        "amount": "100",
        "withdrawOrderId": "w1",
        **changes,
    }
    return speaker.binance("POST", "/sapi/v1/capital/withdraw/apply", **request)


def send_from_upbit(speaker: Speaker, asset: str = "XRP", net: str = "XRP", **changes: Any) -> Any:
    to = speaker.address("binance", asset)
    request = {
        "currency": asset,
        "net_type": net,
        "amount": "100",
        "address": to["address"],
        **({"secondary_address": to["tag"]} if to["tag"] else {}),
        **changes,
    }
    return speaker.upbit("POST", "/v1/withdraws/coin", **request)


def history(speaker: Speaker) -> Any:
    return speaker.binance("GET", "/sapi/v1/capital/withdraw/history", withdrawOrderId="w1").body[0]


def deposits(speaker: Speaker) -> Any:
    return speaker.upbit("GET", "/v1/deposits", currency="XRP").body


def test_a_binance_withdrawal_arrives_at_upbit_less_its_fee(funded: Speaker) -> None:
    assert "id" in send_from_binance(funded).body
    assert funded.held("binance", "XRP") == (Decimal(900), Decimal(100))
    assert history(funded)["status"] == 2
    funded.wait(5)
    assert (history(funded)["status"], history(funded)["amount"]) == (6, "99.8")
    row = deposits(funded)[0]
    assert (row["state"], row["amount"], row["txid"]) == (
        "ACCEPTED",
        "99.8",
        history(funded)["txId"],
    )
    assert funded.held("upbit", "XRP")[0] == Decimal("1099.8")
    assert funded.held("binance", "XRP") == (Decimal(900), Decimal(0))


def test_an_upbit_withdrawal_costs_its_fee_on_top_and_arrives_whole(funded: Speaker) -> None:
    created = send_from_upbit(funded)
    assert (created.status, created.body["state"]) == (201, "WAITING")
    assert funded.held("upbit", "XRP") == (Decimal("899.6"), Decimal("100.4"))
    funded.wait(5)
    rows = funded.binance("GET", "/sapi/v1/capital/deposit/hisrec", coin="XRP").body
    assert [(row["status"], row["amount"], row["confirmTimes"]) for row in rows] == [
        (1, "100", "3/3")
    ]
    done = funded.upbit("GET", "/v1/withdraw", uuid=created.body["uuid"]).body
    assert (done["state"], done["txid"]) == ("DONE", rows[0]["txId"])


def test_a_deposit_shows_its_confirmations_before_it_is_credited() -> None:
    speaker = Speaker(new_simulator(speed=1))
    speaker.credit("binance", "ETH", "5")
    to = speaker.address("upbit", "ETH")
    send_from_binance(
        speaker, coin="ETH", network="ETH", address=to["address"], addressTag=None, amount="1"
    )
    speaker.wait(45 + 12 * 11)
    row = speaker.upbit("GET", "/v1/deposits", currency="ETH").body[0]
    assert row["state"] == "PROCESSING"
    assert speaker.held("upbit", "ETH")[0] == 0
    speaker.wait(12)
    assert speaker.held("upbit", "ETH")[0] == Decimal("0.9997")


def test_coins_credited_at_binance_are_tradable_before_they_are_withdrawable() -> None:
    speaker = Speaker(new_simulator(speed=1))
    speaker.credit("upbit", "ETH", "5")
    send_from_upbit(speaker, "ETH", "ETH", amount="1")
    speaker.wait(45 + 12 * 6)
    assert speaker.held("binance", "ETH")[0] == 1
    to = speaker.address("upbit", "ETH")
    early = send_from_binance(
        speaker, coin="ETH", network="ETH", address=to["address"], addressTag=None, amount="1"
    )
    assert early.body["code"] == -4060
    speaker.wait(12 * 6)
    again = send_from_binance(
        speaker, coin="ETH", network="ETH", address=to["address"], addressTag=None, amount="1"
    )
    assert again.status == 200


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"address": "rnobody", "addressTag": "1"}, -4035),
        ({"addressTag": None}, -4035),
        ({"amount": "1.0000001"}, -4021),
        ({"amount": "1"}, -4022),
        ({"amount": "1001"}, -4026),
        ({"network": "NOPE"}, -4018),
    ],
)
def test_binance_refuses_a_withdrawal_by_code(
    funded: Speaker, changes: dict[str, Any], code: int
) -> None:
    assert send_from_binance(funded, **changes).body["code"] == code
    assert funded.rows("withdrawal_accepted") == []


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"address": "rnobody"}, "withdraw_address_not_registered"),
        ({"secondary_address": "1"}, "withdraw_address_not_registered"),
        ({"amount": "1.0000001"}, "withdraw_decimal_exceeded"),
        ({"amount": "0.5"}, "withdraw_under_minimum"),
        ({"amount": "999.7"}, "withdraw_insufficient_balance"),
        ({"currency": "NOPE"}, "currency_does_not_exist"),
    ],
)
def test_upbit_refuses_a_withdrawal_by_name(
    funded: Speaker, changes: dict[str, Any], name: str
) -> None:
    assert send_from_upbit(funded, **changes).body["error"]["name"] == name
    assert funded.rows("withdrawal_accepted") == []


@pytest.mark.parametrize("venue", ["upbit", "binance"])
def test_a_closed_wallet_refuses_withdrawals(funded: Speaker, venue: str) -> None:
    funded.control("POST", "/control/wallet", venue=venue, coin="XRP", net="XRP", withdraw=False)
    if venue == "upbit":
        reply = send_from_upbit(funded).body["error"]["name"]
        assert reply == "withdraw_wallet_not_working"
    else:
        assert send_from_binance(funded).body["code"] == -4019


def test_upbits_status_page_tells_of_a_closed_wallet_only_after_a_while(funded: Speaker) -> None:
    funded.control("POST", "/control/wallet", venue="upbit", coin="XRP", net="XRP", withdraw=False)

    def shown() -> Any:
        rows = funded.upbit("GET", "/v1/status/wallet").body
        return next(row["wallet_state"] for row in rows if row["currency"] == "XRP")

    assert shown() == "working"
    chance = funded.upbit("GET", "/v1/withdraws/chance", currency="XRP", net_type="XRP").body
    assert chance["withdraw_limit"]["can_withdraw"] is False
    funded.wait(4)
    assert shown() == "deposit_only"


def test_a_waiting_upbit_withdrawal_can_be_cancelled_and_unlocks(funded: Speaker) -> None:
    uuid = send_from_upbit(funded).body["uuid"]
    cancelled = funded.upbit("DELETE", "/v1/withdraws/coin", uuid=uuid)
    assert cancelled.body["state"] == "CANCELLED"
    assert funded.held("upbit", "XRP") == (Decimal(1000), Decimal(0))
    funded.wait(10)
    assert funded.rows("broadcast") == []


def test_coins_sent_to_a_wrong_tag_are_lost_but_accounted_for(funded: Speaker) -> None:
    to = funded.address("binance", "XRP")
    entry = {"asset": "XRP", "network": "XRP", "address": to["address"], "tag": "7"}
    funded.control("POST", "/control/addresses", venue="upbit", **entry)
    send_from_upbit(funded, secondary_address="7")
    funded.wait(5)
    rows = funded.binance("GET", "/sapi/v1/capital/deposit/hisrec", coin="XRP").body
    assert [row["status"] for row in rows] == [7]
    assert funded.simulator.world.vault.held("chain.lost", "XRP") == 100


def test_a_large_deposit_waits_for_travel_rule_verification_where_it_applies() -> None:
    speaker = Speaker(new_simulator(scenario="travel-rule"))
    speaker.credit("binance", "XRP", "1000")
    send_from_binance(speaker, amount="900")
    speaker.wait(5)
    row = deposits(speaker)[0]
    assert row["state"] == "TRAVEL_RULE_SUSPECTED"
    assert speaker.held("upbit", "XRP")[0] == 0
    vasp = speaker.upbit("GET", "/v1/travel_rule/vasps").body[0]["vasp_uuid"]
    speaker.upbit("POST", "/v1/travel_rule/deposit/uuid", deposit_uuid=row["uuid"], vasp_uuid=vasp)
    assert deposits(speaker)[0]["state"] == "ACCEPTED"
    assert speaker.held("upbit", "XRP")[0] == Decimal("899.8")


def test_a_stalled_transaction_credits_nothing_until_it_is_confirmed(funded: Speaker) -> None:
    send_from_binance(funded)
    funded.wait(0.8)
    txid = history(funded)["txId"]
    funded.control("POST", "/control/chain", txid=txid, action="stall")
    funded.wait(60)
    assert funded.rows("deposit_credited") == []
    funded.control("POST", "/control/chain", txid=txid, action="confirm", n=3)
    assert funded.held("upbit", "XRP")[0] == Decimal("1099.8")


def test_a_dropped_transaction_is_sent_again_under_another_txid(funded: Speaker) -> None:
    funded.fault("F28", "binance", args={"value": "stuck_with_txid"}, when="once")
    send_from_binance(funded)
    funded.wait(30)
    first = history(funded)
    assert (first["status"], bool(first["txId"])) == (4, True)
    funded.control("POST", "/control/chain", txid=first["txId"], action="rebroadcast")
    funded.wait(5)
    assert history(funded)["status"] == 6
    assert history(funded)["txId"] != first["txId"]
    assert funded.held("upbit", "XRP")[0] == Decimal("1099.8")


def test_an_address_appears_some_time_after_it_was_asked_for() -> None:
    speaker = Speaker(new_simulator(scenario="new-addresses"))
    key = {"currency": "XRP", "net_type": "XRP"}
    assert speaker.upbit("GET", "/v1/deposits/coin_address", **key).status == 404
    asked = speaker.upbit("POST", "/v1/deposits/generate_coin_address", **key)
    assert (asked.status, asked.body["success"]) == (201, True)
    speaker.wait(1)
    assert speaker.upbit("GET", "/v1/deposits/coin_address", **key).status == 200


def test_a_withdrawal_history_by_client_id_reaches_seven_days_back_at_most(
    funded: Speaker,
) -> None:
    start = {"startTime": funded.wall_ms - 8 * 86_400_000, "endTime": funded.wall_ms}
    path = "/sapi/v1/capital/withdraw/history"
    assert funded.binance("GET", path, withdrawOrderId="w1", **start).body["code"] == -4047
    assert funded.binance("GET", path, **start).status == 200
