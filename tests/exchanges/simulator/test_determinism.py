"""The same seed and the same requests give the same history; a log of inputs gives it again."""

from __future__ import annotations

import random

from exchanges.simulator.core.simulator import Input, Simulator
from tests.exchanges.simulator.speaking import BEGIN_MS, Speaker, new_simulator


def trade_and_send(speaker: Speaker, seed: int) -> None:
    """Do a reproducible mixture of orders, transfers, reads and waiting."""
    choice = random.Random(seed)
    speaker.credit("binance", "XRP", "5000")
    to = speaker.address("upbit", "XRP")
    for number in range(120):
        speaker.wait(choice.uniform(0.01, 2))
        side = choice.choice(["BUY", "SELL"])
        kind = choice.randrange(5)
        if kind == 0:
            order = {"symbol": "XRPUSDT", "side": side, "type": "LIMIT", "timeInForce": "GTC"}
            price = {"quantity": "50", "price": choice.choice(["2.4", "2.5", "2.6"])}
            speaker.binance(
                "POST", "/api/v3/order", **order, **price, newClientOrderId=f"b{number}"
            )
        elif kind == 1:
            market = {
                "market": "KRW-XRP",
                "side": side.replace("BUY", "bid").replace("SELL", "ask"),
            }
            price = {"volume": "30", "price": choice.choice(["3300", "3400", "3500"])}
            speaker.nonces.append(f"n{number}")
            speaker.upbit("POST", "/v1/orders", **market, ord_type="limit", **price)
        elif kind == 2:
            market = {"market": "KRW-XRP", "side": choice.choice(["bid", "ask"]), "volume": "30"}
            price = {"price": choice.choice(["3300", "3400", "3500"]), "order_type": "limit"}
            speaker.nonces.append(f"n{number}")
            speaker.bithumb("POST", "/v2/orders", **market, **price)
        elif kind == 3:
            request = {"coin": "XRP", "network": "XRP", "amount": "20"}
            speaker.binance(
                "POST",
                "/sapi/v1/capital/withdraw/apply",
                **request,
                address=to["address"],
                addressTag=to["tag"],
            )
        else:
            speaker.control("GET", "/control/markets")
    speaker.wait(120)


def test_the_same_seed_and_requests_give_a_byte_identical_journal() -> None:
    journals = []
    for _ in range(2):
        speaker = Speaker(new_simulator(seed=5))
        trade_and_send(speaker, 5)
        journals.append(speaker.simulator.world.journal.lines())
    assert journals[0] == journals[1]
    assert len(journals[0].splitlines()) > 100


def test_another_seed_gives_another_journal() -> None:
    speakers = [Speaker(new_simulator(seed=seed)) for seed in (5, 6)]
    for speaker in speakers:
        trade_and_send(speaker, 5)
    assert len({speaker.simulator.world.journal.lines() for speaker in speakers}) == 2


def test_replaying_the_recorded_inputs_gives_the_same_world() -> None:
    inputs: list[Input] = []
    first = Speaker(new_simulator(seed=5))
    first.simulator.recorder = inputs.append
    trade_and_send(first, 7)
    again = new_simulator(seed=5)
    for entry in inputs:
        again.replay(entry)
    again.advance_to(first.wall_ms)
    assert again.world.journal.lines() == first.simulator.world.journal.lines()
    assert again.world.vault.cells == first.simulator.world.vault.cells
    assert len(inputs) > 50


def test_what_happens_does_not_depend_on_how_often_time_is_advanced() -> None:
    worlds = []
    for step_ms in (250, 60_000):
        speaker = Speaker(new_simulator(seed=9))
        speaker.credit("binance", "XRP", "1000")
        order = {"symbol": "XRPUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC"}
        speaker.binance(
            "POST", "/api/v3/order", **order, quantity="500", price="2.55", newClientOrderId="r"
        )
        to = speaker.address("upbit", "XRP")
        speaker.binance(
            "POST",
            "/sapi/v1/capital/withdraw/apply",
            coin="XRP",
            network="XRP",
            amount="100",
            address=to["address"],
            addressTag=to["tag"],
        )
        for wall_ms in range(BEGIN_MS, BEGIN_MS + 120_001, step_ms):
            speaker.simulator.advance_to(wall_ms)
        worlds.append(speaker.simulator.world.journal.lines())
    assert worlds[0] == worlds[1]
    assert b'"fill"' in worlds[0]
    assert b'"deposit_credited"' in worlds[0]


def test_signatures_and_keys_are_not_in_what_is_recorded() -> None:
    inputs: list[Input] = []
    speaker = Speaker(new_simulator())
    speaker.simulator.recorder = inputs.append
    order = {"market": "KRW-XRP", "side": "bid", "ord_type": "price", "price": "10000"}
    assert speaker.upbit("POST", "/v1/orders", **order).status == 201
    assert "authorization" not in inputs[-1].request.headers
    seen = speaker.control("GET", "/control/requests").body
    assert not any("signature=" in row["query"] for row in seen)


def test_the_simulator_has_no_state_outside_itself() -> None:
    one, two = Speaker(new_simulator(seed=3)), Speaker(new_simulator(seed=3))
    trade_and_send(one, 1)
    assert isinstance(two.simulator, Simulator)
    assert two.simulator.world.journal.written == 1
