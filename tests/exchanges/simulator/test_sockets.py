"""The WebSockets over real sockets: the ports of REST, real clients, connections that break."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from exchanges.simulator.server import RunningSimulator, start_in_thread
from tests.exchanges.simulator.speaking import upbit_token

WAIT_SECONDS = 10
# Answers of 34 KB that nobody reads: more than the kernel takes for a socket.
FLOOD = 600
BOOK = [{"ticket": "t"}, {"type": "orderbook", "codes": ["KRW-XRP.5"]}]
ORDER = {"market": "KRW-XRP", "side": "bid", "ord_type": "price", "price": "10000"}
Body = Callable[[ClientSession], Coroutine[Any, Any, None]]


def converse(body: Body) -> None:
    async def run() -> None:
        async with ClientSession() as http:
            await asyncio.wait_for(body(http), WAIT_SECONDS)

    asyncio.run(run())


async def message(stream: ClientWebSocketResponse) -> Any:
    frame = await stream.receive()
    assert frame.type in {WSMsgType.TEXT, WSMsgType.BINARY}, frame
    return json.loads(frame.data, parse_float=Decimal)


async def control(http: ClientSession, running: RunningSimulator, path: str, **spec: Any) -> Any:
    async with http.post(f"{running.control_url}{path}", json=spec) as reply:
        assert reply.status == 200, await reply.text()
        return await reply.json()


async def account(http: ClientSession, running: RunningSimulator) -> dict[str, Any]:
    async with http.get(f"{running.control_url}/control/accounts") as reply:
        known: dict[str, Any] = (await reply.json())["accounts"]["upbit"]
        return known


def bearer(keys: dict[str, Any], hashed: str = "") -> dict[str, str]:
    token = upbit_token(keys["access_key"], keys["secret_key"], hashed, str(uuid4()))
    return {"Authorization": f"Bearer {token}"}


def place(http: ClientSession, running: RunningSimulator, keys: dict[str, Any]) -> Any:
    hashed = "&".join(f"{name}={value}" for name, value in ORDER.items())
    return http.post(f"{running.upbit_url}/v1/orders", json=ORDER, headers=bearer(keys, hashed))


def test_books_come_over_the_port_of_rest_in_binary_frames(running: RunningSimulator) -> None:
    async def body(http: ClientSession) -> None:
        async with http.ws_connect(f"{running.upbit_url}/websocket/v1") as stream:
            await stream.send_json(BOOK)
            first = await stream.receive()
            assert first.type == WSMsgType.BINARY
            second = await message(stream)
            async with http.get(f"{running.upbit_url}/v1/market/all") as reply:
                assert reply.status == 200
        assert json.loads(first.data)["stream_type"] == "SNAPSHOT"
        assert second["stream_type"] == "REALTIME"

    converse(body)


def test_pings_are_answered_in_both_spellings(running: RunningSimulator) -> None:
    async def body(http: ClientSession) -> None:
        async with http.ws_connect(f"{running.upbit_url}/websocket/v1", autoping=False) as stream:
            await stream.ping(b"here")
            assert (await stream.receive())[:2] == (WSMsgType.PONG, b"here")
            await stream.send_str("PING")
            assert await message(stream) == {"status": "UP"}

    converse(body)


def test_the_client_may_close(running: RunningSimulator) -> None:
    async def body(http: ClientSession) -> None:
        stream = await http.ws_connect(f"{running.binance_url}/ws/xrpusdt@bookTicker")
        await message(stream)
        await stream.close()
        assert stream.close_code == 1000
        while (await sessions(http, running))["sessions"]:
            await asyncio.sleep(0)

    converse(body)


async def sessions(http: ClientSession, running: RunningSimulator) -> Any:
    async with http.get(f"{running.control_url}/control/streams") as reply:
        return await reply.json()


@pytest.mark.parametrize(("how", "code"), [("close", 1001), ("cut", 1006)])
def test_a_connection_breaks_the_way_the_fault_says(
    running: RunningSimulator, how: str, code: int
) -> None:
    async def body(http: ClientSession) -> None:
        stream = await http.ws_connect(f"{running.binance_url}/ws/xrpusdt@depth@100ms")
        await message(stream)
        args = {"seconds": 0, "how": how}
        await control(http, running, "/control/faults", fault="F35", action="disconnect", args=args)
        while not stream.closed:
            await stream.receive()
        assert stream.close_code == code

    converse(body)


async def refused(http: ClientSession, url: str, **headers: str) -> int:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await http.ws_connect(url, headers=headers)
    return caught.value.status


def test_a_path_without_a_stream_is_not_found(running: RunningSimulator) -> None:
    async def body(http: ClientSession) -> None:
        assert await refused(http, f"{running.upbit_url}/websocket/v1/nothing") == 404

    converse(body)


def test_a_handshake_too_many_is_refused() -> None:
    async def body(http: ClientSession) -> None:
        url = f"{running.upbit_url}/websocket/v1"
        first = await http.ws_connect(url, headers={"Origin": "https://example.com"})
        assert await refused(http, url, Origin="https://example.com") == 429
        await first.close()

    with start_in_thread(speed=60) as running:
        converse(body)


def test_a_private_stream_tells_of_an_order_placed_by_rest(running: RunningSimulator) -> None:
    async def body(http: ClientSession) -> None:
        keys = await account(http, running)
        url = f"{running.upbit_url}/websocket/v1/private"
        async with http.ws_connect(url, headers=bearer(keys)) as stream:
            await stream.send_json([{"ticket": "t"}, {"type": "myOrder"}])
            await listed(stream)
            async with place(http, running, keys) as reply:
                placed = await reply.json()
            assert (await message(stream))["uuid"] == placed["uuid"]

    converse(body)


async def listed(stream: ClientWebSocketResponse) -> None:
    """Wait until the subscription stands."""
    await stream.send_json([{"ticket": "t"}, {"method": "LIST_SUBSCRIPTIONS"}])
    assert (await message(stream))["result"]


def test_a_bad_signature_is_told_and_closed(running: RunningSimulator) -> None:
    async def body(http: ClientSession) -> None:
        async with http.ws_connect(f"{running.upbit_url}/websocket/v1/private") as stream:
            assert (await message(stream))["error"]["name"] == "INVALID_AUTH"
            assert (await stream.receive()).type == WSMsgType.CLOSE
            assert stream.close_code == 1008

    converse(body)


@pytest.mark.parametrize(
    "rule",
    [
        {"fault": "F35", "action": "early_event", "args": {"milliseconds": 60_000}},
        {"fault": "F2", "path_regex": "/orders$", "args": {"milliseconds": 60_000}},
    ],
    ids=["early event", "lost reply"],
)
def test_an_event_does_not_wait_for_a_reply_that_does_not_come(
    running: RunningSimulator, rule: dict[str, Any]
) -> None:
    async def body(http: ClientSession) -> None:
        keys = await account(http, running)
        url = f"{running.upbit_url}/websocket/v1/private"
        async with http.ws_connect(url, headers=bearer(keys)) as stream:
            await stream.send_json([{"ticket": "t"}, {"type": "myOrder"}])
            await listed(stream)
            await control(http, running, "/control/faults", venue="upbit", **rule)
            asking = asyncio.ensure_future(place(http, running, keys))
            assert (await message(stream))["state"] == "wait"
            assert not asking.done()
            asking.cancel()

    converse(body)


def test_the_websocket_api_places_orders_over_a_socket(running: RunningSimulator) -> None:
    async def body(http: ClientSession) -> None:
        async with http.ws_connect(f"{running.binance_url}/ws-api/v3") as stream:
            await stream.send_json({"id": 1, "method": "time"})
            assert (await message(stream))["status"] == 200
            await stream.send_json({"id": 2, "method": "order.place", "params": {}})
            assert (await message(stream))["error"]["code"] == -2014

    converse(body)


def test_refusing_new_connections_leaves_those_that_stand(running: RunningSimulator) -> None:
    async def body(http: ClientSession) -> None:
        stream = await http.ws_connect(f"{running.binance_url}/ws/xrpusdt@depth@100ms")
        await control(http, running, "/control/faults", fault="F10", venue="binance")
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.ws_connect(f"{running.binance_url}/ws")
        await message(stream)
        await stream.close()

    converse(body)


def test_a_client_that_does_not_read_holds_up_nobody(running: RunningSimulator) -> None:
    async def body(http: ClientSession) -> None:
        url = f"{running.binance_url}/ws"
        idle = await http.ws_connect(url)
        names = [f"{number:020}@bookTicker" for number in range(1000)]
        await idle.send_json({"method": "SUBSCRIBE", "params": names, "id": 1})
        for _ in range(FLOOD):
            await idle.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 2})
        async with http.ws_connect(f"{url}/xrpusdt@depth@100ms") as stream:
            events = [await message(stream) for _ in range(5)]
        assert [event["e"] for event in events] == ["depthUpdate"] * 5
        shown = (await sessions(http, running))["sessions"][0]
        assert shown["sent"] == FLOOD + 1
        idle._response.close()

    converse(body)


def test_a_server_that_stops_says_goodbye_and_gives_its_ports_back() -> None:
    running = start_in_thread(speed=60, scenario="unlimited")

    async def body(http: ClientSession) -> None:
        stream = await http.ws_connect(f"{running.binance_url}/ws/xrpusdt@depth@100ms")
        await message(stream)
        stopping = asyncio.get_running_loop().run_in_executor(None, running.stop)
        while not stream.closed:
            await stream.receive()
        assert stream.close_code == 1001
        await stopping

    converse(body)
    with socket.create_server(("127.0.0.1", int(running.binance_url.rpartition(":")[2]))):
        pass
