"""What the simulated venues say of assets, addresses and held deposits, and how the control port bends it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.exchanges.simulator.speaking import Speaker, new_simulator

HELD = {"asset": "XRP", "network": "XRP"}
COINS = "/sapi/v1/capital/config/getall"


@pytest.fixture
def funded() -> Speaker:
    return spoken("default")


def spoken(scenario: str) -> Speaker:
    made = Speaker(new_simulator(scenario=scenario))
    for venue in ("binance", "upbit"):
        made.credit(venue, "XRP", "1000")
    return made


def coin(speaker: Speaker, asset: str) -> Any:
    return next(row for row in speaker.binance("GET", COINS).body if row["coin"] == asset)


def test_binance_tells_contracts_and_both_names(speaker: Speaker) -> None:
    usdt = coin(speaker, "USDT")
    assert usdt["name"] == "Tether"
    assert usdt["networkList"][0]["contractAddress"] == "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"
    assert coin(speaker, "XRP")["networkList"][0]["contractAddress"] == ""


def test_a_venue_may_be_made_to_say_something_else(speaker: Speaker) -> None:
    for venue in ("binance", "upbit"):
        told = HELD | {"venue": venue, "title": "Ripple 2", "network_title": "XRPL 2"}
        speaker.control("POST", "/control/listing", **told, contract="rNew")
    row = coin(speaker, "XRP")
    assert (row["name"], row["networkList"][0]["name"]) == ("Ripple 2", "XRPL 2")
    assert row["networkList"][0]["contractAddress"] == "rNew"
    markets = {one["market"]: one for one in speaker.upbit("GET", "/v1/market/all").body}
    assert markets["KRW-XRP"]["english_name"] == "Ripple 2"
    wallets = {one["currency"]: one for one in speaker.upbit("GET", "/v1/status/wallet").body}
    assert wallets["XRP"]["network_name"] == "XRPL 2"
    assert wallets["BTC"]["network_name"] == "Bitcoin"


def test_a_venue_may_list_an_asset_no_more(speaker: Speaker) -> None:
    for venue in ("binance", "upbit"):
        speaker.control("POST", "/control/listing", **HELD, venue=venue, listed=False)
    assert coin(speaker, "XRP")["networkList"] == []
    wallets = [one["currency"] for one in speaker.upbit("GET", "/v1/status/wallet").body]
    assert "XRP" not in wallets


def test_an_address_rotates_and_allow_lists_follow_only_if_told(speaker: Speaker) -> None:
    def there() -> str:
        key = {"currency": "XRP", "net_type": "XRP"}
        return str(speaker.upbit("GET", "/v1/deposits/coin_address", **key).body["deposit_address"])

    def allowed() -> set[str]:
        rows = speaker.binance("GET", "/sapi/v1/capital/withdraw/address/list").body
        return {row["address"] for row in rows if row["coin"] == "XRP"}

    old, others = there(), allowed() - {there()}
    speaker.control("POST", "/control/rotate", **HELD, venue="upbit", address="rNew")
    assert (there(), allowed()) == ("rNew", {old} | others)
    speaker.control("POST", "/control/rotate", **HELD, venue="upbit", address=old)
    speaker.control(
        "POST", "/control/rotate", **HELD, venue="upbit", address="rNew2", is_allowed=True
    )
    assert (there(), allowed()) == ("rNew2", {"rNew2"} | others)


# -- local entities of Binance

APPLY = "/sapi/v1/localentity/withdraw/apply"
ANSWERS = '{"isAddressOwner":1,"sendTo":2,"vasp":"UPBIT"}'


def withdrawal(speaker: Speaker, **more: str) -> dict[str, str]:
    to = speaker.address("upbit", "XRP")
    sound = {"coin": "XRP", "network": "XRP", "address": to["address"], "addressTag": to["tag"]}
    return sound | {"amount": "100", "withdrawOrderId": "w1"} | more


def test_a_local_entitys_account_is_sent_to_its_own_endpoints() -> None:
    speaker = spoken("local-entity")
    path = "/sapi/v1/capital/withdraw/apply"
    assert speaker.binance("POST", path, **withdrawal(speaker)).body["code"] == -4104
    reply = speaker.binance("POST", APPLY, **withdrawal(speaker, questionnaire=ANSWERS)).body
    assert reply["accepted"] is True
    row = speaker.binance("GET", "/sapi/v1/localentity/withdraw/history", coin="XRP").body[0]
    assert (row["trId"], row["withdrawOrderId"], row["travelRuleStatus"]) == (
        reply["trId"],
        "w1",
        1,
    )
    speaker.wait(5)
    row = speaker.binance("GET", "/sapi/v1/localentity/withdraw/history", trId=reply["trId"]).body[
        0
    ]
    assert (row["travelRuleStatus"], row["withdrawalStatus"]) == (0, 6)
    assert len(speaker.rows("withdrawal_accepted")) == 1


@pytest.mark.parametrize(
    "answers",
    [
        "{}",
        "no JSON",
        '{"isAddressOwner":2,"sendTo":2,"vasp":"U"}',
        ANSWERS.replace("UPBIT", "others"),
    ],
)
def test_a_questionnaire_that_is_not_answered_is_not_accepted(answers: str) -> None:
    speaker = spoken("local-entity")
    reply = speaker.binance("POST", APPLY, **withdrawal(speaker, questionnaire=answers)).body
    assert reply["accepted"] is False
    assert speaker.rows("withdrawal_accepted") == []


def test_other_accounts_have_no_use_for_those_endpoints(funded: Speaker) -> None:
    asked = funded.binance("GET", "/sapi/v1/localentity/questionnaire-requirements").body
    assert asked == {"questionnaireCountryCode": "NIL"}
    reply = funded.binance("POST", APPLY, **withdrawal(funded, questionnaire=ANSWERS))
    assert reply.body["code"] == -4104


def test_a_held_deposit_of_a_local_entity_waits_for_its_questionnaire() -> None:
    speaker = spoken("local-entity")
    to = speaker.address("binance", "XRP")
    sent = {"currency": "XRP", "net_type": "XRP", "amount": "100", "address": to["address"]}
    speaker.upbit("POST", "/v1/withdraws/coin", **sent, secondary_address=to["tag"])
    speaker.wait(5)
    held = speaker.binance("GET", "/sapi/v1/localentity/deposit/history", coin="XRP").body[0]
    assert (held["requireQuestionnaire"], held["travelRuleStatus"]) == (True, 1)
    before = speaker.held("binance", "XRP")[0]
    path = "/sapi/v1/localentity/deposit/provide-info"
    for answers, accepted in (
        ("{}", False),
        ('{"depositOriginator":1,"receiveFrom":2,"vasp":"UPBIT"}', True),
    ):
        asked = {"tranId": held["tranId"], "questionnaire": answers}
        assert speaker.binance("PUT", path, **asked).body["accepted"] is accepted
    assert speaker.held("binance", "XRP")[0] == before + 100
