"""The same order, look-up and withdrawal at either venue, for tests that let them go wrong."""

from __future__ import annotations

from typing import Any

from exchanges.simulator.core.values import Fault, Reply
from tests.exchanges.simulator.speaking import Speaker, said

ORDER = {
    "binance": ("/api/v3/order", {"symbol": "XRPUSDT", "side": "BUY", "type": "LIMIT",
                                  "timeInForce": "IOC", "quantity": "10", "price": "2.5"}),
    "upbit": ("/v1/orders", {"market": "KRW-XRP", "side": "bid", "ord_type": "limit",
                             "volume": "10", "price": "3000"}),
}  # fmt: skip


def ask(speaker: Speaker, venue: str, method: str, path: str, **params: Any) -> Reply | Fault:
    speak = speaker.upbit_raw if venue == "upbit" else speaker.binance_raw
    return speak(method, path, **params)


def order(speaker: Speaker, venue: str, client_id: str = "k1", **changes: Any) -> Reply | Fault:
    path, params = ORDER[venue]
    name = "identifier" if venue == "upbit" else "newClientOrderId"
    return ask(speaker, venue, "POST", path, **{**params, name: client_id, **changes})


def look_up(speaker: Speaker, venue: str, client_id: str = "k1") -> Any:
    if venue == "upbit":
        return said(speaker.upbit_raw("GET", "/v1/order", identifier=client_id))
    key = {"symbol": "XRPUSDT", "origClientOrderId": client_id}
    return said(speaker.binance_raw("GET", "/api/v3/order", **key))


def send(speaker: Speaker, venue: str, amount: str = "100") -> Reply | Fault:
    to = speaker.address("binance" if venue == "upbit" else "upbit", "XRP")
    if venue == "upbit":
        path, names = "/v1/withdraws/coin", ("currency", "net_type", "secondary_address")
    else:
        path, names = "/sapi/v1/capital/withdraw/apply", ("coin", "network", "addressTag")
    where = dict(zip(names, ("XRP", "XRP", to["tag"]), strict=True))
    return ask(speaker, venue, "POST", path, **where, address=to["address"], amount=amount)


def rows(speaker: Speaker, venue: str, what: str) -> Any:
    paths = {
        ("upbit", "deposits"): "/v1/deposits",
        ("upbit", "withdrawals"): "/v1/withdraws",
        ("binance", "deposits"): "/sapi/v1/capital/deposit/hisrec",
        ("binance", "withdrawals"): "/sapi/v1/capital/withdraw/history",
    }
    return said(ask(speaker, venue, "GET", paths[venue, what])).body


def truth(speaker: Speaker) -> Any:
    return [(row["fault"], row["applied"]) for row in speaker.rows("fault")]
