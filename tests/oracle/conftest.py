"""A simulator on real sockets, and clients that nobody here wrote."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from exchanges.simulator.server import RunningSimulator, start_in_thread
from tests.oracle.stage import Stage
from tests.oracle.talking import Client


def _client(script: str) -> Iterator[Client]:
    client = Client(script)
    yield client
    client.close()


@pytest.fixture(scope="session")
def ccxt_process() -> Iterator[Client]:
    yield from _client("ccxt_rest.py")


@pytest.fixture(scope="session")
def pro_process() -> Iterator[Client]:
    yield from _client("ccxt_pro.py")


@pytest.fixture(scope="session")
def upbit_process() -> Iterator[Client]:
    yield from _client("upbit_sdk.py")


@pytest.fixture(scope="session")
def binance_process() -> Iterator[Client]:
    yield from _client("binance_sdk.py")


@pytest.fixture(scope="session")
def running() -> Iterator[RunningSimulator]:
    """Give one simulator to all tests; each begins a world of its own in it. So do the clients below."""
    with start_in_thread(speed=60) as simulator:
        yield simulator


@pytest.fixture
def stage(running: RunningSimulator) -> Iterator[Stage]:
    """Give a world whose market clock stands still; money is conserved whatever a test did."""
    stage = Stage(running)
    yield stage
    assert stage.control("/control/invariants")["problems"] == []
