"""Adapters speak a venue's words, the business ours: over sockets, with a venue that calls all by other names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from exchanges.adapters.upbit.client import UpbitVenue
from exchanges.errors import UnprovenAssetError
from exchanges.identity.listed import Standing, Tie
from exchanges.identity.named_venue import NamedVenue
from exchanges.identity.names import names_of
from exchanges.transport.wire import Keys
from exchanges.values import (
    DepositAddress,
    Market,
    OrderKey,
    OrderRequest,
    Side,
    WithdrawalRequest,
)
from tests.exchanges.payloads import upbit_private
from tests.exchanges.raw_server import RawServer, by_path, reply, serving

NOW = datetime(2026, 11, 20, 7, tzinfo=UTC)
KEYS = Keys(access="a", secret="s")
ADDRESS = {
    "currency": "TETHER",
    "net_type": "TRC20",
    "deposit_address": "TOurs",
    "secondary_address": None,
}
ALLOWED = {"currency": "TETHER", "net_type": "TRC20", "withdraw_address": "TTheirs"}
ROUTES: dict[str, Any] = {
    "GET /v1/deposits/coin_address": ADDRESS,
    "GET /v1/withdraws/coin_addresses": [ALLOWED],
    "GET /v1/accounts": [
        {"currency": "TETHER", "balance": "7", "locked": "0"},
        {"currency": "USDT", "balance": "9", "locked": "0"},
        {"currency": "KRW", "balance": "1000", "locked": "0"},
    ],
}  # fmt: skip


@pytest.fixture
def server() -> Iterator[RawServer]:
    order = json.loads(upbit_private("POST /v1/orders (201)"))
    sent = json.loads(upbit_private("POST /v1/withdraws/coin (201)"))
    done = json.loads(upbit_private("GET /v1/order done"))
    came = json.loads(upbit_private("GET /v1/deposits"))
    routes = {
        **ROUTES,
        "POST /v1/orders": {**order, "market": "KRW-TETHER", "identifier": "k1"},
        "GET /v1/orders/uuids": [{**done, "market": "KRW-TETHER", "identifier": "k1"}],
        "GET /v1/withdraws": [{**sent, "currency": "TETHER", "net_type": "TRC20"}],
        "GET /v1/deposits": [
            {**came, "currency": "TETHER", "net_type": "TRC20"},
            {**came, "currency": "USDT", "net_type": "ETH", "state": "A_NEW_WORD"},
        ],
        "POST /v1/withdraws/coin": {**sent, "currency": "TETHER", "net_type": "TRC20"},
    }
    behaviours = {path: reply(json.dumps(body).encode()) for path, body in routes.items()}
    with serving(by_path(behaviours)) as made:
        yield made


def venue(server: RawServer, standing: Standing = Standing.PROVEN) -> NamedVenue:
    """Give Upbit as if it called USDT `TETHER`, Tron `TRC20`, and another coin `USDT`."""
    ties = [
        Tie(symbol="TETHER", venue_network="TRC20", asset="USDT", network="TRX", standing=standing),
        Tie(symbol="USDT", venue_network="ETH", asset="", network="", standing=Standing.UNPROVEN),
    ]
    names = names_of("upbit", ties)
    adapter = UpbitVenue(base_url=server.url, keys=KEYS, clock=lambda: NOW)
    return NamedVenue(adapter, lambda: names)


def order(side: Side) -> OrderRequest:
    return OrderRequest(
        market=Market("USDT", "KRW"), side=side, quantity=Decimal(10), limit_price=Decimal(1400),
        client_order_id="k1",
    )  # fmt: skip


def withdrawal() -> WithdrawalRequest:
    there = DepositAddress(venue="binance", asset="USDT", network="TRX", address="TT", memo=None)
    return WithdrawalRequest(
        destination=there, quantity=Decimal(5), network_fee=Decimal(1), client_withdrawal_id="w1"
    )


def test_what_goes_out_carries_the_venues_names_and_what_comes_back_ours(server: RawServer) -> None:
    named = venue(server)
    report = named.place_order(order(Side.BUY))
    assert b'"KRW-TETHER"' in server.requests[-1]
    assert report.market == Market("USDT", "KRW")
    sent = named.withdraw(withdrawal())
    assert b'"currency":"TETHER","net_type":"TRC20"' in server.requests[-1]
    assert (sent.asset, sent.network) == ("USDT", "TRX")
    named.close()


def test_addresses_come_back_in_our_codes(server: RawServer) -> None:
    named = venue(server)
    ours = named.deposit_address("USDT", network="TRX")
    assert ours == DepositAddress(
        venue="upbit", asset="USDT", network="TRX", address="TOurs", memo=None
    )
    assert b"currency=TETHER&net_type=TRC20" in server.requests[-1]
    assert [(one.asset, one.network) for one in named.withdrawal_addresses("USDT")] == [
        ("USDT", "TRX")
    ]
    named.close()


def test_another_coin_of_the_same_ticker_is_not_booked_as_ours(server: RawServer) -> None:
    named = venue(server)
    balances = named.balances()
    named.close()
    assert {asset: row.free for asset, row in balances.items()} == {
        "USDT": Decimal(7),
        "USDT?": Decimal(9),
        "KRW": Decimal(1000),
    }


@pytest.mark.parametrize("standing", [Standing.UNPROVEN, Standing.BLOCKED])
def test_what_nobody_vouches_for_is_neither_bought_nor_sent(
    server: RawServer, standing: Standing
) -> None:
    named = venue(server, standing)
    for act in (lambda: named.place_order(order(Side.BUY)), lambda: named.withdraw(withdrawal())):
        with pytest.raises(UnprovenAssetError):
            act()
    named.close()
    assert server.requests == []


def test_a_sale_needs_no_new_proof_but_a_block_stops_it(server: RawServer) -> None:
    named = venue(server, Standing.UNPROVEN)
    assert named.place_order(order(Side.SELL)).market == Market("USDT", "KRW")
    named.close()
    blocked = venue(server, Standing.BLOCKED)
    with pytest.raises(UnprovenAssetError):
        blocked.place_order(order(Side.SELL))
    blocked.close()


def test_what_is_listed_of_the_whole_account_is_in_our_codes(server: RawServer) -> None:
    named, since = venue(server), datetime(2019, 1, 1, tzinfo=UTC)
    sent, came = named.all_withdrawals(since=since), named.all_deposits(since=since)
    assert [(row.asset, row.network) for row in sent.rows] == [("USDT", "TRX")]
    assert [(row.asset, row.network) for row in came.rows] == [("USDT", "TRX")]
    assert came.unreadable == {"USDT?"}, "another coin's row must not hide ours"
    keys = [OrderKey(market=Market("USDT", "KRW"), client_order_id="k1")]
    assert [row.market for row in named.orders(keys, since=since)] == [Market("USDT", "KRW")]
    named.close()


def test_a_hint_is_about_our_assets(server: RawServer) -> None:
    named = venue(server)
    frame = {"type": "myAsset", "assets": [{"currency": "TETHER"}, {"currency": "USDT"}]}
    hint = named.hint(json.dumps(frame).encode())
    assert hint is not None
    assert hint.assets == frozenset({"USDT", "USDT?"})
    assert named.stream_request().path == "/websocket/v1/private"
    named.close()
