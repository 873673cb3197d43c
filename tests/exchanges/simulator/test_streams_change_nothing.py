"""Streams only look: the journal, the random source and the ids are the same without them."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from exchanges.simulator.core.books import Books
from exchanges.simulator.core.streams.binance import channels
from exchanges.simulator.core.values import BINANCE
from exchanges.simulator.core.world import World
from tests.exchanges.simulator.speaking import Speaker, new_simulator
from tests.exchanges.simulator.streaming import (
    Client,
    binance_streams,
    binance_user,
    connect,
    upbit_private,
    upbit_public,
)
from tests.exchanges.simulator.test_determinism import trade_and_send

DIFF = "xrpusdt@depth@100ms"


def listeners(speaker: Speaker) -> list[Client]:
    speaker.nonces.append("stream")
    wishes = [{"type": kind, "codes": ["KRW-XRP"]} for kind in ("orderbook", "ticker", "trade")]
    private = upbit_private(speaker, {"type": "myOrder"}, {"type": "myAsset"})
    streams = binance_streams(speaker, DIFF, "btcusdt@bookTicker", "xrpusdt@trade")
    return [upbit_public(speaker, *wishes), private, streams, binance_user(speaker)]


@pytest.mark.parametrize("seed", [5, 6])
def test_the_journal_and_the_chance_to_come_are_the_same_with_listeners(seed: int) -> None:
    worlds, heard = [], 0
    for has_listeners in (False, True):
        speaker = Speaker(new_simulator(seed=seed))
        clients = listeners(speaker) if has_listeners else []
        trade_and_send(speaker, seed)
        heard += sum(len(client.heard()) for client in clients)
        world = speaker.simulator.world
        worlds.append((world.journal.lines(), world.vault.cells, world.rng.getrandbits(64)))
    assert worlds[0] == worlds[1]
    assert heard > 300


def test_the_same_seed_and_requests_give_the_same_frames() -> None:
    runs = []
    for _ in range(2):
        speaker = Speaker(new_simulator(seed=5))
        clients = listeners(speaker)
        trade_and_send(speaker, 5)
        runs.append([client.frames() for client in clients])
    assert runs[0] == runs[1]


def test_the_update_ids_of_rest_are_the_same_with_listeners() -> None:
    ids = []
    for has_listeners in (False, True):
        speaker = Speaker(new_simulator(seed=5))
        clients = listeners(speaker) if has_listeners else []
        for _ in range(5):
            speaker.wait(0.3)
            order = {"symbol": "XRPUSDT", "side": "BUY", "type": "MARKET", "quantity": "10"}
            speaker.binance("POST", "/api/v3/order", **order)
        depth = speaker.public("binance", "/api/v3/depth", "symbol=XRPUSDT").body
        ids.append(depth)
        del clients
    assert ids[0] == ids[1]


def test_nobody_listening_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    speaker = Speaker(new_simulator())
    client = upbit_public(speaker, {"type": "orderbook", "codes": ["KRW-XRP"]})
    private = upbit_private(speaker, {"type": "myOrder"})
    for one in (client, private):
        speaker.simulator.streams.forget(one.session)
    made: list[Any] = []
    monkeypatch.setattr(Books, "_make", lambda *args: made.append(args))
    for _ in range(20):
        speaker.wait(0.3)
    assert made == []
    assert speaker.simulator.streams.channels == {}
    assert speaker.simulator.world.journal.listener is None


def test_only_the_books_that_are_listened_to_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    speaker = Speaker(new_simulator())
    connect(speaker, "binance", f"/ws/{DIFF}")
    make, made = Books._make, set()

    def note(books: Books, tape: Any, market: Any, tick: int, shaping: Any) -> Any:
        made.add(market.symbol)
        return make(books, tape, market, tick, shaping)

    monkeypatch.setattr(Books, "_make", note)
    for _ in range(5):
        speaker.wait(0.3)
    assert made == {"XRPUSDT"}


def test_a_frame_is_rendered_once_for_all_its_listeners(monkeypatch: pytest.MonkeyPatch) -> None:
    speaker = Speaker(new_simulator())
    raw = [connect(speaker, "binance", f"/ws/{DIFF}") for _ in range(30)]
    wrapped = [binance_streams(speaker, DIFF) for _ in range(30)]
    upbit = [upbit_public(speaker, {"type": "orderbook", "codes": ["KRW-XRP"]}) for _ in range(30)]
    for client in upbit:
        client.frames()
    event, rendered = channels.DiffDepth.event, []

    def note(channel: Any, board: Any, shown: Any) -> Any:
        rendered.append(shown.update_id)
        return event(channel, board, shown)

    monkeypatch.setattr(channels.DiffDepth, "event", note)
    speaker.wait(0.3)
    assert len(rendered) == 1
    for group in (raw, wrapped, upbit):
        owed = [client.frames() for client in group]
        assert {len(frames) for frames in owed} == {1}
        assert len({id(frames[0]) for frames in owed}) == 1


def test_the_state_on_disk_knows_nothing_of_listeners() -> None:
    speaker = Speaker(new_simulator())
    binance_user(speaker)
    world = speaker.simulator.world
    tape, world.tape = world.tape, None
    kept: World = pickle.loads(pickle.dumps(world))
    world.tape = tape
    assert kept.journal.listener is None
    assert kept.journal.rows == world.journal.rows


def test_a_reset_ends_all_connections_and_new_ones_see_the_new_world() -> None:
    speaker = Speaker(new_simulator())
    old = [binance_user(speaker), connect(speaker, "binance", f"/ws/{DIFF}")]
    for client in old:
        client.frames()
    speaker.control("POST", "/control/reset", seed=9)
    assert [client.ends() for client in old] == [[("close", 1012)]] * 2
    fresh = Speaker(speaker.simulator, wall_ms=speaker.wall_ms)
    client = binance_user(fresh)
    client.events()
    fresh.credit(BINANCE, "XRP", "1")
    assert [event["e"] for event in client.events()] == ["balanceUpdate", "outboundAccountPosition"]


def test_control_shows_who_is_connected_to_what() -> None:
    speaker = Speaker(new_simulator())
    client = connect(speaker, "binance", f"/ws/{DIFF}")
    speaker.wait(0.3)
    shown = speaker.control("GET", "/control/streams").body
    assert (shown["opened"], shown["refused"]) == (1, 0)
    assert shown["channels"] == [{"venue": "binance", "name": DIFF, "listeners": 1}]
    (session,) = shown["sessions"]
    assert (session["path"], session["subscriptions"]) == (f"/ws/{DIFF}", [DIFF])
    assert session["sent"] == len(client.frames()) == 1
