"""Replies have the shapes of the venues' own SDKs."""

from __future__ import annotations

from typing import Any

import jsonschema  # type: ignore[import-untyped]  # ships no types
import pytest

from tests.exchanges.payloads import recorded
from tests.exchanges.simulator.speaking import Said, Speaker

SCHEMAS = recorded("upbit_sdk_schemas")["schemas"]
BINANCE = recorded("binance_official_sdk")["data"]
# Example replies list optional parts of orders nobody here can place, and margin fields.
BEYOND = {
    "icebergQty", "preventedMatchId", "preventedQuantity", "stopPrice", "strategyId",
    "strategyType", "trailingDelta", "trailingTime", "usedSor", "workingFloor", "pegPriceType",
    "pegOffsetType", "pegOffsetValue", "peggedPrice", "expiryReason", "priceExponent", "count",
    "sors",
}  # fmt: skip


BID = {"market": "KRW-XRP", "side": "bid", "ord_type": "limit", "volume": "10"}


@pytest.fixture
def used(speaker: Speaker) -> Speaker:
    """Give a world with an order, a withdrawal and a deposit at each venue."""
    for venue in ("upbit", "binance"):
        speaker.credit(venue, "XRP", "1000")
    speaker.pin("binance", "XRPUSDT", [["2.4", "1000"]], [["2.5", "1000"]])
    speaker.pin("upbit", "KRW-XRP", [["2990", "1000"]], [["3000", "1000"]])
    order = {"market": "KRW-XRP", "side": "bid", "ord_type": "limit", "volume": "10"}
    speaker.upbit("POST", "/v1/orders", **order, price="3000", identifier="k1")
    speaker.upbit("POST", "/v1/orders", **order, price="2000", identifier="k2")
    buy = {"symbol": "XRPUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    speaker.binance(
        "POST", "/api/v3/order", **buy, quantity="10", price="2.5", newClientOrderId="k1"
    )
    speaker.binance(
        "POST", "/api/v3/order", **buy, quantity="10", price="2.0", newClientOrderId="k2"
    )
    there, here = speaker.address("binance", "XRP"), speaker.address("upbit", "XRP")
    request = {"currency": "XRP", "net_type": "XRP", "amount": "100"}
    speaker.upbit(
        "POST",
        "/v1/withdraws/coin",
        **request,
        address=there["address"],
        secondary_address=there["tag"],
    )
    coin = {"coin": "XRP", "network": "XRP", "amount": "100", "withdrawOrderId": "w1"}
    speaker.binance(
        "POST",
        "/sapi/v1/capital/withdraw/apply",
        **coin,
        address=here["address"],
        addressTag=here["tag"],
    )
    speaker.wait(10)
    return speaker


UPBIT_PUBLIC = [
    ("TradingPairListResponse", "/v1/market/all", "is_details=true"),
    ("TickerListByTradingPairsResponse", "/v1/ticker", "markets=KRW-XRP"),
    ("TickerListByQuoteCurrenciesResponse", "/v1/ticker/all", "quote_currencies=KRW"),
    ("OrderbookListResponse", "/v1/orderbook", "markets=KRW-XRP,KRW-BTC"),
    ("OrderbookListInstrumentsResponse", "/v1/orderbook/instruments", "markets=KRW-XRP"),
]
UPBIT_PRIVATE = [
    ("AccountListResponse", "/v1/accounts", {}),
    ("Order", "/v1/order", {"identifier": "k1"}),
    ("OrderListClosedResponse", "/v1/orders/closed", {"market": "KRW-XRP"}),
    ("OrderListByUuidsResponse", "/v1/orders/uuids", {"identifiers[]": "k1"}),
    ("OrderRetrieveChanceResponse", "/v1/orders/chance", {"market": "KRW-XRP"}),
    ("DepositListCoinAddressesResponse", "/v1/deposits/coin_addresses", {}),
    ("DepositAddress", "/v1/deposits/coin_address", {"currency": "XRP", "net_type": "XRP"}),
    ("Deposit", "/v1/deposit", {"currency": "XRP"}),
    (
        "DepositRetrieveChanceResponse",
        "/v1/deposits/chance/coin",
        {"currency": "XRP", "net_type": "XRP"},
    ),
    ("Withdraw", "/v1/withdraw", {"currency": "XRP"}),
    ("WithdrawListCoinAddressesResponse", "/v1/withdraws/coin_addresses", {}),
    (
        "WithdrawRetrieveChanceResponse",
        "/v1/withdraws/chance",
        {"currency": "XRP", "net_type": "XRP"},
    ),
    ("WalletStatusListResponse", "/v1/status/wallet", {}),
    ("TravelRuleListVaspsResponse", "/v1/travel_rule/vasps", {}),
    ("OrderListClosedResponse", "/v1/orders/open", {"market": "KRW-XRP"}),
]
UPBIT_WRITES = [
    ("Order", "/v1/orders", {**BID, "price": "2000"}),
    ("Order", "/v1/orders/test", {**BID, "price": "2000"}),
    ("Order", "/v1/orders/cancel_and_new", {"prev_order_identifier": "k2", "new_ord_type": "limit",
                                            "new_price": "2100", "new_volume": "10"}),
    ("DepositCreateCoinAddressResponse", "/v1/deposits/generate_coin_address",
     {"currency": "XRP", "net_type": "XRP"}),
]  # fmt: skip
UPBIT_ELSEWHERE = {
    "ListSubscriptionsResponse": "a stream's",
    "ListSubscriptionsServerResponse": "a stream's",
    "WithdrawCreateKrwWithdrawalResponse": "won comes and goes by a control call",
    "Ticker": "inside of the two lists of tickers",
}


@pytest.mark.parametrize(("schema", "path", "body"), UPBIT_WRITES, ids=lambda v: str(v)[:40])
def test_what_upbit_replies_to_a_write_is_valid_for_the_official_sdk(
    used: Speaker, schema: str, path: str, body: dict[str, str]
) -> None:
    reply = used.upbit("POST", path, **body)
    assert reply.status == 201, reply.body
    jsonschema.validate(reply.body, SCHEMAS[schema])


def test_every_schema_of_upbits_sdk_is_held_here_or_elsewhere() -> None:
    rows = (*UPBIT_PRIVATE, *UPBIT_WRITES, *UPBIT_PUBLIC)
    assert {row[0] for row in rows} | set(UPBIT_ELSEWHERE) == set(SCHEMAS)


@pytest.mark.parametrize(("schema", "path", "params"), UPBIT_PRIVATE, ids=lambda v: str(v)[:40])
def test_a_private_upbit_reply_is_valid_for_the_official_sdk(
    used: Speaker, schema: str, path: str, params: dict[str, str]
) -> None:
    reply = used.upbit("GET", path, **params)
    assert reply.status == 200, reply.body
    assert reply.body != []
    jsonschema.validate(reply.body, SCHEMAS[schema])


@pytest.mark.parametrize(("schema", "path", "query"), UPBIT_PUBLIC)
def test_a_public_upbit_reply_is_valid_once_its_numbers_are_read_as_text(
    used: Speaker, schema: str, path: str, query: str
) -> None:
    # The venue sends JSON numbers; the SDK's models hold them as strings.
    reply = used.public("upbit", path, query)
    jsonschema.validate(texts(reply.body), SCHEMAS[schema])


def texts(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: texts(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [texts(item) for item in value]
    if key.endswith("timestamp") or isinstance(value, (bool, str)) or value is None:
        return value
    return str(value)


def ask(speaker: Speaker, path: str, params: dict[str, str]) -> Said:
    return speaker.binance("GET", path, **params)


BINANCE_READS = [
    ("spot", "get_order", {"symbol": "XRPUSDT", "origClientOrderId": "k1"}),
    ("spot", "get_open_orders", {}),
    ("spot", "all_orders", {"symbol": "XRPUSDT"}),
    ("spot", "my_trades", {"symbol": "XRPUSDT"}),
    ("spot", "get_account", {}),
    ("spot", "rate_limit_order", {}),
    ("wallet", "all_coins_information", {}),
    ("wallet", "deposit_address", {"coin": "XRP", "network": "XRP"}),
    ("wallet", "deposit_history", {"coin": "XRP"}),
    ("wallet", "withdraw_history", {"coin": "XRP"}),
    ("wallet", "fetch_withdraw_address_list", {}),
    ("wallet", "fetch_withdraw_quota", {}),
    ("wallet", "get_api_key_permission", {}),
    ("wallet", "account_status", {}),
    ("wallet", "trade_fee", {}),
    ("spot", "account_commission", {"symbol": "XRPUSDT"}),
    ("wallet", "account_api_trading_status", {}),
    ("wallet", "check_questionnaire_requirements", {}),
]
BINANCE_PUBLIC = [
    ("spot", "exchange_info", ""),
    ("spot", "depth", "symbol=XRPUSDT"),
    ("spot", "time", ""),
    ("spot", "ticker_book_ticker", "symbol=XRPUSDT"),
    ("spot", "ticker_price", "symbol=XRPUSDT"),
    ("spot", "ticker24hr", "symbol=XRPUSDT"),
    ("spot", "get_trades", "symbol=XRPUSDT"),
    ("wallet", "system_status", ""),
]
BUY = {"symbol": "XRPUSDT", "side": "BUY", "type": "MARKET", "quantity": "10"}
OLD = {"symbol": "XRPUSDT", "origClientOrderId": "k2"}
BINANCE_WRITES: list[tuple[str, str, dict[str, str]]] = [
    ("spot", "new_order", BUY),
    ("spot", "order_test", {**BUY, "computeCommissionRates": "true"}),
    ("spot", "delete_order", OLD),
    ("spot", "delete_open_orders", {"symbol": "XRPUSDT"}),
    ("spot", "order_cancel_replace",
     {**BUY, "cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrigClientOrderId": "k2"}),
    ("wallet", "user_asset", {}),
]  # fmt: skip
BINANCE_ELSEWHERE = {
    "asset_detail": "keyed by asset, held below",
    "funding_wallet": "an empty list, as the account has no such wallet",
    "withdraw": "held below",
}


def test_every_official_example_of_binance_is_held_here_or_elsewhere() -> None:
    rows = (*BINANCE_READS, *BINANCE_PUBLIC, *BINANCE_WRITES)
    held = {(row[0], row[1]) for row in rows}
    held |= {("wallet", name) for name in BINANCE_ELSEWHERE}
    examples = {(group, name) for group, rows in BINANCE.items() for name in rows}
    left = {BINANCE[group][name]["http"] for group, name in examples - held}
    assert {path for path in left if "localentity" not in path} <= {"/sapi/v1/addressVerify/list"}


def missing(expected: Any, got: Any, at: str = "") -> list[str]:
    """Name the keys of the official example that a reply lacks, nested rows included."""
    if isinstance(expected, list) and expected and isinstance(got, list):
        return missing(expected[0], got[0], f"{at}[]") if got else [f"{at} is empty"]
    if not isinstance(expected, dict):
        return []
    lacking = [f"{at}.{key}" for key in expected if key not in got and key not in BEYOND]
    nested = [key for key in expected if key in got and isinstance(expected[key], list | dict)]
    skipped = {"permissions", "permissionSets", "exchangeFilters"}
    return lacking + [
        lack
        for key in nested
        if key not in skipped
        for lack in missing(expected[key], got[key], key)
    ]


@pytest.mark.parametrize(("group", "name", "params"), BINANCE_READS, ids=lambda v: str(v)[:30])
def test_a_signed_binance_reply_has_every_key_of_the_official_example(
    used: Speaker, group: str, name: str, params: dict[str, str]
) -> None:
    example = BINANCE[group][name]
    reply = ask(used, example["http"], params)
    assert reply.status == 200, reply.body
    assert missing(example["response"], reply.body) == []


@pytest.mark.parametrize(("group", "name", "query"), BINANCE_PUBLIC)
def test_a_public_binance_reply_has_every_key_of_the_official_example(
    used: Speaker, group: str, name: str, query: str
) -> None:
    example = BINANCE[group][name]
    reply = used.public("binance", example["http"], query)
    assert missing(example["response"], reply.body) == []


@pytest.mark.parametrize(("group", "name", "params"), BINANCE_WRITES, ids=lambda v: str(v)[:30])
def test_a_reply_to_a_binance_write_has_every_key_of_the_official_example(
    used: Speaker, group: str, name: str, params: dict[str, str]
) -> None:
    example = BINANCE[group][name]
    reply = used.binance(example["method"], example["http"], **params)
    assert reply.status == 200, reply.body
    assert missing(example["response"], reply.body) == []


def test_the_shorter_list_of_assets_has_every_key_but_a_tip(used: Speaker) -> None:
    example = BINANCE["wallet"]["asset_detail"]
    told = used.binance("GET", example["http"]).body
    assert missing(example["response"]["SKY"], told["XRP"]) == []


def test_an_account_without_a_funding_wallet_has_nothing_in_it(used: Speaker) -> None:
    example = BINANCE["wallet"]["funding_wallet"]
    assert used.binance(example["method"], example["http"]).body == []


def test_an_accepted_withdrawal_is_told_by_its_id(used: Speaker) -> None:
    example, here = BINANCE["wallet"]["withdraw"], used.address("upbit", "XRP")
    to = {"address": here["address"], "addressTag": here["tag"]}
    row = {"coin": "XRP", "network": "XRP", "amount": "20"}
    reply = used.binance(example["method"], example["http"], **row, **to)
    assert missing(example["response"], reply.body) == []
