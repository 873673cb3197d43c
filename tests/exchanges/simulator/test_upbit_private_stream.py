"""Upbit's private WebSocket: who is let in, and what is told of orders and assets."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from exchanges.simulator.core.streams import frames
from exchanges.simulator.core.values import Reply
from tests.exchanges.simulator.speaking import Speaker, upbit_token
from tests.exchanges.simulator.streaming import (
    PRIVATE,
    Client,
    bearer,
    binance_api,
    connect,
    upbit_private,
    upbit_public,
)

ORDERS = {"type": "myOrder"}
ASSETS = {"type": "myAsset"}
BID = {"market": "KRW-XRP", "side": "bid", "ord_type": "limit", "price": "3000", "volume": "10"}
FIELDS = {
    "type", "code", "uuid", "ask_bid", "order_type", "state", "trade_uuid", "price", "avg_price",
    "volume", "remaining_volume", "executed_volume", "trades_count", "reserved_fee",
    "remaining_fee", "paid_fee", "locked", "executed_funds", "time_in_force", "trade_fee",
    "is_maker", "identifier", "smp_type", "prevented_volume", "prevented_locked",
    "trade_timestamp", "order_timestamp", "timestamp", "stream_type",
}  # fmt: skip


@pytest.fixture
def pinned(speaker: Speaker) -> Speaker:
    speaker.pin("upbit", "KRW-XRP", [["2990", "6"], ["2980", "100"]], [["3000", "6"]])
    speaker.credit("upbit", "XRP", "1000")
    return speaker


def placed(speaker: Speaker, **changes: Any) -> Any:
    order = {name: value for name, value in {**BID, **changes}.items() if value is not None}
    reply = speaker.upbit("POST", "/v1/orders", **order)
    assert reply.status == 201, reply.body
    return reply.body


def told(client: Client, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(message[name] for name in names) for message in client.heard()]


def test_an_order_is_told_from_its_acceptance_over_its_fills_to_its_end(pinned: Speaker) -> None:
    client = upbit_private(pinned, ORDERS)
    pinned.pin("upbit", "KRW-XRP", [["2990", "6"]], [["2999", "4"], ["3000", "6"]])
    placed(pinned, identifier="k1")
    wait, first, second, done = client.heard()
    assert wait.keys() == FIELDS
    names = ("state", "price", "volume", "executed_volume", "remaining_volume", "trades_count")
    assert [tuple(event[name] for name in names) for event in (wait, first, second, done)] == [
        ("wait", 3000, 10, 0, 10, 0),
        ("trade", 2999, 4, 4, 6, 1),
        ("trade", 3000, 6, 10, 0, 2),
        ("done", 3000, 10, 10, 0, 2),
    ]
    assert {event["identifier"] for event in (wait, first, second, done)} == {"k1"}
    assert (wait["code"], wait["ask_bid"], wait["order_type"]) == ("KRW-XRP", "BID", "limit")


def test_the_trade_event_carries_the_fee_that_rest_lacks(pinned: Speaker) -> None:
    client = upbit_private(pinned, ORDERS)
    body = placed(pinned, volume="6")
    trade = next(event for event in client.heard() if event["state"] == "trade")
    read = pinned.upbit("GET", "/v1/order", uuid=body["uuid"]).body
    assert trade["trade_uuid"] == read["trades"][0]["uuid"]
    assert trade["trade_fee"] == trade["paid_fee"] == Decimal(read["paid_fee"]) == 9
    assert trade["is_maker"] is False
    assert trade["executed_funds"] == Decimal(read["trades"][0]["funds"])


def test_a_resting_order_is_told_when_time_fills_it_as_maker(pinned: Speaker) -> None:
    client = upbit_private(pinned, ORDERS)
    placed(pinned, price="2995", volume="6")
    assert told(client, "state") == [("wait",)]
    pinned.pin("upbit", "KRW-XRP", [["2980", "6"]], [["2990", "6"]])
    assert told(client, "state", "is_maker") == [("trade", True), ("done", None)]


@pytest.mark.parametrize(
    ("order", "states"),
    [
        ({"ord_type": "price", "volume": None, "price": "10001"}, ["wait", "trade", "cancel"]),
        ({"time_in_force": "ioc"}, ["wait", "trade", "cancel"]),
        ({"time_in_force": "fok"}, ["wait", "cancel"]),
        ({"time_in_force": "post_only"}, ["wait", "cancel"]),
    ],
    ids=["price", "ioc", "fok", "post_only"],
)
def test_what_is_left_of_an_order_is_told_as_cancelled(
    pinned: Speaker, order: dict[str, Any], states: list[str]
) -> None:
    client = upbit_private(pinned, ORDERS)
    placed(pinned, **order)
    assert [event["state"] for event in client.heard()] == states


def test_a_cancel_is_told_with_what_had_been_executed(pinned: Speaker) -> None:
    client = upbit_private(pinned, ORDERS)
    body = placed(pinned)
    client.heard()
    assert pinned.upbit("DELETE", "/v1/order", uuid=body["uuid"]).status == 200
    assert told(client, "state", "executed_volume", "remaining_volume") == [("cancel", 6, 4)]


@pytest.mark.parametrize(
    ("rule", "events"),
    [
        ("cancel_maker", [("old", "prevented"), ("old", "cancel"), ("new", "trade")]),
        ("cancel_taker", [("new", "prevented"), ("new", "cancel")]),
        ("reduce", [("new", "prevented"), ("new", "cancel"), ("old", "prevented")]),
    ],
)
def test_an_order_that_would_meet_an_own_one_is_prevented(
    pinned: Speaker, rule: str, events: list[tuple[str, str]]
) -> None:
    placed(pinned, side="ask", price="2995", volume="10", identifier="old")
    client = upbit_private(pinned, ORDERS)
    placed(pinned, volume="4", identifier="new", smp_type=rule)
    heard = [(event["identifier"], event["state"]) for event in client.heard()]
    assert heard[0] == ("new", "wait")
    assert heard[1 : 1 + len(events)] == events
    old = pinned.upbit("GET", "/v1/order", identifier="old").body
    new = pinned.upbit("GET", "/v1/order", identifier="new").body
    left = {"cancel_maker": ("cancel", "10", "done", "0"), "cancel_taker": ("wait", "0", "cancel", "4"),
            "reduce": ("wait", "4", "cancel", "4")}[rule]  # fmt: skip
    assert (old["state"], old["prevented_volume"], new["state"], new["prevented_volume"]) == left


def test_an_own_order_behind_the_book_does_not_prevent_anything(pinned: Speaker) -> None:
    placed(pinned, side="ask", price="3000", volume="10")
    client = upbit_private(pinned, ORDERS)
    placed(pinned, volume="4", smp_type="cancel_taker")
    assert [event["state"] for event in client.heard()] == ["wait", "trade", "done"]


def test_assets_are_told_as_rest_shows_them(pinned: Speaker) -> None:
    client = upbit_private(pinned, ASSETS)
    placed(pinned)
    balances: dict[str, tuple[Decimal, Decimal]] = {}
    for event in client.heard():
        for row in event["assets"]:
            balances[row["currency"]] = (row["balance"], row["locked"])
    accounts = pinned.upbit("GET", "/v1/accounts").body
    shown = {row["currency"]: (Decimal(row["balance"]), Decimal(row["locked"])) for row in accounts}
    assert balances == {asset: shown[asset] for asset in ("KRW", "XRP")}


def test_a_deposit_is_told_when_it_is_credited(pinned: Speaker) -> None:
    client = upbit_private(pinned, ASSETS)
    pinned.credit("binance", "XRP", "100")
    to = pinned.address("upbit", "XRP")
    sent = pinned.binance(
        "POST", "/sapi/v1/capital/withdraw/apply", coin="XRP", network="XRP", amount="50",
        address=to["address"], addressTag=to["tag"],
    )  # fmt: skip
    assert sent.status == 200
    for _ in range(60):
        pinned.wait(1)
    (event,) = client.heard()
    assert [(row["currency"], row["balance"]) for row in event["assets"]] == [
        ("XRP", Decimal("1049.8"))
    ]
    assert event["asset_timestamp"] == pinned.rows("deposit_credited")[0]["at_ms"]


def test_only_the_asked_codes_are_told(pinned: Speaker) -> None:
    client = upbit_private(pinned, {**ORDERS, "codes": ["KRW-BTC"]})
    placed(pinned)
    assert client.heard() == []


def test_the_short_names_are_the_documented_ones(pinned: Speaker) -> None:
    client = upbit_private(pinned, ORDERS, ASSETS, form="SIMPLE")
    placed(pinned)
    order, asset = client.heard()[:2]
    assert {"ty", "uid", "ab", "ot", "s", "rv", "ev", "rsf", "tuid", "otms", "id"} <= order.keys()
    assert asset.keys() == {"ty", "astuid", "ast", "asttms", "tms", "st"}
    assert asset["ast"][0].keys() == {"cu", "b", "l"}


def test_assets_take_no_codes(speaker: Speaker) -> None:
    client = upbit_private(speaker, {**ASSETS, "codes": ["KRW-BTC"]})
    assert client.one()["error"]["name"] == "WRONG_FORMAT"


def test_nothing_is_told_before_it_was_asked_for_nor_to_others(pinned: Speaker) -> None:
    silent = connect(pinned, "upbit", PRIVATE, authorization=bearer(pinned))
    public = upbit_public(pinned, {"type": "ticker", "codes": ["KRW-BTC"]})
    public.heard()
    elsewhere = binance_api(pinned)
    placed(pinned)
    assert silent.heard() + public.heard() + elsewhere.heard() == []


def test_a_nonce_lets_in_once_whether_spent_by_rest_or_by_a_stream(speaker: Speaker) -> None:
    token = bearer(speaker, "n1")
    assert connect(speaker, "upbit", PRIVATE, authorization=token).heard() == []
    again = connect(speaker, "upbit", PRIVATE, authorization=token)
    assert again.one()["error"]["name"] == "INVALID_AUTH"
    assert not again.session.is_open
    speaker.nonces.append("n2")
    assert speaker.upbit("GET", "/v1/accounts").status == 200
    spent = connect(speaker, "upbit", PRIVATE, authorization=bearer(speaker, "n2"))
    assert spent.one()["error"]["name"] == "INVALID_AUTH"


@pytest.mark.parametrize("case", ["none", "no bearer", "key", "secret", "scope", "expired"])
def test_who_cannot_sign_hears_so_and_is_closed(speaker: Speaker, case: str) -> None:
    account, world = speaker.upbit_account, speaker.simulator.world
    key = world.keys[account["access_key"]]
    key.permissions = frozenset({"trade"}) if case == "scope" else key.permissions
    key.is_expired = case == "expired"
    access = "x" * 40 if case == "key" else account["access_key"]
    secret = "y" if case == "secret" else account["secret_key"]
    token = upbit_token(access, secret, "", "n")
    headers = {"none": {}, "no bearer": {"authorization": token}}.get(
        case, {"authorization": f"Bearer {token}"}
    )
    client = connect(speaker, "upbit", PRIVATE, **headers)
    assert client.one()["error"]["name"] == "INVALID_AUTH"
    assert [(frame.kind, frame.code) for frame in client.last[-1:]] == [(frames.CLOSE, 1008)]


def test_a_token_for_parameters_is_not_needed_but_does_no_harm(speaker: Speaker) -> None:
    account = speaker.upbit_account
    token = upbit_token(account["access_key"], account["secret_key"], "a=1", "n")
    client = connect(speaker, "upbit", PRIVATE, authorization=f"Bearer {token}")
    assert client.session.is_private
    assert not isinstance(client.session, Reply)
