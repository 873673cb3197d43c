"""The simulator on real sockets: speaking, breaking connections, closing ports, the command."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import uuid4

import pytest
import requests

from exchanges.simulator.server import DEFAULT_PORTS, RunningSimulator, start_in_thread
from tests.exchanges.simulator.speaking import upbit_token

BODY = {"market": "KRW-XRP", "side": "bid", "ord_type": "price", "price": "10000"}


def control(url: str, method: str, path: str, **spec: Any) -> Any:
    reply = requests.request(method, f"{url}{path}", json=spec or None, timeout=10)
    assert reply.status_code == 200, reply.text
    return reply.json()


def order(url: str, account: dict[str, Any], identifier: str, seconds: float = 10) -> Any:
    body = {**BODY, "identifier": identifier}
    hashed = "&".join(f"{name}={value}" for name, value in body.items())
    token = upbit_token(account["access_key"], account["secret_key"], hashed, str(uuid4()))
    return requests.post(
        f"{url}/v1/orders",
        json=body,
        headers={"Authorization": f"Bearer {token}"},
        timeout=seconds,
    )


def account_of(url: str) -> dict[str, Any]:
    account: dict[str, Any] = control(url, "GET", "/control/accounts")["accounts"]["upbit"]
    return account


def test_accounts_name_the_urls_to_speak_to(running: RunningSimulator) -> None:
    accounts = control(running.control_url, "GET", "/control/accounts")["accounts"]
    assert accounts["upbit"]["base_url"] == running.upbit_url
    assert accounts["binance"]["base_url"] == running.binance_url
    assert accounts["bithumb"]["base_url"] == running.bithumb_url


def test_replies_are_dated_by_the_venues_own_clock(running: RunningSimulator) -> None:
    control(running.control_url, "POST", "/control/skew", venue="upbit", ms=3_600_000)
    ahead = {}
    for venue, path in (("upbit", "/v1/market/all"), ("binance", "/api/v3/ping")):
        url = getattr(running, f"{venue}_url")
        dated = parsedate_to_datetime(requests.get(url + path, timeout=10).headers["Date"])
        ahead[venue] = (dated - datetime.now(UTC)).total_seconds()
    assert 3590 < ahead["upbit"] <= 3600
    assert -10 < ahead["binance"] <= 0


def test_an_order_is_accepted_over_http(running: RunningSimulator) -> None:
    reply = order(running.upbit_url, account_of(running.control_url), "k1")
    assert reply.status_code == 201
    assert reply.headers["Remaining-Req"].startswith("group=order; ")
    rows = control(running.control_url, "GET", "/control/orders")
    assert [row["client_order_id"] for row in rows] == ["k1"]


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("F2", requests.ReadTimeout),
        ("F6", "RemoteDisconnected"),
        ("F7", "ConnectionResetError"),
        ("F8", "IncompleteRead"),
    ],
)
def test_a_connection_breaks_the_way_the_fault_says_and_the_order_stands(
    running: RunningSimulator, fault: str, cause: Any
) -> None:
    rule = {"fault": fault, "venue": "upbit", "path_regex": "/orders", "when": "once"}
    control(running.control_url, "POST", "/control/faults", **rule)
    account = account_of(running.control_url)
    with pytest.raises(requests.RequestException) as caught:
        order(running.upbit_url, account, "k1", seconds=0.5)
    if isinstance(cause, str):
        assert cause in repr(caught.value)
    else:
        assert caught.type is cause
    rows = control(running.control_url, "GET", "/control/orders")
    assert [row["acceptances"] for row in rows] == [1]


def test_f10_refuses_connections_until_it_is_cleared(running: RunningSimulator) -> None:
    control(running.control_url, "POST", "/control/faults", fault="F10", venue="upbit")
    with pytest.raises(requests.ConnectionError, match="refused"):
        requests.get(f"{running.upbit_url}/v1/market/all", timeout=5)
    control(running.control_url, "DELETE", "/control/faults")
    assert requests.get(f"{running.upbit_url}/v1/market/all", timeout=5).status_code == 200


def test_a_dripping_reply_comes_byte_by_byte_from_its_first_header_on(
    running: RunningSimulator,
) -> None:
    rule = {"fault": "F33", "venue": "upbit", "path_regex": "/ticker"}
    control(running.control_url, "POST", "/control/faults", **rule)
    host, _, port = running.upbit_url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as sock:
        sock.sendall(b"GET /v1/ticker?markets=KRW-XRP HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(64) in {b"H", b"HT", b"HTT"}


def test_a_flood_is_as_long_as_it_says(running: RunningSimulator) -> None:
    rule = {"action": "flood", "venue": "upbit", "path_regex": "/ticker", "args": {"mebibytes": 1}}
    control(running.control_url, "POST", "/control/faults", phase="reply", **rule)
    reply = requests.get(f"{running.upbit_url}/v1/ticker?markets=KRW-XRP", timeout=5)
    assert (len(reply.content), reply.headers["Content-Length"]) == (1024 * 1024, "1048576")


def test_stopping_gives_the_ports_back() -> None:
    simulator = start_in_thread()
    port = int(simulator.upbit_url.rpartition(":")[2])
    simulator.stop()
    simulator.stop()
    with socket.create_server(("127.0.0.1", port)):
        pass


@contextmanager
def command(*options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    arguments = [sys.executable, "manage.py", "simulator", *options]
    ports = [f"--{name}-port=0" for name in DEFAULT_PORTS]
    process = subprocess.Popen(
        [*arguments, *ports], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


@pytest.mark.processes
def test_the_command_says_where_it_listens_and_ends_cleanly_on_sigterm() -> None:
    with command("--speed", "60", "--stretch", "calm-2025-09", "--seed", "4") as (process, ready):
        assert ready["event"] == "simulator_ready"
        body = control(ready["control"], "GET", "/control/accounts")
        assert (body["seed"], body["stretch"], body["speed"]) == (4, "calm-2025-09", "60")
        process.terminate()
        assert process.wait(10) == 0


@pytest.mark.processes
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--stretch", "nope"], "known: crash-2024-12-03"),
        (["--speed", "0"], "above zero"),
        (["--scenario", "nope"], "there is no scenario 'nope': calm, default, rehearsal"),
    ],
)
def test_the_command_refuses_nonsense_in_a_sentence(options: list[str], told: str) -> None:
    arguments = [sys.executable, "manage.py", "simulator", *options]
    ended = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode != 0
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.processes
def test_the_command_names_a_taken_port() -> None:
    anywhere = [f"--{name}-port=0" for name in DEFAULT_PORTS]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = subprocess.run(
            [sys.executable, "manage.py", "simulator", *anywhere, "--upbit-port", port],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    assert ended.returncode != 0
    assert port in ended.stderr
    assert "Traceback" not in ended.stderr
