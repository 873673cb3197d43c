"""What each venue would answer, route by route, as its documents tell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from exchanges.values import Market
from tests.exchanges.payloads import binance, bithumb_private, upbit_private, upbit_public
from tests.exchanges.raw_server import Behaviour, reply

# Binance shows 90 days: a history that is older would not be listed at all.
AN_HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)


def _listed(order: bytes) -> Any:
    """Give an order as a list of several shows it: without its trades."""
    return {name: value for name, value in json.loads(order).items() if name != "trades"}


CHANCE = {
    "bid_fee": "0.0005",
    "ask_fee": "0.0005",
    "market": {"state": "active", "bid": {"min_total": "5000"}, "ask": {"min_total": "5000"}},
}
WITHDRAW_CHANCE = {
    "currency": {"withdraw_fee": "0.4"},
    "withdraw_limit": {"minimum": "1", "fixed": 6, "can_withdraw": True},
}
OUR_KEYS = [
    {"access_key": "another", "expire_at": "2026-12-01T09:00:00+09:00"},
    {"access_key": "kimp-test-access", "expire_at": "2027-07-01T09:00:00+09:00"},
]
UPBIT_ROUTES: dict[str, Any] = {
    "GET /v1/api_keys": OUR_KEYS,
    "GET /v1/orderbook": upbit_public("GetOrderBook"),
    "GET /v1/orderbook/instruments": upbit_private("GET /v1/orderbook/instruments"),
    "GET /v1/ticker": upbit_public("GetTickers"),
    "GET /v1/orders/chance": CHANCE,
    "GET /v1/accounts": upbit_private("GET /v1/accounts"),
    "GET /v1/order": upbit_private("GET /v1/order done"),
    "GET /v1/orders/open": [],
    "GET /v1/orders/closed": [_listed(upbit_private("GET /v1/order done"))],
    "GET /v1/orders/uuids": [_listed(upbit_private("GET /v1/order done"))],
    "POST /v1/orders": upbit_private("POST /v1/orders (201)"),
    "GET /v1/market/all": upbit_public("GetSymbols"),
    "GET /v1/status/wallet": upbit_private("GET /v1/status/wallet"),
    "GET /v1/withdraws/chance": WITHDRAW_CHANCE,
    "GET /v1/deposits/chance/coin": {"is_deposit_possible": True},
    "GET /v1/deposits/coin_address": upbit_private("GET /v1/deposits/coin_address"),
    "GET /v1/withdraws/coin_addresses": upbit_private("GET /v1/withdraws/coin_addresses"),
    "GET /v1/withdraws": [json.loads(upbit_private("GET /v1/withdraw done"))],
    "GET /v1/deposits": [json.loads(upbit_private("GET /v1/deposits"))],
    "POST /v1/withdraws/coin": upbit_private("POST /v1/withdraws/coin (201)"),
}
BITHUMB_ROUTES: dict[str, Any] = {
    "GET /v1/api_keys": OUR_KEYS,
    **{
        f"GET /v1/{path}": bithumb_private(f"GET /v1/{path}")
        for path in (
            "orderbook",
            "ticker",
            "orders/chance",
            "accounts",
            "status/wallet",
            "withdraws/chance",
            "withdraws/coin_addresses",
            "deposits/coin_address",
        )
    },
    "GET /v1/market/all": [
        {"market": "KRW-XRP", "korean_name": "엑스알피 [리플]", "english_name": "XRP"}
    ],
    "GET /v1/order": bithumb_private("GET /v1/order done"),
    "GET /v1/orders": [_listed(bithumb_private("GET /v1/order done"))],
    "POST /v2/orders": bithumb_private("POST /v2/orders (201)"),
    "GET /v1/withdraws": [json.loads(bithumb_private("GET /v1/withdraw done"))],
    "GET /v1/deposits": [json.loads(bithumb_private("GET /v1/deposits"))],
    "POST /v1/withdraws/coin": bithumb_private("POST /v1/withdraws/coin (201)"),
}
FILTERS = [
    {"filterType": "PRICE_FILTER", "tickSize": "0.00000100"},
    {"filterType": "LOT_SIZE", "stepSize": "0.00000100"},
    {"filterType": "MIN_NOTIONAL", "minNotional": "0.0001"},
]
LTC_ORDER = {"clientOrderId": "kimp-1", "orderId": 100234, "origQty": "12", "executedQty": "12"}
BINANCE_ROUTES: dict[str, Any] = {
    "GET /api/v3/depth": binance("spot", "depth"),
    "GET /api/v3/exchangeInfo": {
        "symbols": [{"symbol": "LTCBTC", "status": "TRADING", "filters": FILTERS}]
    },
    "GET /sapi/v1/asset/tradeFee": binance("wallet", "trade_fee", symbol="LTCBTC"),
    "GET /api/v3/account": binance("spot", "get_account"),
    "GET /api/v3/order": binance("spot", "get_order", status="FILLED", **LTC_ORDER),
    "GET /api/v3/allOrders": binance("spot", "all_orders", status="FILLED", **LTC_ORDER),
    "GET /api/v3/myTrades": binance("spot", "my_trades"),
    "POST /api/v3/order": binance("spot", "new_order", symbol="LTCBTC", clientOrderId="kimp-1"),
    "GET /sapi/v1/capital/config/getall": binance("wallet", "all_coins_information", coin="XRP"),
    "GET /sapi/v1/capital/deposit/address": binance("wallet", "deposit_address", coin="XRP"),
    "GET /sapi/v1/capital/withdraw/address/list": binance(
        "wallet", "fetch_withdraw_address_list", coin="XRP"
    ),
    "GET /sapi/v1/capital/withdraw/history": binance(
        "wallet", "withdraw_history", coin="XRP", applyTime=f"{AN_HOUR_AGO:%Y-%m-%d %H:%M:%S}"
    ),
    "GET /sapi/v1/capital/deposit/hisrec": binance(
        "wallet", "deposit_history", coin="XRP", insertTime=int(AN_HOUR_AGO.timestamp()) * 1000
    ),
    "POST /sapi/v1/capital/withdraw/apply": binance("wallet", "withdraw"),
    "GET /sapi/v1/localentity/questionnaire-requirements": {"questionnaireCountryCode": "NIL"},
    "GET /sapi/v1/account/apiRestrictions": binance("wallet", "get_api_key_permission"),
    "GET /api/v3/time": binance("spot", "time"),
}

RECORDED = {
    "upbit": (UPBIT_ROUTES, Market("BTC", "KRW"), "XRP"),
    "bithumb": (BITHUMB_ROUTES, Market("BTC", "KRW"), "XRP"),
    "binance": (BINANCE_ROUTES, Market("LTC", "BTC"), "BSC"),
}


def behaviours(routes: Mapping[str, Any]) -> dict[str, Behaviour]:
    return {
        name: reply(
            body if isinstance(body, bytes) else json.dumps(body).encode(),
            headers={"Date": "Fri, 20 Nov 2026 07:00:01 GMT"},
        )
        for name, body in routes.items()
    }
