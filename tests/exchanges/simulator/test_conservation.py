"""Whatever is asked in whatever order, no money appears, vanishes or is locked for nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from exchanges.simulator.core.errors import InvariantViolationError
from exchanges.simulator.core.vault import OUTSIDE, Vault
from tests.exchanges.simulator.speaking import Speaker, new_simulator

QUANTITY = st.decimals("0.00000001", "400", places=8)
OPERATIONS = st.one_of(
    st.tuples(
        st.just("binance"),
        st.sampled_from(["BUY", "SELL"]),
        st.sampled_from(["GTC", "IOC", "FOK"]),
        st.decimals("1", "400", places=1),
        st.decimals("2.2", "2.8", places=4),
    ),
    st.tuples(
        st.just("upbit"),
        st.sampled_from(["bid", "ask"]),
        st.sampled_from(["", "ioc", "fok", "post_only"]),
        st.decimals("2", "400", places=8),
        st.integers(2700, 3800),
    ),
    st.tuples(st.just("send"), st.sampled_from(["upbit", "binance"]), QUANTITY),
    st.tuples(st.just("cancel"), st.sampled_from(["upbit", "binance"])),
    st.tuples(st.just("wait"), st.integers(1, 60)),
    st.tuples(st.just("fault"), st.sampled_from(["F2", "F13", "F14", "F24", "F27", "F28"])),
)


def carry_out(speaker: Speaker, operation: Any, number: int) -> None:
    kind, *rest = operation
    if kind == "binance":
        side, force, quantity, price = rest
        order = {"symbol": "XRPUSDT", "side": side, "type": "LIMIT", "timeInForce": force}
        speaker.binance_raw(
            "POST", "/api/v3/order", **order, quantity=str(quantity), price=str(price)
        )
    elif kind == "upbit":
        side, force, volume, price = rest
        order = {"market": "KRW-XRP", "side": side, "ord_type": "limit", "volume": str(volume)}
        extra = {"time_in_force": force} if force else {}
        speaker.upbit_raw("POST", "/v1/orders", **order, price=str(price), **extra)
    elif kind == "send":
        send(speaker, rest[0], rest[1])
    elif kind == "cancel":
        cancel(speaker, rest[0])
    elif kind == "wait":
        speaker.wait(rest[0])
    else:
        speaker.fault(rest[0], "", when="once")
    del number


def send(speaker: Speaker, venue: str, quantity: Decimal) -> None:
    to = speaker.address("binance" if venue == "upbit" else "upbit", "XRP")
    amount = str(quantity.quantize(Decimal("0.000001")))
    if venue == "upbit":
        request = {"currency": "XRP", "net_type": "XRP", "amount": amount}
        speaker.upbit_raw(
            "POST",
            "/v1/withdraws/coin",
            **request,
            address=to["address"],
            secondary_address=to["tag"],
        )
    else:
        request = {"coin": "XRP", "network": "XRP", "amount": amount}
        speaker.binance_raw(
            "POST",
            "/sapi/v1/capital/withdraw/apply",
            **request,
            address=to["address"],
            addressTag=to["tag"],
        )


def cancel(speaker: Speaker, venue: str) -> None:
    if venue == "upbit":
        speaker.upbit_raw("DELETE", "/v1/orders/open")
    else:
        speaker.binance_raw("DELETE", "/api/v3/openOrders", symbol="XRPUSDT")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(operations=st.lists(OPERATIONS, min_size=5, max_size=60), seed=st.sampled_from([1, 2]))
def test_money_is_conserved_under_any_operations_and_faults(
    operations: list[Any], seed: int
) -> None:
    speaker = Speaker(new_simulator(seed=seed))
    for venue in ("upbit", "binance"):
        speaker.credit(venue, "XRP", "3000")
    for number, operation in enumerate(operations):
        carry_out(speaker, operation, number)
        assert speaker.simulator.problems() == []
    speaker.wait(300)
    assert speaker.simulator.problems() == []


def test_a_move_of_more_than_there_is_raises() -> None:
    vault = Vault()
    vault.move("XRP", Decimal(5), OUTSIDE, "upbit.free", 0)
    with pytest.raises(InvariantViolationError, match="would hold -1"):
        vault.move("XRP", Decimal(6), "upbit.free", "upbit.locked", 0)


def test_a_negative_move_raises() -> None:
    with pytest.raises(InvariantViolationError, match="negative"):
        Vault().move("XRP", Decimal(-1), OUTSIDE, "upbit.free", 0)


def test_money_made_behind_the_vaults_back_is_found() -> None:
    vault = Vault()
    vault.move("XRP", Decimal(5), OUTSIDE, "upbit.free", 0)
    vault.cells["upbit.free", "XRP"] += 1
    assert vault.problems() == ["XRP sums to 1"]
