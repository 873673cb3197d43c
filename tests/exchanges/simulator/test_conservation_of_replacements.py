"""Replacements, bulk cancels, late fills and fees in BNB conserve money and are done again alike."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from exchanges.simulator.core.simulator import Input
from tests.exchanges.simulator.speaking import Speaker, new_simulator

SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"fill_latency_ms": 40_000, "partial_fill_ratio": "0.7"},
    {"bnb_usdt": "600"},
)
QUANTITIES = st.sampled_from(["10", "37.5", "400", "90000"])
PRICES = st.sampled_from(["2.20", "2.35", "2.50", "2.65", "2.80"])
NAMES = st.integers(0, 9)
OPERATIONS = st.one_of(
    st.tuples(st.just("rest"), st.sampled_from(["BUY", "SELL"]), QUANTITIES, PRICES, NAMES),
    st.tuples(st.just("replace"), st.sampled_from(["BUY", "SELL"]), QUANTITIES, PRICES, NAMES),
    st.tuples(st.just("spend"), st.sampled_from(["7", "50.01", "9000"])),
    st.tuples(st.just("bid"), QUANTITIES, st.sampled_from(["2900", "3300", "3700"]), NAMES),
    st.tuples(st.just("again"), QUANTITIES, st.sampled_from(["2900", "3300", "3700"]), NAMES),
    st.tuples(st.just("bulk"), NAMES),
    st.tuples(st.just("wait"), st.integers(1, 90)),
)


def carry_out(speaker: Speaker, operation: Any, number: int) -> None:
    kind, *rest = operation
    speaker.nonces.append(f"n{number}")
    if kind in {"rest", "replace"}:
        place(speaker, kind, rest)
    elif kind == "spend":
        order = {"symbol": "XRPUSDT", "side": "BUY", "type": "MARKET", "quoteOrderQty": rest[0]}
        speaker.binance_raw("POST", "/api/v3/order", **order)
    elif kind == "bid":
        order = {"market": "KRW-XRP", "side": "bid", "ord_type": "limit", "volume": rest[0]}
        speaker.upbit_raw("POST", "/v1/orders", **order, price=rest[1], identifier=f"u{number}")
    elif kind == "again":
        new = {"new_ord_type": "limit", "new_volume": rest[0], "new_price": rest[1]}
        old = {"prev_order_identifier": f"u{number - 1 - rest[2]}", "new_identifier": f"u{number}"}
        speaker.upbit_raw("POST", "/v1/orders/cancel_and_new", **new, **old)
    elif kind == "bulk":
        names = f"u{number - 1 - rest[0]}"
        speaker.upbit_raw("DELETE", "/v1/orders/uuids", **{"identifiers[]": names})
    else:
        speaker.wait(rest[0])


def place(speaker: Speaker, kind: str, rest: list[Any]) -> None:
    side, quantity, price, name = rest
    order = {"symbol": "XRPUSDT", "side": side, "type": "LIMIT", "timeInForce": "GTC"}
    order |= {"quantity": quantity, "price": price, "newClientOrderId": f"b{name}"}
    if kind == "rest":
        speaker.binance_raw("POST", "/api/v3/order", **order)
        return
    mode = "ALLOW_FAILURE" if name % 2 else "STOP_ON_FAILURE"
    old = {"cancelReplaceMode": mode, "cancelOrigClientOrderId": f"b{name}"}
    speaker.binance_raw("POST", "/api/v3/order/cancelReplace", **order, **old)


@pytest.mark.parametrize("changed", SETTINGS, ids=["plain", "late", "bnb"])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(operations=st.lists(OPERATIONS, min_size=10, max_size=50), seed=st.sampled_from([1, 2]))
def test_money_is_conserved_and_the_inputs_give_the_same_history(
    operations: list[Any], seed: int, changed: dict[str, Any]
) -> None:
    inputs: list[Input] = []
    speaker = Speaker(new_simulator(seed=seed))
    speaker.simulator.recorder = inputs.append
    for venue, asset in (("upbit", "XRP"), ("binance", "XRP"), ("binance", "BNB")):
        speaker.credit(venue, asset, "3000")
    if changed:
        assert speaker.control("POST", "/control/settings", **changed).status == 200
    for number, operation in enumerate(operations):
        carry_out(speaker, operation, number)
        assert speaker.simulator.problems() == []
    speaker.wait(120)
    assert speaker.simulator.problems() == []
    again = new_simulator(seed=seed)
    for entry in inputs:
        again.replay(entry)
    again.advance_to(speaker.wall_ms)
    assert again.world.journal.lines() == speaker.simulator.world.journal.lines()
