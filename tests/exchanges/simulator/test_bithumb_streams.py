"""Bithumb's WebSockets: Upbit's manners under its own paths, limits, tokens and private names."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from exchanges.simulator.core.streams import frames
from exchanges.simulator.core.streams.session import Session
from exchanges.simulator.core.values import Reply
from tests.exchanges.simulator.speaking import Speaker, korean_token, new_simulator, upbit_token
from tests.exchanges.simulator.streaming import PUBLIC, Client, connect, knock

PRIVATE = "/websocket/v2/private"
BID = {"market": "KRW-XRP", "side": "bid", "order_type": "limit", "price": "3000", "volume": "10"}
COMMON = {
    "type", "stream_type", "code", "order_id", "client_order_id", "side", "order_type", "state",
    "order_price", "order_quantity", "order_amount", "executed_quantity", "executed_amount",
    "remaining_quantity", "reserved_fee", "remaining_fee", "paid_fee", "order_timestamp",
    "timestamp",
}  # fmt: skip
TRADED = {"trade_id", "trade_price", "trade_quantity", "trade_amount", "trade_timestamp"}


@pytest.fixture
def pinned(speaker: Speaker) -> Speaker:
    speaker.pin("bithumb", "KRW-XRP", [["2990", "6"]], [["3000", "6"]])
    speaker.credit("bithumb", "KRW", "1000000")
    return speaker


def bearer(speaker: Speaker, nonce: str | None = None, **claims: Any) -> str:
    account = speaker.accounts["bithumb"]
    stamped = {"timestamp": speaker.wall_ms, **claims}
    token = korean_token(
        account["access_key"], account["secret_key"], "", nonce or str(uuid4()), "HS256", **stamped
    )
    return f"Bearer {token}"


def private(speaker: Speaker, *kinds: str, form: str = "DEFAULT") -> Client:
    client = connect(speaker, "bithumb", PRIVATE, authorization=bearer(speaker))
    client.say([{"ticket": "t"}, *({"type": kind} for kind in kinds), {"format": form}])
    return client


def place(speaker: Speaker, **changes: Any) -> Any:
    order = {**BID, "client_order_id": "k1", **changes}
    reply = speaker.bithumb("POST", "/v2/orders", **order)
    assert reply.status == 201, reply.body
    return reply.body


def test_public_streams_are_those_of_its_own_books(speaker: Speaker) -> None:
    client = connect(speaker, "bithumb", PUBLIC)
    wishes = [{"type": kind, "codes": ["KRW-XRP"]} for kind in ("orderbook", "ticker", "trade")]
    client.say([{"ticket": "t"}, *wishes])
    book, ticker, trade = client.heard()
    (rest,) = speaker.public("bithumb", "/v1/orderbook", "markets=KRW-XRP").body
    assert book["orderbook_units"] == rest["orderbook_units"]
    (quoted,) = speaker.public("bithumb", "/v1/ticker", "markets=KRW-XRP").body
    assert ticker["trade_price"] == trade["trade_price"] == quoted["trade_price"]
    speaker.wait(0.3)
    assert [message["stream_type"] for message in client.heard()] == ["REALTIME"] * 3


def test_an_order_is_told_in_bithumbs_names(pinned: Speaker) -> None:
    client = private(pinned, "myOrder")
    placed = place(pinned)
    wait, trade = client.heard()
    assert wait.keys() == COMMON
    assert trade.keys() == COMMON | TRADED
    assert (wait["state"], wait["side"], wait["order_id"]) == ("wait", "buy", placed["order_id"])
    assert (wait["order_price"], wait["order_quantity"], wait["order_amount"]) == (3000, 10, 30000)
    assert (trade["state"], trade["trade_price"], trade["trade_quantity"]) == ("trade", 3000, 6)
    assert (trade["order_quantity"], trade["remaining_quantity"]) == (10, 4)


@pytest.mark.parametrize(
    ("changes", "last", "cancel_type"),
    [
        ({"volume": "6"}, "done", None),
        ({"time_in_force": "ioc"}, "done", None),
        ({"time_in_force": "fok"}, "cancel", "tif_cancel"),
        ({"time_in_force": "post_only"}, "cancel", "tif_cancel"),
    ],
)
def test_an_orders_end_is_told_in_bithumbs_words(
    pinned: Speaker, changes: dict[str, str], last: str, cancel_type: str | None
) -> None:
    client = private(pinned, "myOrder")
    place(pinned, **changes)
    end = client.heard()[-1]
    assert (end["state"], end.get("cancel_type")) == (last, cancel_type)


def test_short_names_are_the_documented_ones(pinned: Speaker) -> None:
    client = private(pinned, "myOrder", form="SIMPLE")
    place(pinned)
    wait, trade = client.heard()
    assert {"ty", "st", "cd", "oid", "coid", "sd", "ot", "s", "op", "oq", "oa"} <= wait.keys()
    assert {"tid", "tp", "tq", "ta", "ttms", "eq", "ea", "rq"} <= trade.keys()


def test_assets_are_told_as_by_upbit(pinned: Speaker) -> None:
    client = private(pinned, "myAsset")
    place(pinned)
    assert [row["currency"] for event in client.heard() for row in event["assets"]] == [
        "KRW", "KRW", "XRP",
    ]  # fmt: skip


@pytest.mark.parametrize("case", ["old", "reused", "of upbit"])
def test_a_token_that_rest_would_refuse_is_refused(speaker: Speaker, case: str) -> None:
    token = bearer(speaker, "n")
    if case == "old":
        token = bearer(speaker, timestamp=speaker.wall_ms - 120_000)
    elif case == "reused":
        assert connect(speaker, "bithumb", PRIVATE, authorization=token).session.is_private
    else:
        account = speaker.upbit_account
        token = f"Bearer {upbit_token(account['access_key'], account['secret_key'], '', 'n')}"
    client = connect(speaker, "bithumb", PRIVATE, authorization=token)
    assert client.one()["error"]["name"] == "INVALID_AUTH"
    assert client.last[-1].kind == frames.CLOSE


def test_the_first_private_version_is_gone(speaker: Speaker) -> None:
    old = knock(speaker, "bithumb", "/websocket/v1/private", authorization=bearer(speaker))
    assert isinstance(old, Reply)
    assert old.status == 404


def test_ten_connections_a_second_and_a_ban_for_who_goes_on() -> None:
    speaker = Speaker(new_simulator(scenario="default", speed=1))

    def opened(times: int) -> int:
        return sum(isinstance(knock(speaker, "bithumb", PUBLIC), Session) for _ in range(times))

    assert opened(20) == 10
    speaker.wait(1)
    assert opened(1) == 0
    speaker.wait(600)
    assert opened(1) == 1
