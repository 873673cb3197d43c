"""The rows of the fault table about withdrawals, deposits, wallets and their terms."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.exchanges.simulator.speaking import Speaker, said
from tests.exchanges.simulator.spoiling import rows, send

BOTH = pytest.mark.parametrize("venue", ["upbit", "binance"])


@BOTH
def test_f26_shows_two_withdrawals_where_one_was_asked_for(pinned: Speaker, venue: str) -> None:
    pinned.fault("F26", venue, when="once")
    send(pinned, venue)
    first, second = rows(pinned, venue, "withdrawals")
    assert first["amount"] == second["amount"]
    assert pinned.held(venue, "XRP")[1] == sum(
        Decimal(row["amount"]) + Decimal(row.get("fee") or row["transactionFee"])
        for row in (first, second)
    )


@BOTH
def test_f26_makes_no_twin_without_the_funds(pinned: Speaker, venue: str) -> None:
    pinned.fault("F26", venue, when="once")
    send(pinned, venue, "600")
    assert len(rows(pinned, venue, "withdrawals")) == 1


def arrived(speaker: Speaker, venue: str, **spec: Any) -> Any:
    """Send to the other venue under a fault and give its deposits there in the end."""
    speaker.fault(spec.pop("fault", "F29"), venue, when="once", **spec)
    send(speaker, venue)
    speaker.wait(120)
    return rows(speaker, "binance" if venue == "upbit" else "upbit", "deposits")


@BOTH
def test_f29_a_late_deposit_stands_still_until_it_is_resumed(pinned: Speaker, venue: str) -> None:
    (row,) = arrived(pinned, venue)
    assert row.get("state", row.get("status")) in {"PROCESSING", 0}
    txid = row.get("txid") or row["txId"]
    pinned.control("POST", "/control/chain", txid=txid, action="resume")
    pinned.wait(60)
    (row,) = rows(pinned, "binance" if venue == "upbit" else "upbit", "deposits")
    assert row.get("state", row.get("status")) in {"ACCEPTED", 1}


@BOTH
def test_f29_a_reorganisation_takes_a_deposit_away_once(pinned: Speaker, venue: str) -> None:
    (row,) = arrived(pinned, venue, args={"value": "reorg"})
    assert row.get("state", row.get("status")) in {"ACCEPTED", 1}
    told = [k for k in pinned.kinds() if str(k).startswith("deposit_") and k != "deposit_unlocked"]
    assert told == ["deposit_seen", "deposit_reorganised", "deposit_seen", "deposit_credited"]


def test_f29_a_locked_deposit_is_there_and_cannot_be_withdrawn(pinned: Speaker) -> None:
    (row,) = arrived(pinned, "upbit", args={"value": "locked"})
    assert row["status"] == 6
    everything = str(pinned.held("binance", "XRP")[0])
    assert said(send(pinned, "binance", everything)).body["code"] == -4060


@pytest.mark.parametrize(("value", "credited"), [("partial", "50"), ("short", "99.6")])
def test_f29_a_deposit_may_be_less_than_was_sent(
    pinned: Speaker, value: str, credited: str
) -> None:
    (row,) = arrived(pinned, "upbit", args={"value": value})
    assert (row["status"], Decimal(row["amount"])) == (1, Decimal(credited))


@pytest.mark.parametrize(
    ("value", "state"), [("wrong_tag", 7), ("wrong_network", 7), ("suspected", 8), ("refunding", 8),
                         ("refunded", 2)],
)  # fmt: skip
def test_f30_at_binance_a_deposit_waits_for_a_person(
    pinned: Speaker, value: str, state: int
) -> None:
    (row,) = arrived(pinned, "upbit", fault="F30", args={"value": value})
    assert row["status"] == state
    assert pinned.held("binance", "XRP")[0] == 1000


@pytest.mark.parametrize(
    ("value", "states"),
    [("wrong_tag", []), ("suspected", ["TRAVEL_RULE_SUSPECTED"]), ("refunding", ["REFUNDING"]),
     ("refunded", ["REFUNDED"])],
)  # fmt: skip
def test_f30_at_upbit_a_wrong_deposit_does_not_show_and_others_are_held(
    pinned: Speaker, value: str, states: list[str]
) -> None:
    found = arrived(pinned, "binance", fault="F30", args={"value": value})
    assert [row["state"] for row in found] == states
    assert pinned.held("upbit", "XRP")[0] == 1000


@BOTH
def test_f31_closes_a_wallet_that_every_page_says_is_open(pinned: Speaker, venue: str) -> None:
    pinned.fault("F31", venue, when="once")
    refused = said(send(pinned, venue)).body
    assert refused.get("code") == -4019 or refused["error"]["name"] == "withdraw_wallet_not_working"
    pinned.wait(3600)
    if venue == "upbit":
        chance = said(
            pinned.upbit_raw("GET", "/v1/withdraws/chance", currency="XRP", net_type="XRP")
        ).body
        assert chance["withdraw_limit"]["can_withdraw"]
    else:
        coins = said(pinned.binance_raw("GET", "/sapi/v1/capital/config/getall")).body
        (network,) = next(coin for coin in coins if coin["coin"] == "XRP")["networkList"]
        assert network["withdrawEnable"]


@BOTH
def test_f32_takes_another_fee_than_it_told(pinned: Speaker, venue: str) -> None:
    pinned.fault("F32", venue, when="once")
    send(pinned, venue)
    (row,) = rows(pinned, venue, "withdrawals")
    told = {"upbit": "0.4", "binance": "0.2"}[venue]
    assert Decimal(row.get("fee") or row["transactionFee"]) == Decimal(told) * 2


@BOTH
def test_f32_after_acceptance_is_for_the_next_withdrawal(pinned: Speaker, venue: str) -> None:
    pinned.fault("F32", venue, phase="after_accept", args={"withdraw_min": "500"}, when="once")
    assert said(send(pinned, venue)).status < 400
    refused = said(send(pinned, venue)).body
    assert refused.get("code") == -4022 or refused["error"]["name"] == "withdraw_under_minimum"
